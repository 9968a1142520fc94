/** An entry of `rules`: how it is read from a file and written again. */
import { type InterfacePattern, parseInterfacePattern } from "./interface_name.ts";
import type { IpFamily } from "./ip_address.ts";
import { nearest, nearestKey } from "./nearest.ts";
import { formatPortRange, parsePortRanges, type PortRange } from "./port_range.ts";
import { describe, printableMessage } from "./printable.ts";
import type { Origin } from "./problem.ts";
import { parseRuleName, type RuleName } from "./rule_name.ts";
import { formatSourceAddress, parseSourceAddress, type SourceAddress } from "./source_address.ts";
import { type CidrEntry, parseCidrItem, type Place, type ValueType } from "./value_types.ts";

/** The protocols that have ports. */
export const PORT_PROTOCOLS = ["tcp", "udp", "sctp"] as const;

/** The protocols that a rule may ask for; `icmp` is ICMPv6 in IPv6. */
export const PROTOCOLS = [...PORT_PROTOCOLS, "icmp"] as const;

/** One of them. */
export type Protocol = typeof PROTOCOLS[number];

/** What a rule does: leave the source, make it this host's address, or the one that is given for the family. */
export type RuleAction =
  | { readonly kind: "keep" }
  | { readonly kind: "masquerade" }
  | { readonly kind: "snat"; readonly addresses: readonly SourceAddress[] };

/** One entry. A list that is left out stands for everything. */
export interface RuleEntry {
  readonly origin: Origin;
  readonly name?: RuleName;
  /** `node` stands for traffic of this host itself. */
  readonly from?: readonly CidrEntry[] | "node";
  readonly to?: readonly CidrEntry[];
  readonly via?: readonly InterfacePattern[];
  readonly protocols?: readonly Protocol[];
  readonly ports?: readonly PortRange[];
  readonly action: RuleAction;
}

/** An entry as a config has it. */
export interface WrittenRule {
  readonly name?: string;
  readonly from?: readonly string[] | "node";
  readonly to?: readonly string[];
  readonly via?: readonly string[];
  readonly protocols?: readonly string[];
  readonly ports?: readonly (string | number)[];
  readonly action: string;
  readonly address?: readonly string[];
}

/** The name of a rule, or its place in the list, from 0. */
export function ruleName(rule: RuleEntry, index: number): RuleName {
  return rule.name ?? parseRuleName(String(index));
}

/** Whether a rule exists in a family: each of `from`, `to` and `address` has an entry of it, or is not there. */
export function existsIn({ from, to, action }: RuleEntry, family: IpFamily): boolean {
  const has = (entries: readonly CidrEntry[] | undefined) =>
    entries === undefined || entries.some(({ cidr }) => cidr.family === family);
  return (from === "node" || has(from)) && has(to) &&
    (action.kind !== "snat" || action.addresses.some((it) => it.family === family));
}

/** The keys of an entry, each with what reads its value; an unknown one would match everything, so it is an error. */
const FIELDS: { readonly [Name in keyof WrittenRule]-?: (value: unknown, place: Place) => unknown } = {
  name: (value, place) => parseText(value, place, parseRuleName, 'a name such as "billing"'),
  from: (value, place) => {
    if (value === "node") return value;
    const entries = parseList(value, place, 'CIDRs, or "node"', '["10.244.0.0/16"]', parseFrom);
    return entries;
  },
  to: (value, place) => parseList(value, place, "CIDRs", '["203.0.113.0/24"]', parseEntry),
  via: (value, place) =>
    parseList(
      value,
      place,
      "interfaces",
      '["eth0"]',
      (item, at) => parseText(item, at, parseInterfacePattern, 'an interface such as "eth0"'),
    ),
  protocols: (value, place) => parseList(value, place, "protocols", "[tcp]", parseProtocol),
  ports: (value, place) => parseList(value, place, "ports", '[443, "8000-8999"]', parsePort),
  action: parseAction,
  address: (value, place) => {
    const list = Array.isArray(value) ? value : [value];
    return parseList(
      list,
      place,
      "addresses",
      '["198.51.100.7"]',
      (item, at) =>
        parseText(
          item,
          Array.isArray(value) ? at : place,
          parseSourceAddress,
          'an address such as "198.51.100.7"',
        ),
    );
  },
};

const FIELD_NAMES = Object.keys(FIELDS) as (keyof WrittenRule)[];

const ACTIONS = ["keep", "masquerade", "snat"] as const;

/** The list of rules. */
export const RULES: ValueType<readonly RuleEntry[], readonly WrittenRule[]> = {
  name: "rules",
  parse(value, place) {
    if (value === null) {
      place.report("null is taken as an empty list: write [], or remove the key", "warning");
      return [];
    }
    if (!Array.isArray(value)) {
      place.report(`${describe(value)} is not a list of rules: write "- name: …" lines`);
      return undefined;
    }
    return value.flatMap((item, index) => parseRule(item, place.item(index)) ?? []);
  },
  format: (rules) => rules.map(formatRule),
};

function parseRule(item: unknown, place: Place): RuleEntry | undefined {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    place.report(`${describe(item)} is not a rule: write its keys, such as "action: keep"`);
    return undefined;
  }
  const fields: Record<string, unknown> = {};
  const present = new Set<keyof WrittenRule>();
  let isGood = true;
  for (const [key, value] of Object.entries(item)) {
    const name = FIELD_NAMES.find((it) => it.toLowerCase() === key.toLowerCase());
    if (name === undefined) {
      const meant = nearestKey(key, FIELD_NAMES);
      const hint = meant === undefined ? `known are ${FIELD_NAMES.join(", ")}` : `did you mean "${meant}"?`;
      place.field(key).report(`unknown key of a rule: ${hint}`);
      isGood = false;
    } else if (present.has(name)) {
      place.field(key).report(`is the same key as "${name}": keep one of them`);
      isGood = false;
    } else {
      present.add(name);
      fields[name] = FIELDS[name](value, place.field(key));
      isGood &&= fields[name] !== undefined;
    }
  }
  if (!checkTogether(fields, present, place) || !isGood) return undefined;
  const { action: kind, address, ...match } = fields;
  const action = kind === "snat" ? { kind, addresses: address } : { kind };
  return { origin: place.origin, ...match, action } as RuleEntry;
}

/** What one key alone can't tell. Keys whose values are bad were told already. */
function checkTogether(
  fields: Readonly<Record<string, unknown>>,
  present: ReadonlySet<keyof WrittenRule>,
  place: Place,
): boolean {
  const problems: string[] = [];
  if (!present.has("action")) problems.push(`a rule needs an action: write one of ${ACTIONS.join(", ")}`);
  if (fields.action === "snat" && !present.has("address")) {
    problems.push('the action snat needs an address: write one such as "address: 198.51.100.7"');
  }
  if (fields.action !== undefined && fields.action !== "snat" && present.has("address")) {
    problems.push(`an address is for the action snat only, not for ${fields.action}`);
  }
  const protocols = fields.protocols as readonly Protocol[] | undefined;
  const hasPorts = (it: Protocol) => PORT_PROTOCOLS.some((other) => other === it);
  if (present.has("ports") && (present.has("protocols") ? protocols?.every(hasPorts) === false : true)) {
    problems.push(`ports need protocols that have ports: write "protocols: [${PORT_PROTOCOLS.join(", ")}]"`);
  }
  const addresses = (fields.address ?? []) as readonly SourceAddress[];
  for (const family of ["IPv4", "IPv6"] satisfies IpFamily[]) {
    if (addresses.filter((it) => it.family === family).length > 1) {
      problems.push(`a rule has one address of each family, and there are several of ${family}`);
    }
  }
  for (const problem of problems) place.report(problem);
  return problems.length === 0;
}

/** Reads a list that is not empty; undefined where anything of it is wrong. */
function parseList<T>(
  value: unknown,
  place: Place,
  what: string,
  example: string,
  parseItem: (item: unknown, place: Place) => T | undefined,
): T[] | undefined {
  if (!Array.isArray(value)) {
    place.report(`${describe(value)} is not a list of ${what}: write one such as ${example}`);
    return undefined;
  }
  if (value.length === 0) {
    place.report("an empty list would match nothing: remove the key to match everything, or the rule");
    return undefined;
  }
  const items = value.map((item, index) => parseItem(item, place.item(index)));
  return items.includes(undefined) ? undefined : items as T[];
}

function parseText<T>(
  value: unknown,
  place: Place,
  parse: (text: string) => T,
  what: string,
): T | undefined {
  if (typeof value !== "string") {
    place.report(`${describe(value)} is not a text: write ${what}, in quotes`);
    return undefined;
  }
  try {
    return parse(value);
  } catch (error) {
    place.report(printableMessage(value, (error as Error).message));
    return undefined;
  }
}

function parseEntry(item: unknown, place: Place): CidrEntry | undefined {
  const cidr = parseCidrItem(item, place);
  return cidr && { cidr, origin: place.origin };
}

function parseFrom(item: unknown, place: Place): CidrEntry | undefined {
  if (item !== "node") return parseEntry(item, place);
  place.report('"node" stands alone: write "from: node", and other sources in a rule of their own');
  return undefined;
}

function parseProtocol(item: unknown, place: Place): Protocol | undefined {
  const protocol = PROTOCOLS.find((it) => it === item);
  if (protocol === undefined) {
    const meant = typeof item === "string" ? nearest(item, PROTOCOLS) : undefined;
    const hint = meant === undefined ? `write one of ${PROTOCOLS.join(", ")}` : `did you mean "${meant}"?`;
    place.report(`${describe(item)} is not a protocol of a rule: ${hint}`);
  }
  return protocol;
}

function parsePort(item: unknown, place: Place): PortRange | undefined {
  const text = typeof item === "number" ? String(item) : item;
  return parseText(
    text,
    place,
    (it) => {
      const [range, ...others] = parsePortRanges(it);
      if (range === undefined || others.length > 0) {
        throw new SyntaxError(`"${it}" is not a port or a range of ports: write each as an entry of its own`);
      }
      return range;
    },
    'a port such as 443, or a range such as "8000-8999"',
  );
}

function parseAction(value: unknown, place: Place): typeof ACTIONS[number] | undefined {
  const action = ACTIONS.find((it) => it === value);
  if (action === undefined) {
    const meant = typeof value === "string" ? nearest(value, ACTIONS) : undefined;
    const hint = meant === undefined ? `write one of ${ACTIONS.join(", ")}` : `did you mean "${meant}"?`;
    place.report(`${describe(value)} is not an action: ${hint}`);
  }
  return action;
}

function formatRule({ name, from, to, via, protocols, ports, action }: RuleEntry): WrittenRule {
  const texts = (entries: readonly CidrEntry[]) => entries.map(({ cidr }) => cidr.text);
  return {
    ...(name !== undefined && { name }),
    ...(from !== undefined && { from: from === "node" ? from : texts(from) }),
    ...(to !== undefined && { to: texts(to) }),
    ...(via !== undefined && { via }),
    ...(protocols !== undefined && { protocols }),
    ...(ports !== undefined && { ports: ports.map(formatPortRange) }),
    action: action.kind,
    ...(action.kind === "snat" && { address: action.addresses.map(formatSourceAddress) }),
  };
}
