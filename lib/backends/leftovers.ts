/** What is ours in the kernel and can be removed, whichever tool wrote it. */
import type { IpFamily } from "../config/ip_address.ts";
import type { Backend, SyncPlan } from "./backend.ts";

/** One chain, or what a backend has instead, with the plan that removes it. */
export interface Leftover {
  readonly backend: Backend;
  /** The chain's name. */
  readonly name: string;
  readonly plan: SyncPlan;
  /** Rules of others that lead to the chain, as the tool prints them: the kernel removes no chain that is in use. */
  readonly usedBy: readonly string[];
}

/** One place in the kernel where something of ours may be: a family under one program. */
export interface LeftoverPlace {
  /** For a person, such as `iptables-legacy IPv6`. */
  readonly name: string;
  readonly family: IpFamily;
  /** Whether to look here only where none of the places before is there. */
  readonly isFallback: boolean;
  /**
   * Finds everything of ours there. Undefined where the program is not installed or the kernel has no such table.
   *
   * @throws {BackendError} It is there and can't be read.
   */
  find(): Promise<readonly Leftover[] | undefined>;
}
