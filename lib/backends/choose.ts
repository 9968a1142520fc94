/**
 * `--backend=auto`: finds out what {@linkcode detect} asks for, until it can decide. Leaves nothing behind: no probe
 * commits a change.
 */
import type { ChainName } from "../config/chain_name.ts";
import {
  CommandError,
  CommandKilledError,
  CommandNotFoundError,
  type CommandResult,
  type CommandRunner,
} from "../ports.ts";
import { BackendError, describeExit } from "./backend.ts";
import type { BackendName } from "./backend_name.ts";
import { detect, type Findings, type IptablesFinding, type IptablesUsage } from "./detect.ts";
import { type IptablesProgram, RESTORE_ARGS, RESTORE_COMMANDS } from "./iptables/restore_command.ts";
import { mentionsLegacyTables, variantOf } from "./iptables/version.ts";
import { buildNftTable } from "./nftables/nft_table.ts";
import { formatChange } from "./nftables/nft_text.ts";

/** A backend, and why. */
export interface BackendDecision {
  readonly backend: BackendName;
  /** In words, for a log line; empty where the user named it. */
  readonly reason: string;
}

/**
 * Finds the backend that suits this host, with at most four processes. Rules of `chainName` are ours and say nothing
 * about the host.
 *
 * @throws {BackendError} None works; the message says what was tried and what to do.
 */
export async function chooseBackend(runner: CommandRunner, chainName: ChainName): Promise<BackendDecision> {
  let findings: Findings = {};
  for (;;) {
    const detection = detect(findings);
    if (detection.kind === "choice") return detection;
    if (detection.kind === "failure") throw new BackendError(detection.message);
    const { finding } = detection;
    findings = { ...findings, [finding]: await PROBES[finding](runner, chainName) };
  }
}

/** What went wrong with a command; a kill by ourselves says nothing about the host. */
function failureOf(error: unknown): CommandError {
  if (error instanceof CommandError && !(error instanceof CommandKilledError)) return error;
  throw error;
}

type Probe<T> = (runner: CommandRunner, chainName: ChainName) => Promise<T>;

const PROBES: { readonly [K in keyof Findings]-?: Probe<Findings[K]> } = {
  // To list all of nat takes the nft variant seconds where kube-proxy has many rules; POSTROUTING says enough.
  nft: (...host) =>
    tryIptables("iptables-nft", ["*mangle", "-S", "COMMIT", "*nat", "-S POSTROUTING"], ...host),
  // To name another table than nat would make it.
  legacy: (...host) => tryIptables("iptables-legacy", ["*nat"], ...host),
  plain: (...host) => tryIptables("iptables", ["*nat"], ...host),

  // Lists the tables that exist; at 100,000 rules it takes a third of a second.
  async legacyUsage(runner, chainName) {
    try {
      const { stdout } = await runner.run({ name: "iptables-legacy-save", args: [] });
      return usageIn(stdout, chainName);
    } catch (error) {
      if (error instanceof CommandNotFoundError) return NO_USAGE;
      throw error;
    }
  },

  async nftRules(runner, chainName) {
    const input = ["mangle", "nat", "filter"].map((table) => `*${table}\n-S\nCOMMIT\n`).join("");
    const { stdout } = await runner.run({
      name: RESTORE_COMMANDS["iptables-nft"].IPv4,
      args: RESTORE_ARGS,
      input,
    });
    return usageIn(stdout, chainName).rules;
  },

  async plainVariant(runner) {
    try {
      const { stdout } = await runner.run({ name: RESTORE_COMMANDS.iptables.IPv4, args: ["--version"] });
      return variantOf(stdout) ?? "unknown";
    } catch (error) {
      failureOf(error);
      return "unknown";
    }
  },

  /** Lets nft and the kernel check a table of ours without making it. */
  async nftablesProblem(runner) {
    const table = buildNftTable({
      family: "IPv4",
      rules: [],
      masquerade: { randomFully: true, toPorts: [] },
    });
    const input = formatChange(table, { kind: "replace" });
    try {
      const { code, stderr } = await runner.run({ name: "nft", args: ["-c", "-f", "-"], input });
      return code === 0 ? "" : stderr.trim().split("\n")[0] || describeExit(code);
    } catch (error) {
      return failureOf(error).message;
    }
  },
};

const NO_USAGE: IptablesUsage = { hasHint: false, hasCanary: false, rules: 0 };

/**
 * Reads with `lines`, then names every extension that our rules need, which makes iptables ask the kernel for them.
 * The text ends without COMMIT, so nothing is written; the complaint about that shows that all before it went well.
 */
async function tryIptables(
  program: IptablesProgram,
  lines: readonly string[],
  runner: CommandRunner,
  chainName: ChainName,
): Promise<IptablesFinding> {
  const input = [
    ...lines,
    ":IP-MASQ-PROBE - [0:0]",
    "-A IP-MASQ-PROBE -m comment --comment probe -m addrtype ! --dst-type LOCAL -j MASQUERADE",
    "",
  ].join("\n");
  let result: CommandResult;
  try {
    result = await runner.run({ name: RESTORE_COMMANDS[program].IPv4, args: RESTORE_ARGS, input });
  } catch (error) {
    const failure = failureOf(error);
    return { state: failure instanceof CommandNotFoundError ? "missing" : "broken", said: failure.message };
  }
  const { stdout, stderr } = result;
  // A lock that somebody holds for long shows that this iptables is in use.
  const works = /COMMIT expected|xtables lock/.test(stderr) && !/missing kernel module/i.test(stderr);
  if (!works) return { state: "broken", said: firstComplaint(stderr, input) };
  return {
    state: "works",
    usage: usageIn(stdout, chainName),
    seesLegacyTables: mentionsLegacyTables(stderr),
  };
}

/** Reads what `-S` (`-N CHAIN`) or iptables-save (`:CHAIN`) prints. Of the kubelet's chains, nat has the canary too. */
function usageIn(listing: string, chainName: ChainName): IptablesUsage {
  const isOurs = (line: string) => line.startsWith(`-A ${chainName} `) || line.endsWith(` -j ${chainName}`);
  return {
    hasHint: /^(?:-N |:)KUBE-IPTABLES-HINT(?: |$)/m.test(listing),
    hasCanary: /^(?:-N |:)KUBE-KUBELET-CANARY(?: |$)/m.test(listing),
    rules: listing.split("\n").filter((line) => line.startsWith("-A ") && !isOurs(line)).length,
  };
}

/** The first thing that the tool said, with the line of the input where that is all that it said. */
function firstComplaint(stderr: string, input: string): string {
  const said =
    stderr.split("\n").map((line) => line.trim()).find((line) => line !== "" && !line.startsWith("#")) ??
      "it said nothing";
  const line = input.split("\n")[Number(/line:? (\d+) failed/i.exec(said)?.[1]) - 1];
  return line === undefined ? said : `${said}: ${line}`;
}
