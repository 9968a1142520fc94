/** Ruleset -> the nft table that does the same, as data: text and comparison are both made from it. */
import { type Cidr, cidrContains } from "../../config/cidr.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import { formatPortRange, portRangeSize } from "../../config/port_range.ts";
import type { MasqueradeOptions, Rule, Ruleset, Target } from "../../rules/ruleset.ts";

/** The name of our tables; one each in the families `ip` and `ip6`. */
export const TABLE_NAME = "ip-masq-agent";

/** How nft calls the families. */
export const NFT_FAMILY = { IPv4: "ip", IPv6: "ip6" } as const satisfies Record<IpFamily, string>;

/** What happens to the connections that a list's counter counts. */
export const VERDICTS: Readonly<Record<ListName, Target>> = {
  masqueradeCIDRs: "MASQUERADE",
  linkLocal: "RETURN",
  nonMasqueradeCIDRs: "RETURN",
  nonMasqueradeSrcCIDRs: "RETURN",
  outbound: "MASQUERADE",
};

/** Our chains: the base chain decides, the other one translates. */
export const CHAINS = { base: "postrouting", translate: "translate" } as const;

/** The names that a set, its counter and its rule share. */
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
  readonly name: ListName;
  readonly field: AddressField;
  readonly comment: string;
  /** The entries as the user wrote them, in the user's order. */
  readonly entries: readonly SetEntry[];
  /** Those that become elements, by address: none overlaps another, which nft refuses. */
  readonly elements: readonly Cidr[];
}

/** An entry of a list. */
export interface SetEntry {
  readonly cidr: Cidr;
  /** The element that contains it, where it is none itself. */
  readonly inside: Cidr | undefined;
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
  /** Names of the counters: each counts the connections for which its list decided. */
  readonly counters: readonly ListName[];
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

/** Makes the table of a ruleset: a set and a rule for each list, in the order in which the lists apply. */
export function buildNftTable({ family, rules, masquerade }: Ruleset): NftTable {
  const lists: { name: ListName; rules: Rule[] }[] = [];
  for (const rule of rules) {
    const name = listOf(rule);
    const last = lists.at(-1);
    if (last?.name === name) last.rules.push(rule);
    else lists.push({ name, rules: [rule] });
  }
  const withSet = lists.filter(({ name }) => name !== "outbound");
  return {
    family,
    sets: withSet.map(({ name, rules }) => toSet(name, rules)),
    counters: lists.map(({ name }) => name),
    rules: [
      toRule(
        CHAINS.base,
        [destinationIsLocal, verdict("return")],
        "ip-masq-agent: traffic to this host itself is not subject to MASQUERADE",
      ),
      ...lists.map(({ name, rules: [first] }) =>
        toRule(CHAINS.base, [
          ...(name === "outbound" ? [] : [addressIn(family, fieldOf(first!), name)]),
          { text: `counter name ${name}`, json: { counter: name } },
          VERDICTS[name] === "RETURN" ? verdict("return") : verdict("goto", CHAINS.translate),
        ], first!.comment)
      ),
      ...translateRules(masquerade),
    ],
  };
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
function toSet(name: ListName, rules: readonly Rule[]): AddressSet {
  const cidrs = rules.map(({ match }) => (match.sources ?? match.destinations)![0]!);
  const inside: (Cidr | undefined)[] = [];
  const kept: Cidr[] = [];
  for (const index of orderByAddress(cidrs)) {
    const cidr = cidrs[index]!;
    const outer = kept.at(-1);
    if (outer !== undefined && cidrContains(outer, cidr)) inside[index] = outer;
    else kept.push(cidr);
  }
  const entries = cidrs.map((cidr, index) => ({ cidr, inside: inside[index] }));
  return { name, field: fieldOf(rules[0]!), comment: SET_COMMENTS[name], entries, elements: kept };
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
 * Translation with the desired source ports. The kernel tries rules in order and each draws its own number, so the
 * first range takes its share of all ports, the second its share of what is left, and the last the rest.
 */
function* translateRules({ toPorts, randomFully }: MasqueradeOptions): Iterable<NftRule> {
  const flags = randomFully ? { flags: "fully-random" } : {};
  const suffix = randomFully ? " fully-random" : "";
  for (const protocol of ["tcp", "udp", "sctp"]) {
    let left = toPorts.reduce((sum, range) => sum + portRangeSize(range), 0);
    for (const [index, range] of toPorts.entries()) {
      const size = portRangeSize(range);
      const isSingle = range.first === range.last;
      const ports = isSingle ? String(range.first) : formatPortRange(range);
      const port = isSingle ? range.first : { range: [range.first, range.last] };
      const share: Statement = {
        text: `numgen random mod ${left} < ${size}`,
        json: matches({ numgen: { mode: "random", mod: left, offset: 0 } }, size, "<"),
      };
      yield toRule(CHAINS.translate, [
        { text: `meta l4proto ${protocol}`, json: matches({ meta: { key: "l4proto" } }, protocol) },
        ...(index < toPorts.length - 1 ? [share] : []),
        { text: `masquerade to :${ports}${suffix}`, json: { masquerade: { port, ...flags } } },
      ], `ip-masq-agent: ${protocol} leaves from ports ${ports}`);
      left -= size;
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

/** As `! --dst-type LOCAL` of the iptables jump, the other way round. */
const destinationIsLocal: Statement = {
  text: "fib daddr type local",
  json: matches({ fib: { result: "type", flags: ["daddr"] } }, "local"),
};

function addressIn(family: IpFamily, field: AddressField, set: ListName): Statement {
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
