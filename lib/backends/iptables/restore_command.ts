/** How the commands of iptables are called, and what their failures mean. */
import type { IpFamily } from "../../config/ip_address.ts";
import { printable } from "../../config/printable.ts";
import type { CommandName, CommandResult, CommandRunner } from "../../ports.ts";
import { BackendError, describeExit, LACKS_FAMILY, LACKS_FAMILY_HINT } from "../backend.ts";
import { natPartOf, type NatTable, parseNatTable } from "./nat_table.ts";

/** Which of the host's iptables to use: the one that has the plain name, or one variant. */
export type IptablesProgram = "iptables" | "iptables-nft" | "iptables-legacy";

/** The command of each program and family. */
export const RESTORE_COMMANDS: Readonly<Record<IptablesProgram, Readonly<Record<IpFamily, CommandName>>>> = {
  "iptables": { IPv4: "iptables-restore", IPv6: "ip6tables-restore" },
  "iptables-nft": { IPv4: "iptables-nft-restore", IPv6: "ip6tables-nft-restore" },
  "iptables-legacy": { IPv4: "iptables-legacy-restore", IPv6: "ip6tables-legacy-restore" },
};

/** Characters of a command's messages that are worth a log line. */
const MOST_SAID = 500;

/** Keep what is not mentioned; wait up to 5 seconds for another program's lock. */
export const RESTORE_ARGS = ["--noflush", "-w", "5"];

/** An error for a command that did not succeed: what it said, and which line of its input was wrong. */
export function restoreFailure(
  command: CommandName,
  action: string,
  { code, stdout, stderr }: CommandResult,
  input?: string,
): BackendError {
  const said = stderr.split("\n").map((line) => line.trim()).filter((line) =>
    line !== "" && !line.startsWith("Try `")
  ).join("; ");
  const number = Number(/line:? (\d+)/i.exec(stderr)?.[1]);
  const line = input?.split("\n")[number - 1];
  return new BackendError(
    `${command} cannot ${action} the rules: ${describeExit(code)}: ${
      printable(said, MOST_SAID) || "no message"
    }` +
      (line ? `: line ${number} was: ${line}` : "") + hint(code, stderr),
    // 1.8.7 crashes (SIGABRT) while it lists a table to which nft added a base chain.
    { lacksFamily: LACKS_FAMILY.test(stderr), needsNft: INCOMPATIBLE.test(stdout + stderr) || code === 134 },
  );
}

/** What iptables-nft says of chains and tables that nft wrote: an error, or a remark beside a listing without them. */
export const INCOMPATIBLE = /(?:chain|table) `\S+'.* (?:is|contains) incompatible.*/i;

/** What to do about the failures that a person can do something about. */
function hint(code: number, stderr: string): string {
  if (LACKS_FAMILY.test(stderr)) return LACKS_FAMILY_HINT;
  if (/permission denied|operation not permitted|you must be root/i.test(stderr)) {
    return ": run the agent as root, or with the capabilities NET_ADMIN and NET_RAW";
  }
  if (/can't open lock file/i.test(stderr)) {
    return ": make /run writable, or mount the host's /run/xtables.lock";
  }
  if (code === 4 && /lock/i.test(stderr)) {
    return ": another program holds the xtables lock; this is tried again";
  }
  // Without its capabilities the legacy variant says only that there is no table.
  if (/table does not exist|can't initialize|unable to initialize/i.test(stderr)) {
    return ": load the kernel's nat table (modprobe iptable_nat or ip6table_nat), and give the agent the " +
      "capabilities NET_ADMIN and NET_RAW";
  }
  return "";
}

/** The command that lists the tables which exist, and makes none, as naming a table to iptables-legacy does. */
const SAVE_COMMANDS: Readonly<Record<IptablesProgram, Readonly<Record<IpFamily, CommandName>>>> = {
  "iptables": { IPv4: "iptables-save", IPv6: "ip6tables-save" },
  "iptables-nft": { IPv4: "iptables-nft-save", IPv6: "ip6tables-nft-save" },
  "iptables-legacy": { IPv4: "iptables-legacy-save", IPv6: "ip6tables-legacy-save" },
};

/**
 * Reads everything in the nat table of one family; undefined where there is no such table. Changes nothing. It costs as much as the whole table, which on a node may have 100,000 rules: for commands
 * that a person runs, and for the legacy variant, whose every command costs that.
 *
 * @throws {CommandNotFoundError} The program is not installed.
 * @throws {CommandError} The table is there and can't be read.
 */
export async function readNatTable(
  family: IpFamily,
  runner: CommandRunner,
  program: IptablesProgram,
): Promise<NatTable | undefined> {
  const name = SAVE_COMMANDS[program][family];
  const result = await runner.run({ name, args: program === "iptables-nft" ? ["-t", "nat"] : [] });
  // To a kernel without x_tables the legacy variant says that it can't open the list of its tables.
  if (result.code !== 0 && /no such file|does not exist|not supported/i.test(result.stderr)) return undefined;
  if (result.code !== 0) throw restoreFailure(name, "read", result);
  if (/table `nat' is incompatible/i.test(result.stdout + result.stderr)) {
    throw new BackendError(`${name} cannot read the nat table: it has rules that only nft understands`, {
      needsNft: true,
    });
  }
  if (!/^(?:#.*\n)*$|\nCOMMIT\n(?:#.*\n)*$/.test(result.stdout)) {
    throw new BackendError(`${name} printed what can't be read: the listing is cut off`);
  }
  const part = natPartOf(result.stdout);
  return part === undefined ? undefined : parseNatTable(part);
}
