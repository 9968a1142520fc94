/** The port through which the agent reaches the kernel's rules of one family. */
import type { IpFamily } from "../config/ip_address.ts";
import { CommandError } from "../ports.ts";
import type { Ruleset, Verdict } from "../rules/ruleset.ts";
import type { BackendName } from "./backend_name.ts";
import type { RuleEvents } from "./rule_events.ts";

/** How many packets, and bytes of them, the kernel counted. */
export interface PacketCount {
  readonly packets: number;
  readonly bytes: number;
}

/** A rule of ours as the kernel has it, and what it counted. */
export interface CountedRule extends PacketCount {
  readonly verdict: Verdict;
  /** The name of the entry of `rules`, where it is of one. */
  readonly name?: string;
  /** Which packets it takes: the conditions as the tool prints them, or the list that it is for; empty for all. */
  readonly takes: string;
}

/** What all of our rules counted. */
export interface RuleCounters {
  /** By target. */
  readonly verdicts: Readonly<Record<Verdict, PacketCount>>;
  /** The entries of `rules`, by name. */
  readonly rules: ReadonlyMap<string, PacketCount>;
}

/** Adds up what rules counted. */
export function sumCounters(counted: Iterable<CountedRule>): RuleCounters {
  const verdicts: Record<Verdict, PacketCount> = { RETURN: NONE, MASQUERADE: NONE, SNAT: NONE };
  const rules = new Map<string, PacketCount>();
  for (const rule of counted) {
    verdicts[rule.verdict] = sum(verdicts[rule.verdict], rule);
    if (rule.name !== undefined) rules.set(rule.name, sum(rules.get(rule.name) ?? NONE, rule));
  }
  return { verdicts, rules };
}

const NONE: PacketCount = { packets: 0, bytes: 0 };

function sum(a: PacketCount, b: PacketCount): PacketCount {
  return { packets: a.packets + b.packets, bytes: a.bytes + b.bytes };
}

/** The ways in which the kernel can differ from the ruleset. */
export const DRIFT_KINDS = [
  "chain-missing",
  "chain-differs",
  "jump-missing",
  "jump-duplicate",
  "jump-condition",
  "jump-stale",
  "table-missing",
  "table-differs",
  "set-differs",
] as const;

/** One way in which the kernel differs from the ruleset. */
export interface Drift {
  readonly kind: typeof DRIFT_KINDS[number];
  /** In words, for a log line. */
  readonly detail: string;
  /** How many rules or elements are to be added and removed, where that is all that differs. */
  readonly counts?: { readonly missing: number; readonly surplus: number };
}

/** What has to be done. Made by reading only. */
export interface Plan {
  readonly family: IpFamily;
  /** Empty where the kernel already is as it should be. */
  readonly drift: readonly Drift[];
  /** Whether nothing of ours is in the kernel: a first start rather than a repair. */
  readonly isFresh: boolean;
  /** The transaction for the tool. Empty where there is nothing to do. */
  readonly text: string;
  /** What the kernel has and what it should have, one rule a line, for people. Empty where there is nothing to do. */
  readonly actual: readonly string[];
  readonly desired: readonly string[];
  /**
   * Writes {@linkcode text} in one transaction: all of it, or nothing.
   *
   * @throws {CommandError} The kernel or the tool refused.
   */
  apply(): Promise<void>;
}

/** How a sync ended. */
export type SyncResult =
  | { readonly outcome: "unchanged" }
  | { readonly outcome: "applied" } & Pick<Plan, "drift" | "isFresh" | "text">;

/** Reads and writes the rules of one family. Holds no policy: that is in the ruleset. */
export interface Backend {
  readonly name: BackendName;
  readonly family: IpFamily;
  /** Names the tool for a log line, such as `iptables-nft-restore`. */
  describe(): string;
  /**
   * Makes the kernel what `ruleset` says, with as few processes as it can; writes nothing where the kernel already is.
   *
   * @throws {CommandError} The rules can't be read or written. What was in the kernel is still there.
   */
  sync(ruleset: Ruleset): Promise<SyncResult>;
  /**
   * Compares the kernel with `ruleset`. Runs reading commands only.
   *
   * @throws {CommandError} The kernel's rules can't be read.
   */
  plan(ruleset: Ruleset): Promise<Plan>;
  /**
   * Plans the removal of everything of ours that this backend wrote; undefined where there is nothing. Runs reading
   * commands only, and makes no table.
   *
   * @param options Whether to leave the chains of an earlier `--masq-chain`; which sub-chains a whole listing has, to
   *   which our chain may not lead any more.
   * @throws {CommandError} The kernel's rules can't be read.
   */
  removal(
    options?: { readonly onlyThisChain: boolean; readonly subChains?: readonly string[] },
  ): Promise<Plan | undefined>;
  /**
   * Reads our rules as the kernel has them, in their order, with its counters. None where there are none.
   *
   * @throws {CommandError} They can't be read.
   */
  counters(): Promise<readonly CountedRule[]>;
  /** How changes of its rules by others are followed; left out where they can't be. */
  readonly events?: RuleEvents | undefined;
}

/** A tool that ran and failed. The message says which, how, and where it is plain what to do. */
export class BackendError extends CommandError {
  override readonly name = "BackendError";
  /** Whether it failed because this host does not have the IP family at all. */
  readonly lacksFamily: boolean;
  /** Whether iptables-nft can't read what stands because nft wrote it. */
  readonly needsNft: boolean;

  constructor(message: string, { lacksFamily = false, needsNft = false } = {}) {
    super(message);
    this.lacksFamily = lacksFamily;
    this.needsNft = needsNft;
  }
}

/** Exit code of a tool that ended with SIGSEGV. */
export const CRASHED = 139;

/** How a tool failed, for a message: its exit code, and what that of a signal means. */
export function describeExit(code: number): string {
  return code === CRASHED ? `it crashed (exit code ${code})` : `exit code ${code}`;
}

/** What a tool says where the host does not have the IP family at all: EAFNOSUPPORT of the kernel or of seccomp. */
export const LACKS_FAMILY = /address family not supported/i;

/** What that means, for the end of a message. */
export const LACKS_FAMILY_HINT =
  ": this host has no such address family (IPv6 is switched off in its kernel, or refused by seccomp)";

/** Makes a plan; what is left out is empty. What `describe` gives may be long, and is made for who asks. */
export function makePlan(
  plan: Pick<Plan, "family" | "text" | "apply"> & Partial<Plan>,
  describe: () => Pick<Plan, "actual" | "desired"> = () => ({ actual: [], desired: [], ...plan }),
): Plan {
  return {
    drift: [],
    isFresh: false,
    ...plan,
    get actual() {
      return describe().actual;
    },
    get desired() {
      return describe().desired;
    },
  };
}

/** Writes what a plan says: what sync() of every backend does behind its plan. */
export async function applyPlan(plan: Plan): Promise<SyncResult> {
  if (plan.drift.length === 0) return { outcome: "unchanged" };
  await plan.apply();
  const { drift, isFresh, text } = plan;
  return { outcome: "applied", drift, isFresh, text };
}
