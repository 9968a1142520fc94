/** Why a packet is masqueraded or not. */
import { cidrContainsAddress, LOOPBACK } from "../config/cidr.ts";
import { decide, type MatchName, openConditions, type Packet } from "./decide.ts";
import type { Rule, Ruleset, Target } from "./ruleset.ts";

/** A rule with its place in the chain's order, from 1. */
export interface NumberedRule {
  readonly rule: Rule;
  readonly ruleNumber: number;
}

/** A rule that decides where something holds that was not said of the packet. */
export interface Exception extends NumberedRule {
  /** The conditions on which it depends. */
  readonly open: readonly MatchName[];
}

/** What happens to a packet, and why. */
export interface Explanation {
  /** What is done where no exception applies. */
  readonly target: Target;
  /**
   * `rule`: a rule decides. `no-rule`: none matches, so nothing changes. `local`: such packets never reach the chain,
   * since its jump takes only those that leave the node.
   */
  readonly reason: "rule" | "no-rule" | "local";
  readonly rule?: Rule;
  /** The rule's place in the chain's order, from 1. */
  readonly ruleNumber?: number;
  /** Rules before it, in order, of which some packets of this description are. */
  readonly exceptions: readonly Exception[];
  /** Later rules for this packet, which are never asked about it. */
  readonly shadowed: readonly Rule[];
}

/** Explains what happens to a packet, of which only the destination must be known. */
export function explainPacket(ruleset: Ruleset, packet: Packet): Explanation {
  // Other addresses of its own can't be known without the kernel.
  if (cidrContainsAddress(LOOPBACK[ruleset.family], packet.destination)) {
    return { target: "RETURN", reason: "local", exceptions: [], shadowed: [] };
  }
  const { target, rule } = decide(ruleset, packet);
  const index = rule === undefined ? ruleset.rules.length : ruleset.rules.indexOf(rule);
  const exceptions = ruleset.rules.slice(0, index).flatMap((rule, at): Exception[] => {
    const open = openConditions(rule.match, packet);
    return open === undefined ? [] : [{ rule, ruleNumber: at + 1, open }];
  });
  if (rule === undefined) return { target, reason: "no-rule", exceptions, shadowed: [] };
  const shadowed = ruleset.rules.slice(index + 1).filter(({ match }) =>
    Object.keys(match).length > 0 && openConditions(match, packet)?.length === 0
  );
  return { target, reason: "rule", rule, ruleNumber: index + 1, exceptions, shadowed };
}
