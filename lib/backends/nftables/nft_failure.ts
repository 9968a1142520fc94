/** What the failures of nft(8) mean. */
import type { CommandResult, CommandRunner } from "../../ports.ts";
import { BackendError, CRASHED, describeExit, LACKS_FAMILY, LACKS_FAMILY_HINT } from "../backend.ts";
import { isWithTypeof } from "./nft_listing.ts";

/** An error for an nft that did not succeed: what it said, and which line of its input was wrong. */
export async function nftFailure(
  action: string,
  { code, stderr }: CommandResult,
  runner: CommandRunner,
  input?: string,
): Promise<BackendError> {
  // Each error has three lines: place and message, the line of the input (maybe very long), and a marker.
  const said = stderr.split("\n").filter((line) => line.includes("Error:")).slice(0, 3).join("; ") ||
    stderr.trim().slice(0, 200) || "no message";
  const number = Number(/^\S*?:(\d+):\d+/m.exec(stderr)?.[1]);
  const line = input?.split("\n")[number - 1]?.trim();
  const version = code === CRASHED ? await askVersion(runner) : "";
  return new BackendError(
    `nft${version && ` ${version}`} cannot ${action} the rules: ${describeExit(code)}: ${said}` +
      (line ? `: line ${number} was: ${line.slice(0, 200)}` : "") + hint(code, stderr, version),
    { lacksFamily: LACKS_FAMILY.test(stderr) },
  );
}

/** The version of an nft that lists nothing; empty where it can't be had. */
async function askVersion(runner: CommandRunner): Promise<string> {
  const { stdout } = await runner.run({ name: "nft", args: ["--version"] }).catch(() => ({ stdout: "" }));
  return /\bv(\d+(?:\.\d+)+)/.exec(stdout)?.[1] ?? "";
}

/** What to do about the failures that a person can do something about. */
function hint(code: number, stderr: string, version: string): string {
  if (LACKS_FAMILY.test(stderr)) return LACKS_FAMILY_HINT;
  if (code === CRASHED && !isWithTypeof(version)) {
    return ": nft up to 1.0.6 is known to crash where nft 1.1.2 or later made a set, in any table of this host: " +
      "use a newer nft, or --backend=iptables-nft";
  }
  if (/operation not permitted|permission denied|you must be root/i.test(stderr)) {
    return ": run the agent as root, or with the capability NET_ADMIN";
  }
  if (/json support not compiled/i.test(stderr)) return ": install an nft with JSON support";
  if (/not supported|cache initialization failed/i.test(stderr)) {
    return ": load the kernel's nf_tables and its nat chains (modprobe nf_tables nft_chain_nat nft_masq nft_fib_inet)";
  }
  return "";
}
