/**
 * Syncs 10,000 times in one process and prints as JSON what is left of it: see memory.ts.
 *
 * @module
 */
import { Agent } from "../lib/agent/agent.ts";
import { IptablesBackend } from "../lib/backends/iptables/iptables_backend.ts";
import { parseChainName } from "../lib/config/chain_name.ts";
import { systemClock } from "../lib/system/clock.ts";
import { ChildProcessRunner } from "../lib/system/command_runner.ts";
import { FakeConfigSource, FakeLogger } from "../tests/fakes/agent.ts";

const SYNCS = 10_000;

const logger = new FakeLogger();
const agent = new Agent({
  source: new FakeConfigSource('nonMasqueradeCIDRs: ["10.0.0.0/8"]'),
  backends: [new IptablesBackend("IPv4", parseChainName("IP-MASQ-AGENT"), new ChildProcessRunner())],
  clock: systemClock,
  logger,
  configOptions: { enableIpv6: false, allReservedRanges: false },
  masquerade: { randomFully: true, toPorts: [] },
});

function anonymousKiB(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
}

/** Children that ended and were not waited for. */
function zombies(): number {
  const children = Deno.readTextFileSync(
    "/proc/self/task/self/children".replace("task/self", `task/${Deno.pid}`),
  );
  return children.trim().split(/\s+/).filter((pid) => {
    try {
      return pid !== "" && / Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
    } catch {
      return false;
    }
  }).length;
}

const openFiles = () => [...Deno.readDirSync("/proc/self/fd")].length;

let after500KiB = 0;
let files = 0;
for (let syncs = 0; syncs < SYNCS; syncs++) {
  const { failures } = await agent.cycle();
  if (failures > 0) throw new Error(`A sync failed: ${logger.lines.at(-1)}`);
  if (syncs === 500) [after500KiB, files] = [anonymousKiB(), openFiles()];
}
const afterAllKiB = anonymousKiB();
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({
  syncs: SYNCS,
  after500KiB,
  afterAllKiB,
  grownKiB: afterAllKiB - after500KiB,
  openFilesGrown: openFiles() - files,
  zombies: zombies(),
})));
