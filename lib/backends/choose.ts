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
import type { Ruleset } from "../rules/ruleset.ts";
import { BackendError, LACKS_FAMILY } from "./backend.ts";
import type { BackendName } from "./backend_name.ts";
import { detect, type Findings, type IptablesFinding, type IptablesUsage } from "./detect.ts";
import { buildChains } from "./iptables/chain_tree.ts";
import {
  INCOMPATIBLE,
  type IptablesProgram,
  RESTORE_ARGS,
  RESTORE_COMMANDS,
} from "./iptables/restore_command.ts";
import { formatTrialText } from "./iptables/restore_text.ts";
import { mentionsLegacyTables, variantOf } from "./iptables/version.ts";

/** A backend, and why. */
export interface BackendDecision {
  readonly backend: BackendName;
  /** In words, for a log line; empty where the user named it. */
  readonly reason: string;
}

/**
 * Finds the backend that suits this host and has been seen to take these rules, with at most five findings: a process
 * each, and where the host is asked to take rules one for each ruleset. Rules of `chainName` are ours and say nothing
 * about the host.
 *
 * @throws {BackendError} None works; the message says what was tried and what to do.
 */
export async function chooseBackend(
  runner: CommandRunner,
  chainName: ChainName,
  rulesets: readonly Ruleset[],
): Promise<BackendDecision> {
  let findings: Findings = {};
  for (;;) {
    const detection = detect(findings);
    if (detection.kind === "choice") return detection;
    if (detection.kind === "failure") throw new BackendError(detection.message);
    const { finding } = detection;
    findings = { ...findings, [finding]: await PROBES[finding]({ runner, chainName, rulesets }) };
  }
}

/** Where a probe looks, and the rules that are to be written there. */
interface Host {
  readonly runner: CommandRunner;
  readonly chainName: ChainName;
  readonly rulesets: readonly Ruleset[];
}

/** What went wrong with a command; a kill by ourselves says nothing about the host. */
function failureOf(error: unknown): CommandError {
  if (error instanceof CommandError && !(error instanceof CommandKilledError)) return error;
  throw error;
}

type Probe<T> = (host: Host) => Promise<T>;

/** To list all of nat takes the nft variant seconds where kube-proxy has many rules; POSTROUTING says enough. */
const LIST_POSTROUTING = ["*nat", "-S POSTROUTING", "COMMIT"];
/** The legacy variant would make the table. */
const LIST_MANGLE = ["*mangle", "-S", "COMMIT"];

const PROBES: { readonly [K in keyof Findings]-?: Probe<Findings[K]> } = {
  async nft(host) {
    const found = await tryIptables("iptables-nft", [...LIST_POSTROUTING, ...LIST_MANGLE], host);
    // Rules that only nft understands: in mangle they hide a kubelet's chains, and no more than that.
    const isOfMangle = found.state === "incompatible" && found.said.includes("`mangle'");
    return isOfMangle ? await tryIptables("iptables-nft", LIST_POSTROUTING, host) : found;
  },
  legacy: (host) => tryIptables("iptables-legacy", [], host),
  plain: (host) => tryIptables("iptables", LIST_POSTROUTING, host),

  // Lists the tables that exist; at 100,000 rules it takes a third of a second.
  async legacyUsage({ runner, chainName }) {
    try {
      const { stdout } = await runner.run({ name: "iptables-legacy-save", args: [] });
      return usageIn(stdout, chainName);
    } catch (error) {
      if (error instanceof CommandNotFoundError) return NO_USAGE;
      throw error;
    }
  },

  async nftRules({ runner, chainName }) {
    const input = ["mangle", "nat", "filter"].map((table) => `*${table}\n-S\nCOMMIT\n`).join("");
    const { stdout } = await runner.run({
      name: RESTORE_COMMANDS["iptables-nft"].IPv4,
      args: RESTORE_ARGS,
      input,
    });
    return usageIn(stdout, chainName).rules;
  },

  async plainVariant({ runner }) {
    try {
      const { stdout } = await runner.run({ name: RESTORE_COMMANDS.iptables.IPv4, args: ["--version"] });
      return variantOf(stdout) ?? "unknown";
    } catch (error) {
      failureOf(error);
      return "unknown";
    }
  },

  async nftablesProblem({ runner, rulesets }) {
    const { NftablesBackend } = await import("./nftables/nftables_backend.ts");
    const problems = await Promise.all(rulesets.map(async (ruleset) => {
      try {
        await new NftablesBackend(ruleset.family, runner).check(ruleset);
        return [];
      } catch (error) {
        return [failureOf(error)];
      }
    }));
    return whatCounts(problems.flat(), rulesets)?.message ?? "";
  },
};

const NO_USAGE: IptablesUsage = { hasHint: false, hasCanary: false, rules: 0 };

/** The first of the failures; none that is for want of a family, unless the host has none of them. */
function whatCounts<T extends CommandError>(
  failures: readonly T[],
  rulesets: readonly Ruleset[],
): T | undefined {
  const isAbsent = (failure: T) => failure instanceof BackendError && failure.lacksFamily;
  return failures.find((it) => !isAbsent(it)) ??
    (failures.length === rulesets.length ? failures[0] : undefined);
}

/** A failed trial, and whether the tool can't read what stands because nft wrote it. */
class TrialError extends BackendError {
  readonly state: "broken" | "incompatible" | "missing";

  constructor(state: TrialError["state"], said: string) {
    super(said, { lacksFamily: LACKS_FAMILY.test(said) });
    this.state = state;
  }
}

/** Tries to read with `lines` and to write the rules of every family. What others have is that of the first family. */
async function tryIptables(
  program: IptablesProgram,
  lines: readonly string[],
  host: Host,
): Promise<IptablesFinding> {
  const failures: TrialError[] = [];
  const trials = await Promise.all(host.rulesets.map(async (ruleset, index) => {
    try {
      return await tryRuleset(
        program,
        index === 0 ? lines : lines.slice(0, LIST_POSTROUTING.length),
        ruleset,
        host,
      );
    } catch (error) {
      if (!(error instanceof TrialError)) throw error;
      failures.push(error);
      return undefined;
    }
  }));
  const failure = whatCounts(failures, host.rulesets);
  if (failure !== undefined) return { state: failure.state, said: failure.message };
  return trials[0] ?? { state: "works", usage: NO_USAGE, seesLegacyTables: false };
}

/**
 * Reads with `lines`, then has the very rules parsed that are to be written, which makes iptables ask the kernel for
 * every extension. The text ends without COMMIT, so nothing is written; the complaint about that shows that all before
 * it went well.
 *
 * @throws {TrialError} It can't work.
 */
async function tryRuleset(
  program: IptablesProgram,
  lines: readonly string[],
  ruleset: Ruleset,
  { runner, chainName }: Host,
): Promise<IptablesFinding & { state: "works" }> {
  let input: string;
  let result: CommandResult;
  try {
    input = [...lines, formatTrialText(chainName, buildChains(ruleset, chainName))].join("\n");
    result = await runner.run({ name: RESTORE_COMMANDS[program][ruleset.family], args: RESTORE_ARGS, input });
  } catch (error) {
    const failure = failureOf(error);
    throw new TrialError(failure instanceof CommandNotFoundError ? "missing" : "broken", failure.message);
  }
  const { stdout, stderr } = result;
  const incompatible = [stdout, stderr].map((text) => INCOMPATIBLE.exec(text)?.[0]).find(Boolean);
  if (incompatible !== undefined) throw new TrialError("incompatible", incompatible);
  // A lock that somebody holds for long shows that this iptables is in use.
  const works = /COMMIT expected|xtables lock/.test(stderr) && !/missing kernel module/i.test(stderr);
  if (!works) throw new TrialError("broken", firstComplaint(stderr, input));
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
