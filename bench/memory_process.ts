/**
 * Syncs 10,000 times in one process and prints as JSON what is left of it: see memory.ts.
 *
 * @module
 */
import { FakeConfigSource, FakeLogger } from "../tests/fakes/agent.ts";
import { createRealAgent } from "../tests/fakes/real_agent.ts";

const SYNCS = 10_000;

const logger = new FakeLogger();
const agent = createRealAgent(new FakeConfigSource('nonMasqueradeCIDRs: ["10.0.0.0/8"]'), logger);

function anonymousKiB(): number {
  (globalThis as { gc?: () => void }).gc?.();
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1]);
}

/** Children that ended and were not waited for. */
function zombies(): number {
  const children = Deno.readTextFileSync(`/proc/self/task/${Deno.pid}/children`);
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
