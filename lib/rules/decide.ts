/** What a ruleset does with a packet, without a kernel. */
import { cidrContainsAddress } from "../config/cidr.ts";
import type { IpAddress } from "../config/ip_address.ts";
import type { Rule, Ruleset, Target } from "./ruleset.ts";

/** The outcome for one destination. */
export interface Decision {
  /** RETURN where no rule matches, too: the packet leaves the chain as it came. */
  readonly target: Target;
  /** The rule that decides, undefined where none matches. */
  readonly rule: Rule | undefined;
}

/** Decides about a packet to `destination`, whose family must be the ruleset's: the first matching rule wins. */
export function decide(ruleset: Ruleset, destination: IpAddress): Decision {
  const rule = ruleset.rules.find(({ match }) =>
    match.destination === undefined || cidrContainsAddress(match.destination, destination)
  );
  return { target: rule?.target ?? "RETURN", rule };
}
