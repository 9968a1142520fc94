/**
 * Prints how long the agent's container takes to its rules, and what it takes at rest: memory and processor time of
 * three minutes, with both families.
 * Run it after `make test-image`, by `deno task measure:image`.
 *
 * @module
 */
import { Sandbox } from "../sandbox/sandbox.ts";
import { RunningContainer } from "./container.ts";

const MINUTE_MS = 60_000;

const STARTS = 20;

const print = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
const median = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

await using sandbox = await Sandbox.create();
const starts: [untilExecMs: number, untilRulesMs: number][] = [];
for (let time = 0; time < STARTS; time++) {
  await sandbox.sh("nft flush ruleset");
  const start = performance.now();
  await using agent = await RunningContainer.start(sandbox, {});
  const [elapsed, uptime] = [performance.now() - start, parseFloat(await Deno.readTextFile("/proc/uptime"))];
  // In ticks of 10 ms since the machine started: proc(5).
  const startTicks = Number((await Deno.readTextFile(`/proc/${await agent.pid()}/stat`)).split(" ")[21]);
  const sinceExec = 1_000 * uptime - 10 * startTicks;
  starts.push([elapsed - sinceExec, sinceExec]);
}
print(
  `podman run to exec: ${
    median(starts.map(([ms]) => ms)).toFixed(0)
  } ms; exec to the log line behind the rules: ${
    median(starts.map(([, ms]) => ms)).toFixed(0)
  } ms (medians of ${STARTS})`,
);
await sandbox.sh("nft flush ruleset");
await using agent = await RunningContainer.start(sandbox, {}, "--enable-ipv6");
const pid = await agent.pid();

/** Kilobytes, and milliseconds since the start: proc(5). */
async function measure(): Promise<string> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  const ticks = (await Deno.readTextFile(`/proc/${pid}/stat`)).split(" ").slice(13, 17).map(Number);
  const [own = 0, ownSystem = 0, children = 0, childrenSystem = 0] = ticks.map((tick) => tick * 10);
  return `RSS ${kilobytes("VmRSS")} kB (anonymous ${kilobytes("RssAnon")} kB, highest ${
    kilobytes("VmHWM")
  } kB), ` +
    `processor ${own + ownSystem} ms, and its commands ${children + childrenSystem} ms`;
}

for (let minute = 0; minute <= 3; minute++) {
  if (minute > 0) await new Promise((resolve) => setTimeout(resolve, MINUTE_MS));
  print(`after ${minute} min: ${await measure()}`);
}
