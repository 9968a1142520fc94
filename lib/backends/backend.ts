/** The port through which the agent reaches the kernel's rules. */
import { CommandNotFoundError } from "../ports.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { Ruleset, Target } from "../rules/ruleset.ts";

/** How many packets, and bytes of them, rules with each target took, as the kernel counts them. */
export type VerdictCounters = Readonly<Record<Target, { readonly packets: number; readonly bytes: number }>>;

/** One way in which the kernel differs from what is wanted, in words for a log line. */
export interface Drift {
  readonly kind:
    | "chain-missing"
    | "chain-differs"
    | "jump-missing"
    | "jump-duplicate"
    | "jump-condition"
    | "table-missing"
    | "table-differs"
    | "set-differs";
  readonly detail: string;
}

/** What a sync has to do. Made by reading only; applying it is a separate step. */
export interface SyncPlan {
  readonly family: IpFamily;
  /** Empty where the kernel already has what is wanted. */
  readonly drift: readonly Drift[];
  /** True where nothing of ours stood: a first start rather than a repair. */
  readonly fresh: boolean;
  /** The transaction's text, for the backend and for verbose logs. Empty where there is no drift. */
  readonly transaction: string;
  /** What stands and what is wanted, one rule a line, for people. Empty where there is no drift. */
  readonly standing: readonly string[];
  readonly wanted: readonly string[];
}

/** Reads and writes the rules of one family. Holds no policy: that is in the ruleset. */
export interface Backend {
  readonly family: IpFamily;
  /** Names the tool: `iptables-nft-restore`, or one whose name says less with its version, once that is known. */
  describe(): string;
  /**
   * Writes the rules of `ruleset` in one transaction that fails where anything of ours stands, without reading first:
   * the quickest way where a node starts. Only plan() tells what came of it. A backend without it always reads first.
   *
   * @returns The transaction's text; undefined where it failed, for whatever reason.
   * @throws {BackendError} The tool can't be run.
   */
  install?(ruleset: Ruleset): Promise<string | undefined>;
  /**
   * Compares the kernel with `ruleset`. Runs reading commands only.
   *
   * @throws {BackendError} The kernel's rules can't be read.
   */
  plan(ruleset: Ruleset): Promise<SyncPlan>;
  /**
   * Makes the kernel what the plan wants, in one transaction: all of it, or nothing.
   *
   * @throws {BackendError} The kernel or the tool refused.
   */
  apply(plan: SyncPlan): Promise<void>;
  /**
   * Plans the removal of everything of ours in this family: `transaction` and `standing` are empty where there is
   * nothing. The plan is carried out by {@linkcode Backend.apply}. Runs reading commands only.
   *
   * @throws {BackendError} The kernel's rules can't be read.
   */
  planRemoval(): Promise<SyncPlan>;
  /**
   * Reads the kernel's counters of our rules.
   *
   * @throws {BackendError} They can't be read.
   */
  readCounters(): Promise<VerdictCounters>;
}

/** A tool that failed: the message says which, how, and where it is plain what to do. */
export class BackendError extends Error {
  override readonly name: string = "BackendError";
}

/** A tool that is not installed: nothing that it could have made stands because of it. */
export class BackendMissingError extends BackendError {
  override readonly name = "BackendMissingError";
}

/** How a tool failed, for a message: its exit code, and what that of a signal means. */
export function describeExit(code: number): string {
  return code === CRASHED ? `it crashed (exit code ${code})` : `exit code ${code}`;
}

/** Exit code of a tool that ended with SIGSEGV. */
export const CRASHED = 139;

/** Turns what a command runner threw into the error that the port speaks of. */
export function toBackendError(error: unknown): BackendError {
  const message = error instanceof Error ? error.message : String(error);
  const isMissing = error instanceof CommandNotFoundError;
  return isMissing ? new BackendMissingError(message) : new BackendError(message);
}
