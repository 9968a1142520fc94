/**
 * Feeds random configs to the parser: `fuzz_config.ts [COUNT [SEED]]`. Prints what came out, the slowest input and
 * how much the memory of the process grew at its peak; fails at the first input that breaks a promise, and prints it.
 *
 * @module
 */
import { randomConfig, seededRandom, tryConfig } from "../tests/config/fuzz.ts";

/** MiB by which the peak may grow after warming up: no input can have used more. */
const MOST_GROWTH = 64;
const WARM_UP = 5_000;

const [count, seed] = [Number(Deno.args[0] ?? 1_000_000), Number(Deno.args[1] ?? 1)];
const random = seededRandom(seed);
let [good, slowest, slowestInput, before] = [0, 0, "", 0];
const start = performance.now();
for (let number = 0; number < count; number++) {
  if (number === Math.min(WARM_UP, count - 1)) before = peakMemory();
  const bytes = randomConfig(random);
  const input = () => JSON.stringify(new TextDecoder().decode(bytes));
  try {
    const { isGood, milliseconds } = tryConfig(bytes);
    if (isGood) good++;
    if (number >= WARM_UP && milliseconds > slowest) [slowest, slowestInput] = [milliseconds, input()];
  } catch (error) {
    say(`Input ${number} of seed ${seed} breaks a promise: ${input()}`);
    throw error;
  }
}
const growth = peakMemory() - before;
say(
  `${count} configs of seed ${seed} in ${((performance.now() - start) / 1_000).toFixed(1)} s: ` +
    `${good} good, ${count - good} with errors, none with anything else`,
);
say(`Slowest: ${slowest.toFixed(1)} ms: ${slowestInput}`);
say(`Peak memory grew by ${growth.toFixed(1)} MiB`);
if (growth > MOST_GROWTH) {
  say(`That is over ${MOST_GROWTH} MiB`);
  Deno.exitCode = 1;
}

/** The most memory that this process ever had, in MiB. */
function peakMemory(): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1_024;
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
