/** Rules of native nft tables -> rules of a path. The format is that of libnftables-json(5). */
import { lastOfPrefix } from "../backends/nftables/ranges.ts";
import { NFT_FAMILY } from "../backends/nftables/nft_family.ts";
import { ADDRESS_BITS, type IpFamily, parseIpAddress } from "../config/ip_address.ts";
import {
  condition,
  type Field,
  FIELDS,
  inRanges,
  isProtocol,
  unknownCondition,
  type ValueRange,
} from "./conditions.ts";
import type { Action, Condition, PathRule } from "./path.ts";

// deno-lint-ignore no-explicit-any -- whatever nft printed
type Json = any;

/** A named set or map as it was listed: its elements. */
export type NamedSets = ReadonlyMap<string, readonly Json[]>;

/** What `nft -j` printed: its objects of one kind. */
export function objectsOf(text: string, kind: string): Json[] {
  const { nftables } = JSON.parse(text) as { nftables: readonly Json[] };
  return nftables.flatMap((item) => item[kind] ?? []);
}

/** The chains that a rule may lead to. */
export function chainsOf(expr: readonly Json[]): string[] {
  const text = JSON.stringify(expr);
  return [...text.matchAll(/"(?:jump|goto)":\{"target":"([^"]+)"/g)].map(([, chain]) => chain!);
}

/** The named sets and maps that a rule asks. */
export function setsOf(expr: readonly Json[]): string[] {
  return [...JSON.stringify(expr).matchAll(/"@([^"]+)"/g)].map(([, name]) => name!);
}

/**
 * Reads a rule, which is one of the path, or several where it has a map of verdicts. Of those that look at the other
 * family there is none.
 */
export function toPathRules(
  { chain, expr }: { readonly chain: string; readonly expr: readonly Json[] },
  number: number,
  family: IpFamily,
  sets: NamedSets,
): PathRule[] {
  const text = expr.map(textOf).filter((it) => it !== "").join(" ");
  const rules: PathRule[] = [];
  let conditions: Condition[] = [];
  const add = (action: Action, more: readonly Condition[] = []) =>
    rules.push({ chain, number, text, conditions: [...conditions, ...more], action });
  for (const statement of expr) {
    const [kind, value] = Object.entries<Json>(statement)[0] ?? ["", null];
    if (kind === "match") conditions = [...conditions, ...readMatch(value, family, sets)];
    else if (kind === "mangle") {
      if (value.key?.meta?.key === "mark") add({ kind: "mark", change: readMarkChange(value.value) });
    } else if (kind === "vmap") {
      const pairs: readonly Json[] | undefined = typeof value.data === "string"
        ? sets.get(value.data.slice(1))
        : value.data?.set;
      if (pairs === undefined) add({ kind: "unknown" }, [unknownCondition(textOf(statement))]);
      for (const [key, verdict] of pairs ?? []) {
        add(readAction(verdict), readMatch({ op: "==", left: value.key, right: key }, family, sets));
      }
    } else if (kind === "limit" || kind === "quota" || kind === "xt" && value?.type === "match") {
      conditions = [...conditions, unknownCondition(textOf(statement))];
    } else {
      // In a table of both families an address is one of one of them.
      if ((value?.family ?? NFT_FAMILY[family]) !== NFT_FAMILY[family]) return rules;
      const action = readAction(statement);
      if (action.kind !== "pass") add(action);
    }
  }
  return rules;
}

function readAction(statement: Json): Action {
  const [kind, value] = Object.entries<Json>(statement)[0] ?? ["", null];
  switch (kind) {
    case "jump":
    case "goto":
      return { kind, chain: value.target };
    case "return":
    case "accept":
    case "drop":
      return { kind };
    case "masquerade":
      return { kind: "translate", how: { kind: "MASQUERADE" } };
    case "snat": {
      const to = value.addr === undefined ? undefined : sourceOf(value.addr);
      return { kind: "translate", how: to === undefined ? { kind: "other" } : { kind: "SNAT", to } };
    }
    case "xt":
      if (value?.name === "MASQUERADE") return { kind: "translate", how: { kind: "MASQUERADE" } };
      if (value?.name === "SNAT" || value?.name === "NETMAP") {
        return { kind: "translate", how: { kind: "other" } };
      }
      return { kind: /^N?F?LOG$/.test(value?.name) ? "pass" : "unknown" };
    case "queue":
    case "reject":
      return { kind: "unknown" };
    default:
      return { kind: "pass" };
  }
}

/** Undefined where the address depends on the packet. */
function sourceOf(addr: Json): string | undefined {
  if (typeof addr === "string") return addr;
  return Array.isArray(addr.range) ? addr.range.join("-") : undefined;
}

const ADDRESS_FIELDS = { saddr: FIELDS.source, daddr: FIELDS.destination } as const;

/** The conditions of a match; what is not understood is one that nobody can tell. */
function readMatch(match: Json, family: IpFamily, sets: NamedSets): Condition[] {
  const text = textOf({ match });
  const { op, left, right } = match;
  const isNegated = op === "!=";
  const unknown = [unknownCondition(text)];
  if (!["==", "!=", "in"].includes(op)) return unknown;
  const payload = left?.payload;
  if (payload !== undefined && (payload.protocol === "ip" || payload.protocol === "ip6")) {
    // In a table of both families it is for one of them.
    if (payload.protocol !== NFT_FAMILY[family]) return [condition(text, () => "other family", () => false)];
    if (payload.field === "protocol" || payload.field === "nexthdr") {
      return protocolCondition(text, right, isNegated);
    }
    const field = ADDRESS_FIELDS[payload.field as keyof typeof ADDRESS_FIELDS];
    return field === undefined ? unknown : rangesCondition(text, field, right, isNegated, sets, addressesOf);
  }
  if (payload?.field === "dport") {
    const ports = rangesCondition(text, FIELDS.port, right, isNegated, sets, numbersOf);
    return payload.protocol === "th"
      ? ports
      : [...protocolCondition(text, payload.protocol, false), ...ports];
  }
  if (payload?.field === "sport" && payload.protocol !== "th") {
    return [...protocolCondition(text, payload.protocol, false), ...unknown];
  }
  const fib = left?.fib;
  if (fib?.result === "type" && right === "local" && fib.flags?.length === 1) {
    const field = fib.flags[0] === "daddr" ? FIELDS.destinationType : FIELDS.sourceType;
    return [condition(text, field, (it) => it === "local", isNegated)];
  }
  const masked = left?.["&"];
  const key = (masked === undefined ? left : masked[0])?.meta?.key;
  switch (key) {
    case "mark": {
      const mask = BigInt(masked?.[1] ?? 0xffffffff);
      if (typeof right !== "number") return unknown;
      return [condition(text, FIELDS.mark, (it) => ((it as bigint) & mask) === BigInt(right), isNegated)];
    }
    case "l4proto":
      return protocolCondition(text, right, isNegated);
    case "nfproto": {
      const wanted = right === "ipv4" ? "IPv4" : "IPv6";
      return [condition(text, () => family, (it) => it === wanted, isNegated)];
    }
    case "oifname":
    case "oif": {
      const names = itemsOf(right, sets);
      if (names?.every((it) => typeof it === "string") !== true) return unknown;
      return [
        condition(text, FIELDS.interface, (it) => names.some((name) => isNamed(name, String(it))), isNegated),
      ];
    }
    default:
      return unknown;
  }
}

function isNamed(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

/** A list of values, be it one; undefined for a named set that was not listed. */
function itemsOf(right: Json, sets: NamedSets): readonly Json[] | undefined {
  if (typeof right === "string" && right.startsWith("@")) return sets.get(right.slice(1));
  if (Array.isArray(right)) return right;
  return Array.isArray(right?.set) ? right.set : [right];
}

function protocolCondition(text: string, right: Json, isNegated: boolean): Condition[] {
  const tests = itemsOf(right, new Map())?.map((it) => isProtocol(String(it))) ?? [() => undefined];
  const matches = (value: bigint | string) => {
    const found = tests.map((test) => test(value));
    return found.includes(true) ? true : found.includes(undefined) ? undefined : false;
  };
  return [condition(text, FIELDS.protocol, matches, isNegated)];
}

function rangesCondition(
  text: string,
  field: Field,
  right: Json,
  isNegated: boolean,
  sets: NamedSets,
  toRange: (item: Json) => ValueRange,
): Condition[] {
  try {
    const ranges = itemsOf(right, sets)?.map((it) => toRange(it?.elem?.val ?? it));
    if (ranges !== undefined) return [condition(text, field, inRanges(ranges), isNegated)];
  } catch {
    // An element that can't be parsed is one that we don't understand.
  }
  return [unknownCondition(text)];
}

function addressesOf(item: Json): ValueRange {
  if (item.prefix !== undefined) {
    const { family, value } = parseIpAddress(item.prefix.addr);
    return { first: value, last: lastOfPrefix(value, ADDRESS_BITS[family] - item.prefix.len) };
  }
  const [first, last = first] = (item.range ?? [item]) as string[];
  return { first: parseIpAddress(first!).value, last: parseIpAddress(last!).value };
}

function numbersOf(item: Json): ValueRange {
  const [first, last = first] = (item.range ?? [item]) as number[];
  return { first: BigInt(first!), last: BigInt(last!) };
}

/** What is printed for a change of the mark: a number, or the mark with some of its bits changed. */
function readMarkChange(value: Json): ((mark: number) => number) | undefined {
  if (typeof value === "number") return () => value;
  const [operator, [left, bits]] = Object.entries<Json>(value ?? {})[0] ?? ["", []];
  const before: ((mark: number) => number) | undefined = left?.meta?.key === "mark"
    ? (mark) => mark
    : readMarkChange(left);
  if (before === undefined || typeof bits !== "number") return undefined;
  if (operator === "|") return (mark) => (before(mark) | bits) >>> 0;
  if (operator === "&") return (mark) => (before(mark) & bits) >>> 0;
  return operator === "^" ? (mark) => (before(mark) ^ bits) >>> 0 : undefined;
}

/** A statement or value as nft writes it, near enough to be found again. */
function textOf(json: Json): string {
  if (typeof json !== "object" || json === null) return String(json);
  if (Array.isArray(json)) return json.map(textOf).join(", ");
  const [kind, value] = Object.entries<Json>(json)[0] ?? ["", ""];
  switch (kind) {
    case "counter":
    case "comment":
      return "";
    case "match": {
      const op = value.op === "==" || value.op === "in" ? "" : `${value.op} `;
      return `${textOf(value.left)} ${op}${textOf(value.right)}`;
    }
    case "payload":
      return value.field === undefined ? `@${value.base}` : `${value.protocol} ${value.field}`;
    case "meta":
    case "ct":
      return kind === "meta" && value.key.startsWith("oif") ? value.key : `${kind} ${value.key}`;
    case "fib":
      return `fib ${textOf(value.flags)} ${value.result}`;
    case "&":
    case "|":
    case "^":
      return value.map(textOf).join(` ${kind} `);
    case "prefix":
      return `${value.addr}/${value.len}`;
    case "range":
      return value.map(textOf).join("-");
    case "set":
      return `{ ${textOf(value)} }`;
    case "concat":
      return value.map(textOf).join(" . ");
    case "elem":
      return textOf(value.val);
    case "jump":
    case "goto":
      return `${kind} ${value.target}`;
    case "mangle":
      return `${textOf(value.key)} set ${textOf(value.value)}`;
    case "vmap":
      return `${textOf(value.key)} vmap ${typeof value.data === "string" ? value.data : "{ … }"}`;
    case "masquerade":
    case "snat":
      return [kind, value?.addr && `to ${textOf(value.addr)}`, value?.flags && textOf(value.flags)]
        .filter(Boolean).join(" ");
    case "xt":
      return `xt ${value?.type ?? ""} ${value?.name ?? ""}`.trim();
    default:
      return value === null ? kind : `${kind} ${JSON.stringify(value)}`;
  }
}
