/** Makes the kernel forget UDP flows that the rules decide otherwise now, so that their next packet is a first one. */
import { type Clock, CommandError, type CommandRunner } from "../ports.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import { answerTo, firstPacket, type Flow, isOutdated, parseFlows, selectFlows } from "./flows.ts";

/** Connections of all kinds beyond which nothing is listed: a line of a flow takes 200 bytes of memory and more. */
const MOST_CONNECTIONS = 100_000;

/** CIDRs that all flows together are compared with: 2 seconds. */
const MOST_COMPARISONS = 10_000_000;

/** Flows that conntrack looks at for all selections together: 3 seconds. */
const MOST_LOOKS = 2_000_000;

/** Processes of a conntrack that takes one selection at a time. */
const MOST_PROCESSES = 100;

/** Milliseconds within which an answer comes that was under way when its flow was forgotten. */
const ANSWER_MS = 300;

/** How often it is looked for such answers, which begin the flow anew from the other end. */
const MOST_LOOKS_FOR_ANSWERS = 3;

/** What it needs of the machine. */
export interface FlowParts {
  readonly runner: CommandRunner;
  readonly clock: Pick<Clock, "after">;
  /** The addresses that the node has now. */
  readonly localAddresses: () => readonly string[];
}

/**
 * Forgets the flows of one family that are outdated by `now`. TCP is left alone: a connection that changed its address
 * would break.
 *
 * @param before The rules until now, where they are known.
 * @returns How many flows were forgotten.
 * @throws {CommandError} conntrack is missing or failed, or there is too much to do.
 */
export async function forgetFlows(
  { runner, clock, localAddresses }: FlowParts,
  now: Ruleset,
  before: Ruleset | undefined,
): Promise<number> {
  const family = ["-p", "udp", "-f", now.family.toLowerCase()];
  const list = async () => parseFlows(await run(runner, ["-L", ...family]));
  if (Number(await run(runner, ["-C"])) > MOST_CONNECTIONS) throw tooMany("connections");
  const flows = await list();
  if (flows.length * (countCidrs(now) + countCidrs(before)) > MOST_COMPARISONS) {
    throw tooMany("flows for so many CIDRs");
  }
  const local = new Set(localAddresses());
  // 0.0.0.0 is a host that has no address yet, which the kernel does not masquerade.
  const isLocal = (address: string) =>
    local.has(address) || address.startsWith("127.") || address === "0.0.0.0";
  const forgotten = await forget(runner, family, flows, (flow) => isOutdated(flow, now, before, isLocal));

  const answers = new Set(forgotten.map(answerTo));
  const isAnswer = (flow: Flow) => answers.has(firstPacket(flow));
  let isLeft = forgotten.length > 0;
  for (let look = 0; isLeft && look < MOST_LOOKS_FOR_ANSWERS; look++) {
    await new Promise<void>((resolve) => void clock.after(ANSWER_MS, resolve));
    isLeft = (await forget(runner, family, await list(), isAnswer)).length > 0;
  }
  return forgotten.length;
}

/** Forgets some of `flows`, and returns them as they were. */
async function forget(
  runner: CommandRunner,
  family: readonly string[],
  flows: readonly Flow[],
  isSelected: (flow: Flow) => boolean,
): Promise<Flow[]> {
  const selections = selectFlows(flows, isSelected);
  if (selections.length === 0) return [];
  const commands = selections.slice(0, Math.ceil(MOST_LOOKS / flows.length))
    .map((words) => ["-D", ...family, words].join(" "));
  const input = `${commands.join("\n")}\n`;
  const atOnce = await runner.run({ name: "conntrack", args: ["-R", "-"], input });
  let { stdout } = atOnce;
  // conntrack before 1.4.7 knows no -R.
  if (atOnce.code !== 0) {
    commands.length = Math.min(commands.length, MOST_PROCESSES);
    for (const command of commands) {
      stdout += (await runner.run({ name: "conntrack", args: command.split(" ") })).stdout;
    }
  }
  if (commands.length < selections.length) throw tooMany("of them at once");
  return parseFlows(stdout);
}

async function run(runner: CommandRunner, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runner.run({ name: "conntrack", args });
  if (code === 0) return stdout;
  throw new CommandError(`conntrack failed (exit code ${code}): ${stderr.trim()}`);
}

function tooMany(what: string): CommandError {
  return new CommandError(`there are too many ${what}: what is left keeps its address until it ends`);
}

function countCidrs(ruleset: Ruleset | undefined): number {
  return (ruleset?.rules ?? []).reduce(
    (sum, { match }) => sum + 1 + (match.destinations?.length ?? 0) + (match.sources?.length ?? 0),
    0,
  );
}
