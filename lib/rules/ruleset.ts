/** Config -> the rules of one IP family, as plain data that every backend writes in its own language. */
import { type Cidr, LINK_LOCAL } from "../config/cidr.ts";
import { type KeyName, LINK_LOCAL_KEY, type MasqConfig, OUTBOUND_KEY } from "../config/config.ts";
import type { InterfacePattern } from "../config/interface_name.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { PortRange } from "../config/port_range.ts";
import type { Origin } from "../config/problem.ts";
import { existsIn, type Protocol, type RuleAction, type RuleEntry, ruleName } from "../config/rule_entry.ts";
import type { RuleName } from "../config/rule_name.ts";
import type { SourceAddress } from "../config/source_address.ts";
import type { CidrEntry } from "../config/value_types.ts";

/** What a rule does with a packet: leave its source address, or replace it by the node's or by a given one. */
export type Target = "RETURN" | "MASQUERADE" | SnatTarget;

/** The new source, which is of the ruleset's family. */
export interface SnatTarget {
  readonly kind: "SNAT";
  readonly address: SourceAddress;
}

/** A target by its name. */
export type Verdict = "RETURN" | "MASQUERADE" | "SNAT";

/** The name of a target. */
export function verdictOf(target: Target): Verdict {
  return typeof target === "string" ? target : target.kind;
}

/** Which packets a rule is for: each condition that is there must hold, and does where one of its list does. */
export interface Match {
  /** Where the packet comes from. */
  readonly sources?: readonly Cidr[];
  /** Whether it comes from this host itself. */
  readonly isFromNode?: true;
  /** Where it goes to. */
  readonly destinations?: readonly Cidr[];
  /** The interface that it leaves by. */
  readonly interfaces?: readonly InterfacePattern[];
  readonly protocols?: readonly Protocol[];
  /** Destination ports; only with protocols that have ports. */
  readonly ports?: readonly PortRange[];
}

/** One rule of the agent's chain; the first that matches decides. */
export interface Rule {
  readonly match: Match;
  readonly target: Target;
  /** The comment beside the rule in the kernel. An interface: other tools search for it. */
  readonly comment: string;
  /** The setting that the rule comes from. */
  readonly origin: Origin;
  /** The name of an entry of `rules`; undefined for all other rules. */
  readonly name?: RuleName;
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

/** What comes before the name of an entry of `rules`. */
export const OWN_RULE_COMMENT = "ip-masq-agent: rule ";

/** What the rules of one list share. */
interface ListMeaning extends Pick<Rule, "target" | "comment"> {
  readonly side: "destinations" | "sources";
}

/** The comments are those of upstream's rules and of CCE's, byte for byte. */
const LISTS = {
  masqueradeCidrs: {
    side: "destinations",
    target: "MASQUERADE",
    comment: "ip-masq-agent: specific outbound traffic is subject to MASQUERADE",
  },
  local: {
    side: "destinations",
    target: "RETURN",
    comment: "ip-masq-agent: local traffic is not subject to MASQUERADE",
  },
  sources: {
    side: "sources",
    target: "RETURN",
    comment: "ip-masq-agent: traffic from this source is not subject to MASQUERADE",
  },
} as const satisfies Record<string, ListMeaning>;

const OUTBOUND_COMMENT = "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)";

/** The rule of a list's entry. A list may be long, so each rule is two references and no more. */
class ListRule implements Rule {
  readonly #entry: CidrEntry;
  readonly #list: ListMeaning;

  constructor(entry: CidrEntry, list: ListMeaning) {
    this.#entry = entry;
    this.#list = list;
  }

  get match(): Match {
    return { [this.#list.side]: [this.#entry.cidr] };
  }

  get target(): Target {
    return this.#list.target;
  }

  get comment(): string {
    return this.#list.comment;
  }

  get origin(): Origin {
    return this.#entry.origin;
  }
}

/** Builds the rules of one family: those of one's own, forced destinations, link-local, exempt destinations and sources, everything else. */
export function buildRuleset(family: IpFamily, config: MasqConfig, masquerade: MasqueradeOptions): Ruleset {
  const perCidr = (entries: readonly CidrEntry[], list: ListMeaning): Rule[] =>
    entries
      .filter(({ cidr }) => cidr.family === family)
      .map((entry) => new ListRule(entry, list));

  const rules = config.rules.flatMap((entry, index) => toRule(entry, index, family) ?? []);
  for (const rule of perCidr(config.masqueradeCIDRs, LISTS.masqueradeCidrs)) rules.push(rule);
  if (!config[LINK_LOCAL_KEY[family]]) {
    const entry = { cidr: LINK_LOCAL[family], origin: originOf(config, LINK_LOCAL_KEY[family]) };
    rules.push(...perCidr([entry], LISTS.local));
  }
  for (const rule of perCidr(config.nonMasqueradeCIDRs, LISTS.local)) rules.push(rule);
  for (const rule of perCidr(config.nonMasqueradeSrcCIDRs, LISTS.sources)) rules.push(rule);
  if (config[OUTBOUND_KEY[family]]) {
    const origin = originOf(config, OUTBOUND_KEY[family]);
    rules.push({ match: {}, target: "MASQUERADE", comment: OUTBOUND_COMMENT, origin });
  }
  return { family, rules, masquerade };
}

/** An entry of `rules` in one family; undefined where it does not exist there. */
function toRule(entry: RuleEntry, index: number, family: IpFamily): Rule | undefined {
  if (!existsIn(entry, family)) return undefined;
  const { from, to, via, protocols, ports, action, origin } = entry;
  const cidrs = (entries: readonly CidrEntry[]) =>
    entries.map(({ cidr }) => cidr).filter((cidr) => cidr.family === family);
  const name = ruleName(entry, index);
  return {
    match: {
      ...(from === "node" ? { isFromNode: true } : from !== undefined && { sources: cidrs(from) }),
      ...(to !== undefined && { destinations: cidrs(to) }),
      ...(via !== undefined && { interfaces: unique(via) }),
      ...(protocols !== undefined && { protocols: unique(protocols) }),
      ...(ports !== undefined && { ports }),
    },
    target: toTarget(action, family),
    comment: `${OWN_RULE_COMMENT}${name}`,
    origin,
    name,
  };
}

function toTarget(action: RuleAction, family: IpFamily): Target {
  switch (action.kind) {
    case "keep":
      return "RETURN";
    case "masquerade":
      return "MASQUERADE";
    case "snat":
      return { kind: "SNAT", address: action.addresses.find((it) => it.family === family)! };
  }
}

function unique<T>(list: readonly T[]): readonly T[] {
  return [...new Set(list)];
}

/** Where a setting is made, or only its name where it has its default. */
export function originOf({ origins }: MasqConfig, key: KeyName): Origin {
  return origins.get(key) ?? { key };
}
