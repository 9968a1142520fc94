/** Which packets a rule is for, for a person. */
import type { Cidr } from "../config/cidr.ts";
import { formatPortRange, formatPortRanges } from "../config/port_range.ts";
import type { MatchName } from "../rules/decide.ts";
import type { Match } from "../rules/ruleset.ts";

/** How each condition is said, in the order in which they are said, and all other packets behind those that it holds for. */
const WORDS: {
  readonly [Name in MatchName]-?: {
    readonly say: (wanted: NonNullable<Match[Name]>) => string;
    readonly others: string;
  };
} = {
  sources: { say: (cidrs) => `from ${textsOf(cidrs)}`, others: "from elsewhere" },
  isFromNode: { say: () => "from this node", others: "from elsewhere" },
  destinations: { say: (cidrs) => `to ${textsOf(cidrs)}`, others: "to elsewhere" },
  interfaces: { say: (patterns) => `via ${patterns.join(", ")}`, others: "via other interfaces" },
  protocols: { say: (protocols) => `with ${protocols.join(", ")}`, others: "with other protocols" },
  ports: { say: (ranges) => `to port ${formatPortRanges(ranges)}`, others: "to other ports" },
};

function textsOf(cidrs: readonly Cidr[]): string {
  return cidrs.map(({ text }) => text).join(", ");
}

/** Says some conditions of a match, such as `from 10.244.0.0/16`. */
export function describeConditions(match: Match, names: readonly MatchName[]): string {
  return (Object.keys(WORDS) as MatchName[])
    .filter((name) => names.includes(name))
    .map((name) => (WORDS[name].say as (wanted: unknown) => string)(match[name]))
    .join(" ");
}

/** Says all of a match; only the prefixes where it is about destinations alone, and empty where it is for everything. */
export function describeMatch(match: Match): string {
  const names = Object.keys(match) as MatchName[];
  return names.join() === "destinations" ? textsOf(match.destinations!) : describeConditions(match, names);
}

/** Says for which packets none of the conditions held. */
export function describeOthers(open: readonly MatchName[]): string {
  const [first, ...others] = new Set(open.map((name) => WORDS[name].others));
  return first !== undefined && others.length === 0 ? first : "otherwise";
}

/** A match as data, its lists in words of a config. */
export function matchAsData(match: Match): Record<string, unknown> {
  const entries = (Object.keys(match) as MatchName[]).map((name) => {
    const { key, value } = DATA[name];
    return [key, (value as (wanted: unknown) => unknown)(match[name])];
  });
  return Object.fromEntries(entries);
}

/** What a condition is called as data. */
export function dataKey(name: MatchName): string {
  return DATA[name].key;
}

const DATA: {
  readonly [Name in MatchName]-?: {
    readonly key: string;
    readonly value: (wanted: NonNullable<Match[Name]>) => unknown;
  };
} = {
  sources: { key: "source", value: (cidrs) => single(cidrs.map(({ text }) => text)) },
  isFromNode: { key: "fromNode", value: () => true },
  destinations: { key: "destination", value: (cidrs) => single(cidrs.map(({ text }) => text)) },
  interfaces: { key: "via", value: (patterns) => patterns },
  protocols: { key: "protocols", value: (protocols) => protocols },
  ports: { key: "ports", value: (ranges) => ranges.map(formatPortRange) },
};

function single<T>(list: readonly T[]): T | readonly T[] {
  return list.length === 1 ? list[0]! : list;
}
