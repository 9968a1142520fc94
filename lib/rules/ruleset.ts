/** Config -> the rules of one IP family, as plain data that every backend writes in its own language. */
import { type Cidr, LINK_LOCAL } from "../config/cidr.ts";
import { type KeyName, LINK_LOCAL_KEY, type MasqConfig, OUTBOUND_KEY } from "../config/config.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { PortRange } from "../config/port_range.ts";
import type { Origin } from "../config/problem.ts";
import type { CidrEntry } from "../config/value_types.ts";

/** What a rule does with a packet: leave its source address, or replace it by the node's. */
export type Target = "RETURN" | "MASQUERADE";

/** Which packets a rule is for: each condition that is there must hold, and does where one of its list does. */
export interface Match {
  /** Where the packet comes from. */
  readonly sources?: readonly Cidr[];
  /** Where it goes to. */
  readonly destinations?: readonly Cidr[];
}

/** One rule of the agent's chain; the first that matches decides. */
export interface Rule {
  readonly match: Match;
  readonly target: Target;
  /** What stands beside the rule in the kernel. An interface: other tools search for it. */
  readonly comment: string;
  /** The setting that the rule comes from. */
  readonly origin: Origin;
}

/** How packets are masqueraded, for all rules alike. */
export interface MasqueradeOptions {
  /** Take source ports at random, unguessably: `--random-fully` in iptables, `fully-random` in nftables. */
  readonly randomFully: boolean;
  /** Source ports to use, evenly; empty means that the kernel chooses. */
  readonly toPorts: readonly PortRange[];
}

/** The rules of one family, in the order in which they apply. */
export interface Ruleset {
  readonly family: IpFamily;
  readonly rules: readonly Rule[];
  readonly masquerade: MasqueradeOptions;
}

/** The comments of upstream's rules and of CCE's, byte for byte. */
const COMMENTS = {
  masqueradeCidr: "ip-masq-agent: specific outbound traffic is subject to MASQUERADE",
  source: "ip-masq-agent: traffic from this source is not subject to MASQUERADE",
  local: "ip-masq-agent: local traffic is not subject to MASQUERADE",
  outbound: "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)",
} as const;

/** Builds the rules of one family: forced destinations, link-local, exempt destinations and sources, everything else. */
export function buildRuleset(family: IpFamily, config: MasqConfig, masquerade: MasqueradeOptions): Ruleset {
  const perCidr = (
    entries: readonly CidrEntry[],
    target: Target,
    comment: string,
    side: "destinations" | "sources" = "destinations",
  ): Rule[] =>
    entries
      .filter(({ cidr }) => cidr.family === family)
      .map(({ cidr, origin }) => ({ match: { [side]: [cidr] }, target, comment, origin }));

  const rules = perCidr(config.masqueradeCIDRs, "MASQUERADE", COMMENTS.masqueradeCidr);
  if (!config[LINK_LOCAL_KEY[family]]) {
    const entry = { cidr: LINK_LOCAL[family], origin: originOf(config, LINK_LOCAL_KEY[family]) };
    rules.push(...perCidr([entry], "RETURN", COMMENTS.local));
  }
  for (const rule of perCidr(config.nonMasqueradeCIDRs, "RETURN", COMMENTS.local)) rules.push(rule);
  for (const rule of perCidr(config.nonMasqueradeSrcCIDRs, "RETURN", COMMENTS.source, "sources")) {
    rules.push(rule);
  }
  if (config[OUTBOUND_KEY[family]]) {
    const origin = originOf(config, OUTBOUND_KEY[family]);
    rules.push({ match: {}, target: "MASQUERADE", comment: COMMENTS.outbound, origin });
  }
  return { family, rules, masquerade };
}

/** Where a setting is made, or only its name where it has its default. */
export function originOf({ origins }: MasqConfig, key: KeyName): Origin {
  return origins.get(key) ?? { key };
}
