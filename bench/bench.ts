/**
 * Measures what the agent costs and prints it; writes bench/results.json and docs/sync-cost.svg. `PEER=PATH` measures
 * another ip-masq-agent beside it.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { formatChart } from "./chart.ts";
import { measureHealing, measureWatchCost } from "./healing.ts";
import { measureMemory } from "./memory.ts";
import { measureReload } from "./reload.ts";
import { measureStartTime } from "./start_time.ts";
import { measureSyncCost, type SyncCost } from "./sync_cost.ts";

const path = (relative: string) => fromFileUrl(new URL(`../${relative}`, import.meta.url));
const say = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

/** Compiles a program that does nothing, in the way the agent is compiled, as `folder`/empty. */
async function compileEmpty(folder: string): Promise<void> {
  await Deno.writeTextFile(`${folder}/empty.ts`, "");
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--quiet",
      "--no-config",
      "--no-code-cache",
      "--output",
      `${folder}/empty`,
      `${folder}/empty.ts`,
    ],
  }).output();
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
}

function drawSyncCost(costs: readonly SyncCost[]): string {
  return formatChart({
    title: "CPU of one check that finds nothing to do, by foreign rules, milliseconds",
    series: ["this agent", "iptables-restore, -C and -N"],
    groups: costs.map(({ variant, foreign, agentMs, commandsMs }) => ({
      label: `${variant} ${foreign.toLocaleString("en")}`,
      values: [agentMs, commandsMs],
    })),
    formatValue: (value) => value.toFixed(1),
  });
}

/** Seconds of rules of others that are rewritten. */
const CHURN_SECONDS = 30;

const folder = await Deno.makeTempDir();
try {
  say("Cost of a check that finds nothing to do (CPU of the agent and its children)");
  const syncCost = await measureSyncCost(Deno.env.get("PEER"), say);
  say("\nStart to rules in the kernel (wall clock, medians)");
  await compileEmpty(folder);
  const startTime = await measureStartTime(folder, say);
  say("\nAn edit of the config to the kernel");
  const reload = await measureReload(say);
  say("\nMemory");
  const memory = await measureMemory(say);
  say("\nRules that somebody takes away");
  const healing = await measureHealing(say);
  const watchCost = await measureWatchCost(CHURN_SECONDS, say);
  const machine = { cpus: navigator.hardwareConcurrency, deno: Deno.version.deno };
  const results = { machine, syncCost, startTime, reload, memory, healing, watchCost };
  await Deno.writeTextFile(path("bench/results.json"), `${JSON.stringify(results, null, 2)}\n`);
  await Deno.writeTextFile(path("docs/sync-cost.svg"), drawSyncCost(syncCost));
} finally {
  await Deno.remove(folder, { recursive: true });
}
