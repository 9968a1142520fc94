/** Why a destination is masqueraded or not. */
import { type Cidr, cidrContainsAddress, parseCidr } from "../config/cidr.ts";
import type { IpAddress, IpFamily } from "../config/ip_address.ts";
import { decide } from "./decide.ts";
import type { Rule, Ruleset } from "./ruleset.ts";

/** What happens to packets to one destination, and why. */
export interface Explanation {
  readonly isMasqueraded: boolean;
  /**
   * `rule`: a rule decides. `no-rule`: none matches, so nothing changes. `local`: such packets never reach the chain,
   * since its jump takes only those that leave the node.
   */
  readonly reason: "rule" | "no-rule" | "local";
  readonly rule?: Rule;
  /** The rule's place in the chain's order, from 1. */
  readonly ruleNumber?: number;
  /** Later rules for this destination, which are never asked about it. */
  readonly shadowed: readonly Rule[];
}

/** Addresses that are the node's own on every node. Others of its own can't be known without the kernel. */
const LOOPBACK: Readonly<Record<IpFamily, Cidr>> = {
  IPv4: parseCidr("127.0.0.0/8"),
  IPv6: parseCidr("::1/128"),
};

/** Explains what happens to packets to `destination`, whose family must be the ruleset's. */
export function explainDestination(ruleset: Ruleset, destination: IpAddress): Explanation {
  if (cidrContainsAddress(LOOPBACK[ruleset.family], destination)) {
    return { isMasqueraded: false, reason: "local", shadowed: [] };
  }
  const { target, rule } = decide(ruleset, destination);
  if (rule === undefined) return { isMasqueraded: false, reason: "no-rule", shadowed: [] };
  const index = ruleset.rules.indexOf(rule);
  const shadowed = ruleset.rules.slice(index + 1).filter(({ match }) =>
    match.destination !== undefined && cidrContainsAddress(match.destination, destination)
  );
  return { isMasqueraded: target === "MASQUERADE", reason: "rule", rule, ruleNumber: index + 1, shadowed };
}
