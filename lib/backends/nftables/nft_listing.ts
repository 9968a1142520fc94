/** What `nft -j list table` prints -> data. The format is that of libnftables-json(5). */
import { ADDRESS_BITS, type IpFamily } from "../../config/ip_address.ts";
import { NFT_FAMILY, PROTOCOL_NAMES } from "./nft_family.ts";
import type { AddressField, NftTable } from "./nft_table.ts";
import type { Verdict } from "../../rules/ruleset.ts";
import { describeElement, describeRule } from "./nft_text.ts";
import { formatRange, parseRange } from "./ranges.ts";

/** A set as the kernel has it. */
export interface ActualSet {
  /** Its prefixes and ranges, such as `10.0.0.0/8` and `10.0.0.1-10.0.0.3`; undefined where it is no plain interval set of addresses. */
  readonly elements: readonly string[] | undefined;
  /** Whether it is seen to be declared by `type`, as this program once did: older versions of nft crash at it. */
  readonly isDeclaredByType: boolean;
}

/** A rule as the kernel has it. */
export interface ActualRule {
  readonly chain: string;
  readonly comment: string;
  /** Its expressions in the one form of {@linkcode canonicalExpr}. */
  readonly expr: string;
}

/** What a counter has counted: the first packet of each connection, as all rules of type nat see. */
export interface ActualCounter {
  readonly packets: number;
  readonly bytes: number;
}

/** Our table as the kernel has it. */
export interface ActualTable {
  /** The version of nft, such as `1.0.6`. */
  readonly version: string;
  /** Whether the table has flags, such as `dormant`, which switches it off. nft 1.0.6 prints a wrong name for it. */
  readonly hasFlags: boolean;
  readonly chains: ReadonlyMap<string, ActualChain>;
  readonly sets: ReadonlyMap<string, ActualSet>;
  readonly counters: ReadonlyMap<string, ActualCounter>;
  /** What happens to the connections that a counter counts, by its name. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly rules: readonly ActualRule[];
  /** Kinds of other things in the table, such as `map`. */
  readonly others: readonly string[];
}

/** Where a chain is hooked in, such as `nat postrouting 100 accept`; empty for a chain that is only jumped to. */
export type ActualChain = string;

/**
 * Reads a listing of one table.
 *
 * @throws {SyntaxError} It is not of that format.
 */
export function parseNftListing(text: string, family: IpFamily): ActualTable {
  // For a flag of the table, nft up to 1.0.6 prints whatever it has in memory, and stops there where that is no text.
  const complete = /"flags":\s*$/.test(text) ? `${text}""}}]}` : text;
  const { nftables } = JSON.parse(complete) as { nftables?: Readonly<Record<string, Json>>[] };
  if (!Array.isArray(nftables)) throw new SyntaxError('No "nftables" in what nft printed');
  const chains = new Map<string, ActualChain>();
  const sets = new Map<string, ActualSet>();
  const counters = new Map<string, ActualCounter>();
  const verdicts = new Map<string, Verdict>();
  const rules: ActualRule[] = [];
  const others: string[] = [];
  let version = "";
  let hasFlags = false;
  for (const item of nftables) {
    const [kind, value = {}] = Object.entries(item)[0] ?? [""];
    if (kind === "metainfo") version = String(value.version);
    else if (kind === "table") hasFlags = value.flags !== undefined;
    else if (kind === "chain") {
      const hook = [value.type, value.hook, value.prio, value.policy];
      chains.set(String(value.name), value.hook === undefined ? "" : hook.join(" "));
    } else if (kind === "set") {
      const isDeclaredByType = typeof value.type === "string" && isWithTypeof(version);
      sets.set(String(value.name), { elements: readElements(value, family), isDeclaredByType });
    } else if (kind === "counter") {
      counters.set(String(value.name), { packets: Number(value.packets), bytes: Number(value.bytes) });
    } else if (kind === "rule") {
      rules.push({
        chain: String(value.chain),
        comment: String(value.comment ?? ""),
        expr: canonicalExpr(value.expr),
      });
      readVerdict(value.expr, verdicts);
    } else others.push(kind);
  }
  return { version, hasFlags, chains, sets, counters, verdicts, rules, others };
}

// deno-lint-ignore no-explicit-any -- whatever nft printed
type Json = Readonly<Record<string, any>>;

/** Notes where a rule that counts leads to. */
function readVerdict(expr: unknown, verdicts: Map<string, Verdict>): void {
  const statements: readonly Json[] = Array.isArray(expr) ? expr : [];
  const counter = statements.find((it) => typeof it.counter === "string")?.counter;
  if (counter === undefined) return;
  const has = (kind: string) => statements.some((it) => Object.hasOwn(it, kind));
  verdicts.set(counter, has("snat") ? "SNAT" : has("goto") ? "MASQUERADE" : "RETURN");
}

function readElements(set: Json, family: IpFamily): string[] | undefined {
  if (!isOfAddresses(set.type, family) || [set.flags].flat().join() !== "interval") return undefined;
  const texts: string[] = [];
  for (const element of set.elem ?? []) {
    const text = elementText(element, family);
    if (text === undefined) return undefined;
    texts.push(text);
  }
  return texts;
}

/**
 * Whether this version of nft shows how a set was declared. Older ones print the name of its type for both ways, and the
 * oldest of them crash at what newer ones make of a set that is declared by `type`.
 */
export function isWithTypeof(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split(".").map(Number);
  return (major * 1000 + minor) * 1000 + patch >= 1_001_003;
}

/** The name of the type, or what `typeof` named. */
function isOfAddresses(type: unknown, family: IpFamily): boolean {
  const name = { IPv4: "ipv4_addr", IPv6: "ipv6_addr" }[family];
  const declared = (field: AddressField) => ({
    typeof: { payload: { protocol: NFT_FAMILY[family], field } },
  });
  return type === name || canonicalExpr(type) === canonicalExpr(declared("daddr")) ||
    canonicalExpr(type) === canonicalExpr(declared("saddr"));
}

/** An address, a prefix or a range; undefined for an element with a timeout, a comment or a verdict. */
function elementText(element: Json | string, family: IpFamily): string | undefined {
  if (typeof element === "string") return `${element}/${ADDRESS_BITS[family]}`;
  const { prefix, range } = element;
  return prefix !== undefined
    ? `${prefix.addr}/${prefix.len}`
    : range === undefined
    ? undefined
    : range.join("-");
}

/**
 * A text that is the same for expressions that nft's versions print differently: a list of one value and the value
 * itself are the same, and so is the order of keys and of a set's elements. Protocols have one name each.
 */
export function canonicalExpr(expr: unknown): string {
  return JSON.stringify(expr, (_, value) => {
    if (Array.isArray(value)) return value.length === 1 ? value[0] : value;
    if (typeof value !== "object" || value === null) return value;
    if (value.left?.meta?.key === "l4proto") value = { ...value, right: nameProtocols(value.right) };
    if (Array.isArray(value.set)) return { set: value.set.map(canonicalExpr).sort() };
    return Object.fromEntries(Object.keys(value).sort().map((key) => [key, value[key]]));
  });
}

/** Names as we write them: nft prints those of /etc/protocols, and numbers where it has no such file. */
function nameProtocols(right: unknown): unknown {
  const set = (right as Json | null)?.set;
  if (Array.isArray(set)) return { set: set.map(nameProtocols) };
  return PROTOCOL_NAMES[String(right)] ?? right;
}

/** The actual table, one command a line as in {@linkcode describeTable}; a rule that isn't ours is shown in JSON. */
export function describeActual(
  { sets, rules }: ActualTable,
  { family, rules: ours }: NftTable,
): string[] {
  const texts = new Map(ours.map(({ expr, comment, text }) => [`${canonicalExpr(expr)} ${comment}`, text]));
  return [
    ...[...sets].flatMap(([name, { elements }]) =>
      elements?.map((text) => describeElement(name, formatRange(parseRange(text, family), family))) ??
        [`add set ${name} (foreign)`]
    ),
    ...rules.map(({ chain, expr, comment }) =>
      describeRule(chain, texts.get(`${expr} ${comment}`) ?? `${expr} comment "${comment}"`)
    ),
  ];
}
