/** What is wrong or odd with `rules` that one entry alone, or no entry alone, can't tell. */
import { cidrContainsAddress, parseCidr } from "./cidr.ts";
import type { ConfigOptions, MasqConfig } from "./config.ts";
import { CoverIndex, name } from "./cover_index.ts";
import { wildcardStart } from "./interface_name.ts";
import type { IpFamily } from "./ip_address.ts";
import type { ProblemList } from "./problem.ts";
import { existsIn, type RuleEntry, ruleName } from "./rule_entry.ts";
import { formatSourceAddress } from "./source_address.ts";
import type { CidrEntry } from "./value_types.ts";

const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];

/** Prefixes that are looked up to find rules which others cover. A config that needs more of them gets no such warnings. */
const MOST_LOOKUPS = 200_000;

/** A list that is longer than this is not looked through to see whether it covers another one. */
const MOST_COMPARED = 64;

/** Reports names that stand twice, rules that never match, and translations that feed themselves. */
export function reportRules(
  { rules }: MasqConfig,
  { enableIpv6 }: ConfigOptions,
  problems: ProblemList,
): void {
  reportNames(rules, problems);
  const earlier: Coverable[] = [];
  let lookups = 0;
  for (const rule of rules) {
    const { origin } = rule;
    const warn = (message: string) => problems.add(origin, message, "warning");
    const families = FAMILIES.filter((family) => existsIn(rule, family));
    const active = families.filter((family) => family === "IPv4" || enableIpv6);
    if (families.length === 0) {
      warn("can never match, since its from, to and address have no address family in common");
    } else if (active.length === 0) {
      warn("is ignored while IPv6 is off: start the agent with --enable-ipv6");
    } else if ((lookups += earlier.length * sizeOf(rule)) <= MOST_LOOKUPS) {
      const cover = earlier.find((it) => it.covers(rule, active));
      if (cover !== undefined) {
        warn(`can never match, since this decides first: ${name(cover.rule, origin)}`);
      }
      earlier.push(new Coverable(rule, families));
    }
    reportOwnSource(rule, problems);
  }
}

/** The destinations about which rules decide wherever a packet comes from and leaves by, whatever its protocol. */
export function destinationsOf(rules: readonly RuleEntry[]): CidrEntry[] {
  return rules.flatMap((rule): readonly CidrEntry[] => {
    const { from, to, via, protocols, origin } = rule;
    if (from !== undefined || via !== undefined || protocols !== undefined) return [];
    const families = FAMILIES.filter((family) => existsIn(rule, family));
    return (to ?? EVERYTHING.map((cidr) => ({ cidr, origin }))).filter(({ cidr }) =>
      families.includes(cidr.family)
    );
  });
}

const EVERYTHING = ["0.0.0.0/0", "::/0"].map(parseCidr);

/** What it takes to compare a rule with an earlier one, in lookups of prefixes. */
function sizeOf({ from, to, via, protocols, ports }: RuleEntry): number {
  const prefixes = (from === "node" ? 0 : from?.length ?? 0) + (to?.length ?? 0);
  const others = (via?.length ?? 0) + (protocols?.length ?? 0) + (ports?.length ?? 0);
  return 1 + prefixes + others * MOST_COMPARED / 8;
}

function reportNames(rules: readonly RuleEntry[], problems: ProblemList): void {
  const first = new Map<string, RuleEntry>();
  for (const [index, rule] of rules.entries()) {
    const text = ruleName(rule, index);
    const other = first.get(text);
    if (other === undefined) first.set(text, rule);
    else {
      // Of the two, the one that has the name of its own can change it.
      const [wrong, right] = rule.name === undefined ? [other, rule] : [rule, other];
      problems.add(
        { ...wrong.origin, key: `${wrong.origin.key}.name` },
        `"${text}" is the name of another rule: ${name(right, wrong.origin)}`,
      );
    }
  }
}

function reportOwnSource({ from, action, origin }: RuleEntry, problems: ProblemList): void {
  if (action.kind !== "snat" || from === undefined || from === "node") return;
  for (const address of action.addresses) {
    const around = from.find(({ cidr }) =>
      [address.first, address.last].some((value) =>
        cidrContainsAddress(cidr, { family: address.family, value })
      )
    );
    if (around === undefined) continue;
    problems.add(
      { ...origin, key: `${origin.key}.address` },
      `"${formatSourceAddress(address)}" lies inside the rule's own from "${around.cidr.text}": ` +
        "two hosts may then have one address",
      "warning",
    );
  }
}

/** A rule and what it takes to see whether it matches all that another one does. */
class Coverable {
  readonly rule: RuleEntry;
  readonly #families: readonly IpFamily[];
  readonly #from: CoverIndex | undefined;
  readonly #to: CoverIndex | undefined;

  constructor(rule: RuleEntry, families: readonly IpFamily[]) {
    this.rule = rule;
    this.#families = families;
    this.#from = rule.from === undefined || rule.from === "node" ? undefined : new CoverIndex(rule.from);
    this.#to = rule.to && new CoverIndex(rule.to);
  }

  /** Whether in each of `families` every packet of `other` is one of this rule. */
  covers(other: RuleEntry, families: readonly IpFamily[]): boolean {
    const { from, via, protocols, ports } = this.rule;
    return families.every((family) => this.#families.includes(family)) &&
      isSubset(other.via, via, (inner, outer) => {
        const start = wildcardStart(outer);
        return inner === outer || start !== undefined && inner.startsWith(start);
      }) &&
      isSubset(other.protocols, protocols, (inner, outer) => inner === outer) &&
      isSubset(
        other.ports,
        ports,
        (inner, outer) => outer.first <= inner.first && inner.last <= outer.last,
      ) &&
      (from === "node" ? other.from === "node" : this.#from === undefined ||
        other.from !== "node" && isInside(this.#from, other.from, families)) &&
      (this.#to === undefined || isInside(this.#to, other.to, families));
  }
}

function isInside(
  outer: CoverIndex,
  inner: readonly CidrEntry[] | undefined,
  families: readonly IpFamily[],
): boolean {
  return inner !== undefined &&
    inner.every(({ cidr }) => !families.includes(cidr.family) || outer.contains(cidr));
}

/** Whether each of `inner` is part of one of `outer`; a list that is not there stands for everything. */
function isSubset<T>(
  inner: readonly T[] | undefined,
  outer: readonly T[] | undefined,
  isPart: (inner: T, outer: T) => boolean,
): boolean {
  return outer === undefined ||
    inner !== undefined && outer.length <= MOST_COMPARED &&
      inner.every((it) => outer.some((other) => isPart(it, other)));
}
