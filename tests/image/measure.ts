/**
 * Prints what the agent's container takes at rest: memory and processor time of three minutes, with both families.
 * Run it after `make test-image`, by `deno task measure:image`.
 *
 * @module
 */
import { Sandbox } from "../sandbox/sandbox.ts";
import { RunningContainer } from "./container.ts";

const MINUTE_MS = 60_000;

await using sandbox = await Sandbox.create();
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
  Deno.stdout.writeSync(new TextEncoder().encode(`after ${minute} min: ${await measure()}\n`));
}
