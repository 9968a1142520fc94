/** What a check that finds nothing to do costs, beside the three commands that others run at every interval. */
import { Sandbox, type Variant, VARIANTS } from "../tests/sandbox/sandbox.ts";
import { cpuTimeOf, cpuTimeOfCommands } from "./cpu_time.ts";
import { runScript, V8_FLAGS } from "../tests/sandbox/run_script.ts";
import { foreignRules } from "./foreign_rules.ts";

/** The cost of one check with one table, in milliseconds of CPU. */
export interface SyncCost {
  readonly variant: Variant;
  /** Rules of others in the nat table. */
  readonly foreign: number;
  readonly agentMs: number;
  /** `iptables-restore --noflush` of our chain, `iptables -C` of the jump and `iptables -N` of the chain. */
  readonly commandsMs: number;
  readonly ratio: number;
  /** One interval of the agent that $PEER names. */
  readonly peerMs?: number;
}

const SIZES = [0, 6_000, 30_000];
const PEER_SECONDS = 10;

/** Measures both variants with tables of each size. */
export async function measureSyncCost(
  peer: string | undefined,
  say: (line: string) => void,
): Promise<SyncCost[]> {
  const costs: SyncCost[] = [];
  for (const variant of VARIANTS) {
    for (const foreign of SIZES) {
      await using sandbox = await Sandbox.create(variant);
      const { code, stderr } = await sandbox.run("iptables-restore", ["--noflush"], {
        input: foreignRules(foreign),
      });
      if (code !== 0) throw new Error(`Cannot fill the table: ${stderr}`);
      const times = foreign > 10_000 && variant === "legacy" ? 40 : 300;
      const agentMs = Number(
        await runScript(sandbox, "bench/sync_process.ts", V8_FLAGS, variant, String(times)),
      );
      const commandsMs = await cpuTimeOfCommands(sandbox, await peerCommands(sandbox), times);
      const cost: SyncCost = {
        variant,
        foreign,
        agentMs,
        commandsMs,
        ratio: agentMs / commandsMs,
        ...(peer !== undefined && { peerMs: await measurePeer(sandbox, peer) }),
      };
      costs.push(cost);
      say(
        `${variant.padEnd(6)} ${String(foreign).padStart(6)} foreign rules: agent ${
          agentMs.toFixed(2)
        } ms, ` +
          `commands ${commandsMs.toFixed(2)} ms, ratio ${cost.ratio.toFixed(2)}` +
          (cost.peerMs === undefined ? "" : `, peer ${cost.peerMs.toFixed(2)} ms`),
      );
    }
  }
  return costs;
}

/** What upstream runs at every interval, with the chain and jump that stand. */
async function peerCommands(sandbox: Sandbox): Promise<string> {
  const rules = await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT | grep '^-A'");
  await sandbox.write("/run/chain", `*nat\n:IP-MASQ-AGENT - [0:0]\n${rules}COMMIT\n`);
  const jump = (await sandbox.sh("iptables -t nat -S POSTROUTING | grep IP-MASQ-AGENT")).trim();
  return [
    "iptables-restore --noflush -w 5 </run/chain",
    `iptables -w 5 -t nat ${jump.replace("-A", "-C")}`,
    "iptables -w 5 -t nat -N IP-MASQ-AGENT",
  ].join("\n");
}

/** Another agent, at work once a second. */
async function measurePeer(sandbox: Sandbox, peer: string): Promise<number> {
  await sandbox.writeConfig("resyncInterval: 1s\n");
  const child = sandbox.spawn(peer, []);
  const output = child.output();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const before = cpuTimeOf(child.pid);
  await new Promise((resolve) => setTimeout(resolve, PEER_SECONDS * 1000));
  const cost = (cpuTimeOf(child.pid) - before) / PEER_SECONDS;
  child.kill("SIGKILL");
  await output;
  await child.stdin.abort();
  return cost;
}
