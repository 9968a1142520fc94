/**
 * Everything in the nat table, for commands that a person runs. The agent never reads this: it costs as much as the
 * whole table, which on a node may have 100,000 rules.
 */
import type { IpFamily } from "../../config/ip_address.ts";
import type { CommandResult, CommandRunner } from "../../ports.ts";
import { BackendError, BackendMissingError, toBackendError } from "../backend.ts";
import { splitWords } from "./listing.ts";
import { type IptablesProgram, RESTORE_ARGS, RESTORE_COMMANDS, restoreFailure } from "./restore_command.ts";

/** One rule of any chain. */
export interface TableRule {
  readonly chain: string;
  /** Its place in the chain, from 1, as `iptables -D CHAIN NUMBER` counts. */
  readonly number: number;
  /** The words behind `-A CHAIN`, without quotes. */
  readonly words: readonly string[];
  /** As `iptables -S` prints it. */
  readonly text: string;
}

/** The chains of the nat table, each with its rules in order. */
export type NatTable = ReadonlyMap<string, readonly TableRule[]>;

/** Parses what `iptables -t nat -S` prints. */
export function parseNatTable(text: string): NatTable {
  const chains = new Map<string, TableRule[]>();
  for (const line of text.split("\n")) {
    const [command, chain, ...words] = splitWords(line);
    if (chain === undefined || !["-P", "-N", "-A"].includes(command!)) continue;
    const rules = chains.get(chain) ?? [];
    chains.set(chain, rules);
    if (command === "-A") rules.push({ chain, number: rules.length + 1, words, text: line });
  }
  return chains;
}

/** The target that a rule jumps or goes to; undefined for a rule that only counts. */
export function targetOf({ words }: TableRule): string | undefined {
  return wordBehind(words, "-j") ?? wordBehind(words, "-g");
}

/** The comment of a rule. */
export function commentOf({ words }: TableRule): string {
  return wordBehind(words, "--comment") ?? "";
}

function wordBehind(words: readonly string[], option: string): string | undefined {
  const index = words.indexOf(option);
  return index === -1 ? undefined : words[index + 1];
}

const READ_ALL = "*nat\n-S\nCOMMIT\n";

/**
 * Reads the nat table of one family; undefined where the program is not installed, or the kernel has no such table.
 * Changes nothing.
 *
 * @throws {BackendError} The table is there and can't be read.
 */
export async function readNatTable(
  family: IpFamily,
  runner: CommandRunner,
  program: IptablesProgram = "iptables",
): Promise<NatTable | undefined> {
  const name = RESTORE_COMMANDS[program][family];
  let result: CommandResult;
  try {
    result = await runner.run({ name, args: RESTORE_ARGS, input: READ_ALL });
  } catch (error) {
    const failure = toBackendError(error);
    if (failure instanceof BackendMissingError) return undefined;
    throw failure;
  }
  const listed = /^-P POSTROUTING /m.test(result.stdout);
  if (result.code === 0 && listed) return parseNatTable(result.stdout);
  if (result.code === 0) throw new BackendError(`${name} listed nothing: is it iptables?`);
  if (/table does not exist|not supported/i.test(result.stderr)) return undefined;
  throw restoreFailure(name, "read", result, READ_ALL);
}
