/** How iptables-restore is called, and what its failures mean. */
import type { IpFamily } from "../../config/ip_address.ts";
import type { CommandName, CommandResult } from "../../ports.ts";
import { printable } from "../../config/printable.ts";
import { BackendError, describeExit } from "../backend.ts";

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
  { code, stderr }: CommandResult,
  input?: string,
): BackendError {
  const said = stderr.trim().split("\n").map((line) => line.trim()).filter((line) =>
    line !== "" && !line.startsWith("Try `")
  ).join("; ");
  const number = Number(/line:? (\d+)/i.exec(stderr)?.[1]);
  const line = input?.split("\n")[number - 1];
  return new BackendError(
    `${command} cannot ${action} the rules: ${describeExit(code)}: ${
      printable(said, MOST_SAID) || "no message"
    }` +
      (line ? `: line ${number} was: ${line}` : "") + hint(code, stderr),
  );
}

/** What to do about the failures that a person can do something about. */
function hint(code: number, stderr: string): string {
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
