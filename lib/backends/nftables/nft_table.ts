/** Ruleset -> the nft table that does the same, as data: text and comparison are both made from it. */
import { type Cidr, cidrContains } from "../../config/cidr.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import { formatPortRange, type PortRange, portRangeSize } from "../../config/port_range.ts";
import { type InterfacePattern, wildcardStart } from "../../config/interface_name.ts";
import { formatSourceAddress, type SourceAddress } from "../../config/source_address.ts";
import { PORT_PROTOCOLS, type Protocol } from "../../config/rule_entry.ts";
import type { MasqueradeOptions, Match, Rule, Ruleset, SnatTarget } from "../../rules/ruleset.ts";
import { NFT_FAMILY } from "./nft_family.ts";
import { formatRange } from "./ranges.ts";

/** The name of our tables; one each in the families `ip` and `ip6`. */
export const TABLE_NAME = "ip-masq-agent";

/** Our chains: the base chain decides, the other one translates. */
export const CHAINS = { base: "postrouting", translate: "translate" } as const;

/** What the counter of an entry of `rules` is called, and what its sets' names start with; no list's name starts so. */
export const OWN_RULE_PREFIX = "rule-";

/** The names that a list's set, its counter and its rule share. */
export type ListName =
  | "masqueradeCIDRs"
  | "linkLocal"
  | "nonMasqueradeCIDRs"
  | "nonMasqueradeSrcCIDRs"
  | "outbound";

/** The part of a packet's header that a set is about. */
export type AddressField = "saddr" | "daddr";

/** A named interval set. */
export interface AddressSet {
  readonly name: string;
  readonly field: AddressField;
  readonly comment: string;
  /** The entries as the user wrote them, in the user's order. */
  readonly entries: readonly Cidr[];
  /** Those that become elements, by address: none overlaps another, which nft refuses. */
  readonly elements: readonly Cidr[];
  /** The other entries, each with the element that contains it. */
  readonly inside: ReadonlyMap<Cidr, Cidr>;
}

/** One rule, in nft's language and as `nft -j` prints its expressions. */
export interface NftRule {
  readonly chain: typeof CHAINS[keyof typeof CHAINS];
  readonly text: string;
  readonly expr: readonly unknown[];
  readonly comment: string;
}

/** Our table in one family. */
export interface NftTable {
  readonly family: IpFamily;
  readonly sets: readonly AddressSet[];
  /** Names of the counters: each counts the connections for which its list, or entry of `rules`, decided. */
  readonly counters: readonly string[];
  readonly rules: readonly NftRule[];
}

const SET_COMMENTS: Readonly<Record<ListName, string>> = {
  masqueradeCIDRs: "destinations that are masqueraded whatever the other sets say",
  linkLocal: "link-local destinations, which keep the source address",
  nonMasqueradeCIDRs: "destinations that keep the source address",
  nonMasqueradeSrcCIDRs: "sources that keep their address",
  outbound: "all other destinations",
};

/** A part of a rule, said twice. */
interface Statement {
  readonly text: string;
  readonly json: unknown;
}

/**
 * Makes the table of a ruleset: sets and rules for each entry of `rules`, and a set and a rule for each list, in the
 * order in which they apply.
 */
export function buildNftTable({ family, rules, masquerade }: Ruleset): NftTable {
  const own = rules.filter(({ name }) => name !== undefined);
  const lists: { name: ListName; rules: Rule[] }[] = [];
  for (const rule of rules) {
    if (rule.name !== undefined) continue;
    const name = listOf(rule);
    const last = lists.at(-1);
    if (last?.name === name) last.rules.push(rule);
    else lists.push({ name, rules: [rule] });
  }
  const withSet = lists.filter(({ name }) => name !== "outbound");
  return {
    family,
    sets: [
      ...own.flatMap(ownSets),
      ...withSet.map(({ name, rules }) => {
        const cidrs = rules.map(({ match }) => (match.sources ?? match.destinations)![0]!);
        return toSet(name, fieldOf(rules[0]!), SET_COMMENTS[name], cidrs);
      }),
    ],
    counters: [...own.map(counterOf), ...lists.map(({ name }) => name)],
    rules: [
      toRule(
        CHAINS.base,
        [isLocal("daddr"), verdict("return")],
        "ip-masq-agent: traffic to this host itself is not subject to MASQUERADE",
      ),
      ...own.flatMap((rule) => [...ownRules(rule, family, masquerade)]),
      ...lists.map(({ name, rules: [first] }) =>
        toRule(CHAINS.base, [
          ...(name === "outbound" ? [] : [addressIn(family, fieldOf(first!), name)]),
          counted(name),
          first!.target === "RETURN" ? verdict("return") : verdict("goto", CHAINS.translate),
        ], first!.comment)
      ),
      ...translateRules(masquerade),
    ],
  };
}

function counterOf({ name }: Rule): string {
  return `${OWN_RULE_PREFIX}${name}`;
}

/** The names of an entry's sets. Names of entries may end as these do, but no two become the same. */
const sourceSetOf = (rule: Rule) => `${counterOf(rule)}-from`;
const destinationSetOf = (rule: Rule) => `${counterOf(rule)}-to`;

function ownSets(rule: Rule): AddressSet[] {
  const { sources, destinations } = rule.match;
  return [
    ...(sources === undefined
      ? []
      : [toSet(sourceSetOf(rule), "saddr", `sources of rule ${rule.name}`, sources)]),
    ...(destinations === undefined
      ? []
      : [toSet(destinationSetOf(rule), "daddr", `destinations of rule ${rule.name}`, destinations)]),
  ];
}

/**
 * What each condition of a match becomes, in the order in which they are asked: alternatives, where one rule can't say
 * them all. The order of `-j` is the same.
 */
const CONDITIONS: {
  readonly [Name in keyof Match]-?: (
    wanted: NonNullable<Match[Name]>,
    rule: Rule,
    family: IpFamily,
  ) => readonly Statement[];
} = {
  sources: (_, rule, family) => [addressIn(family, "saddr", sourceSetOf(rule))],
  isFromNode: () => [isLocal("saddr")],
  destinations: (_, rule, family) => [addressIn(family, "daddr", destinationSetOf(rule))],
  interfaces: (patterns) => leavesBy(patterns),
  // Both depend on which source ports are chosen for which protocol: see {@linkcode ownRules}.
  protocols: () => [],
  ports: () => [],
};

/** The rules of an entry of `rules`: most often one, more for several patterns of interfaces and for source ports. */
function* ownRules(rule: Rule, family: IpFamily, options: MasqueradeOptions): Iterable<NftRule> {
  const { match, target, comment } = rule;
  let alternatives: readonly (readonly Statement[])[] = [[]];
  for (const name of Object.keys(CONDITIONS) as (keyof Match)[]) {
    const wanted = match[name];
    const toStatements = CONDITIONS[name] as (
      wanted: unknown,
      rule: Rule,
      family: IpFamily,
    ) => readonly Statement[];
    const found = wanted === undefined ? [] : toStatements(wanted, rule, family);
    if (found.length === 0) continue;
    alternatives = alternatives.flatMap((before) => found.map((statement) => [...before, statement]));
  }
  for (const before of alternatives) {
    for (const { protocols, ports, share } of outcomesOf(match, target, options)) {
      yield toRule(CHAINS.base, [
        ...before,
        ...layer4(protocols, match.ports, family),
        ...share,
        counted(counterOf(rule)),
        target === "RETURN"
          ? verdict("return")
          : target === "MASQUERADE"
          ? verdict("goto", CHAINS.translate)
          : snat(target, ports, options),
      ], comment);
    }
  }
}

/** One of the ways in which a rule ends. */
interface Outcome {
  readonly protocols: readonly Protocol[] | undefined;
  readonly ports?: PortRange;
  readonly share: readonly Statement[];
}

/** Only a given address with given ports needs more than one way: masquerading is left to the chain `translate`. */
function* outcomesOf(
  { protocols }: Match,
  target: Rule["target"],
  { toPorts }: MasqueradeOptions,
): Iterable<Outcome> {
  if (typeof target === "string" || toPorts.length === 0) {
    yield { protocols, share: [] };
    return;
  }
  for (const protocol of PORT_PROTOCOLS) {
    if (protocols?.includes(protocol) === false) continue;
    for (const { range, share } of portShares(toPorts)) yield { protocols: [protocol], ports: range, share };
  }
  const others = protocols?.filter((it) => !PORT_PROTOCOLS.some((other) => other === it));
  if (others?.length !== 0) yield { protocols: others, share: [] };
}

/** Names in one set; each pattern by itself, for not every version of nft takes them in sets. */
function leavesBy(patterns: readonly InterfacePattern[]): Statement[] {
  const oifname = { meta: { key: "oifname" } };
  const names = patterns.filter((it) => wildcardStart(it) === undefined).toSorted();
  const one = (text: string) => ({ text: `oifname "${text}"`, json: matches(oifname, text) });
  return [
    ...(names.length === 1 ? [one(names[0]!)] : names.length === 0 ? [] : [{
      text: `oifname { ${names.map((it) => `"${it}"`).join(", ")} }`,
      json: matches(oifname, { set: names }),
    }]),
    ...patterns.flatMap((it) => {
      const start = wildcardStart(it);
      return start === undefined ? [] : [one(`${start}*`)];
    }),
  ];
}

/** Names that nft knows also where there is no /etc/protocols, from which it takes the others. */
const LAYER4_NAMES: Readonly<Record<IpFamily, Readonly<Record<Protocol, string>>>> = {
  IPv4: { tcp: "tcp", udp: "udp", sctp: "sctp", icmp: "icmp" },
  IPv6: { tcp: "tcp", udp: "udp", sctp: "sctp", icmp: "icmpv6" },
};

/** Protocols and destination ports. Of one protocol nft prints only `tcp dport`, so that is what is written. */
function layer4(
  protocols: readonly Protocol[] | undefined,
  ports: readonly PortRange[] | undefined,
  family: IpFamily,
): Statement[] {
  if (protocols === undefined) return [];
  const names = protocols.map((it) => LAYER4_NAMES[family][it]);
  const [only, ...others] = names;
  if (ports !== undefined && others.length === 0) return [destinationPorts(only!, ports)];
  return [
    {
      text: `meta l4proto ${others.length === 0 ? only : `{ ${names.join(", ")} }`}`,
      json: matches({ meta: { key: "l4proto" } }, others.length === 0 ? only : { set: names }),
    },
    ...(ports === undefined ? [] : [destinationPorts("th", ports)]),
  ];
}

function destinationPorts(protocol: string, ports: readonly PortRange[]): Statement {
  const ranges = mergePorts(ports);
  const texts = ranges.map(([first, last]) => first === last ? String(first) : `${first}-${last}`);
  const values = ranges.map(([first, last]) => first === last ? first : { range: [first, last] });
  const isOne = ranges.length === 1;
  return {
    text: `${protocol} dport ${isOne ? texts[0] : `{ ${texts.join(", ")} }`}`,
    json: matches({ payload: { protocol, field: "dport" } }, isOne ? values[0] : { set: values }),
  };
}

/** Sorts ranges and joins those that overlap or touch, which nft would refuse or print otherwise. */
function mergePorts(ports: readonly PortRange[]): (readonly [number, number])[] {
  const merged: [number, number][] = [];
  for (const { first, last } of ports.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before === undefined || first > before[1] + 1) merged.push([first, last]);
    else before[1] = Math.max(before[1], last);
  }
  return merged;
}

/** One client keeps one address of a range. */
function snat({ address }: SnatTarget, ports: PortRange | undefined, options: MasqueradeOptions): Statement {
  const isRange = address.first !== address.last;
  const flags = [...(options.randomFully ? ["fully-random"] : []), ...(isRange ? ["persistent"] : [])];
  const text = formatSourceAddress(address);
  const isBracketed = address.family === "IPv6" && ports !== undefined;
  const to = isBracketed ? text.split("-").map((it) => `[${it}]`).join("-") : text;
  return {
    text: `snat to ${to}${ports === undefined ? "" : `:${formatPortRange(ports)}`}` +
      (flags.length === 0 ? "" : ` ${flags.join(",")}`),
    json: {
      snat: {
        addr: addressAsJson(address),
        ...(ports !== undefined && { port: portAsJson(ports) }),
        ...(flags.length > 0 && { flags }),
      },
    },
  };
}

/** nft prints a range that is a prefix as one. */
function addressAsJson(address: SourceAddress): unknown {
  const text = formatSourceAddress(address);
  if (address.first === address.last) return text;
  const [addr, prefix] = formatRange(address, address.family).split("/");
  return prefix === undefined ? { range: text.split("-") } : { prefix: { addr, len: Number(prefix) } };
}

function portAsJson({ first, last }: PortRange): unknown {
  return first === last ? first : { range: [first, last] };
}

/** The list that a rule comes from. */
function listOf({ match, target, origin }: Rule): ListName {
  if (match.sources !== undefined) return "nonMasqueradeSrcCIDRs";
  if (match.destinations === undefined) return "outbound";
  if (target === "MASQUERADE") return "masqueradeCIDRs";
  return origin.key.startsWith("masqLinkLocal") ? "linkLocal" : "nonMasqueradeCIDRs";
}

/** What a list's set is about. */
function fieldOf({ match }: Rule): AddressField {
  return match.sources === undefined ? "daddr" : "saddr";
}

/** Two prefixes are apart or one contains the other, so an entry's container sorts right before it and its like. */
function toSet(name: string, field: AddressField, comment: string, cidrs: readonly Cidr[]): AddressSet {
  const inside = new Map<Cidr, Cidr>();
  const kept: Cidr[] = [];
  for (const index of orderByAddress(cidrs)) {
    const cidr = cidrs[index]!;
    const outer = kept.at(-1);
    if (outer !== undefined && cidrContains(outer, cidr)) inside.set(cidr, outer);
    else kept.push(cidr);
  }
  return { name, field, comment, entries: cidrs, elements: kept, inside };
}

/** The indexes of prefixes by address, wider ones first. Numbers compare much faster than bigints: IPv4 fits. */
function orderByAddress(cidrs: readonly Cidr[]): number[] {
  const keys = cidrs.map(({ family, address, prefixLength }) =>
    family === "IPv4" ? Number(address) * 256 + prefixLength : address << 8n | BigInt(prefixLength)
  );
  return cidrs.map((_, index) => index).sort((a, b) => {
    const [left, right] = [keys[a]!, keys[b]!];
    return left < right ? -1 : left > right ? 1 : a - b;
  });
}

/**
 * The source ports, range by range. The kernel tries rules in order and each draws its own number, so the first range
 * takes its share of all ports, the second its share of what is left, and the last the rest.
 */
function* portShares(
  toPorts: readonly PortRange[],
): Iterable<{ range: PortRange; share: readonly Statement[] }> {
  let left = toPorts.reduce((sum, range) => sum + portRangeSize(range), 0);
  for (const [index, range] of toPorts.entries()) {
    const size = portRangeSize(range);
    const share: Statement = {
      text: `numgen random mod ${left} < ${size}`,
      json: matches({ numgen: { mode: "random", mod: left, offset: 0 } }, size, "<"),
    };
    yield { range, share: index < toPorts.length - 1 ? [share] : [] };
    left -= size;
  }
}

/** Translation to this host's address, with the desired source ports. */
function* translateRules({ toPorts, randomFully }: MasqueradeOptions): Iterable<NftRule> {
  const flags = randomFully ? { flags: "fully-random" } : {};
  const suffix = randomFully ? " fully-random" : "";
  for (const protocol of PORT_PROTOCOLS) {
    for (const { range, share } of portShares(toPorts)) {
      const ports = formatPortRange(range);
      yield toRule(CHAINS.translate, [
        { text: `meta l4proto ${protocol}`, json: matches({ meta: { key: "l4proto" } }, protocol) },
        ...share,
        {
          text: `masquerade to :${ports}${suffix}`,
          json: { masquerade: { port: portAsJson(range), ...flags } },
        },
      ], `ip-masq-agent: ${protocol} leaves from ports ${ports}`);
    }
  }
  const masquerade = { text: `masquerade${suffix}`, json: { masquerade: randomFully ? flags : null } };
  yield toRule(CHAINS.translate, [masquerade], "ip-masq-agent: the source becomes this host's address");
}

function toRule(chain: NftRule["chain"], statements: readonly Statement[], comment: string): NftRule {
  return {
    chain,
    text: `${statements.map(({ text }) => text).join(" ")} comment "${comment}"`,
    expr: statements.map(({ json }) => json),
    comment,
  };
}

/** As `! --dst-type LOCAL` of the iptables jump, the other way round, and `--src-type LOCAL`. */
function isLocal(field: AddressField): Statement {
  return {
    text: `fib ${field} type local`,
    json: matches({ fib: { result: "type", flags: [field] } }, "local"),
  };
}

function counted(name: string): Statement {
  return { text: `counter name ${name}`, json: { counter: name } };
}

function addressIn(family: IpFamily, field: AddressField, set: string): Statement {
  const protocol = NFT_FAMILY[family];
  return {
    text: `${protocol} ${field} @${set}`,
    json: matches({ payload: { protocol, field } }, `@${set}`),
  };
}

function verdict(kind: "return"): Statement;
function verdict(kind: "goto", chain: string): Statement;
function verdict(kind: "return" | "goto", chain?: string): Statement {
  return chain === undefined
    ? { text: kind, json: { [kind]: null } }
    : { text: `${kind} ${chain}`, json: { [kind]: { target: chain } } };
}

function matches(left: unknown, right: unknown, op = "=="): unknown {
  return { match: { op, left, right } };
}
