/** A rule as one line of iptables holds it; a {@linkcode Rule} becomes one or more of these. */
import type { Cidr } from "../../config/cidr.ts";
import type { InterfacePattern } from "../../config/interface_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import { formatPortRange, type PortRange, portRangeSize } from "../../config/port_range.ts";
import { PORT_PROTOCOLS, type Protocol } from "../../config/rule_entry.ts";
import { formatSourceAddress, type SourceAddress } from "../../config/source_address.ts";
import type { MasqueradeOptions, Match, Rule, Ruleset, Target } from "../../rules/ruleset.ts";
import { BackendError } from "../backend.ts";

/** A protocol as iptables writes it. */
export type LineProtocol = Protocol | "ipv6-icmp";

/** The targets that our chain uses, with their options. */
export type ChainTarget =
  | { readonly kind: "RETURN" }
  | { readonly kind: "MASQUERADE"; readonly toPorts?: PortRange; readonly randomFully: boolean }
  | {
    readonly kind: "SNAT";
    readonly address: SourceAddress;
    readonly toPorts?: PortRange;
    readonly randomFully: boolean;
  }
  | { readonly kind: "GOTO"; readonly chain: string };

/** One line of our chain. */
export interface ChainRule {
  readonly source?: Cidr;
  readonly destination?: Cidr;
  /** The interface that packets leave by. */
  readonly interface?: InterfacePattern;
  readonly protocol?: LineProtocol;
  /** Destination ports; only with a protocol that has ports. */
  readonly port?: PortRange;
  /** Whether packets come from this host itself. */
  readonly isFromNode?: true;
  readonly comment?: string;
  /** The `statistic` match: the share of packets that the rule takes, 0 to 1. */
  readonly probability?: number;
  readonly target: ChainTarget;
}

/** Lines that the entries of `rules` may become together: each new connection walks them. */
const MOST_OWN_LINES = 4_096;

/**
 * Spells out a ruleset line by line.
 *
 * @throws {BackendError} The entries of `rules` become too many lines, for their lists are multiplied.
 */
export function expandRuleset({ family, rules, masquerade }: Ruleset): ChainRule[] {
  checkOwnLines(rules, masquerade);
  const lines: ChainRule[] = [];
  for (const rule of rules) {
    for (const match of expandMatch(rule.match, family)) {
      for (const line of expandTarget(match, rule, masquerade)) lines.push(line);
    }
  }
  return lines;
}

function checkOwnLines(rules: readonly Rule[], { toPorts }: MasqueradeOptions): void {
  let lines = 0;
  for (const { name, match, target } of rules) {
    // The lists of one's own rules come first.
    if (name === undefined) break;
    const { sources, destinations, interfaces, protocols, ports } = match;
    const count = [sources, destinations, interfaces, protocols, ports].reduce(
      (product, list) => product * (list?.length ?? 1),
      1,
    );
    const perMatch = target === "RETURN" ? 1 : toPorts.length * (protocols === undefined ? 3 : 1) + 1;
    lines += count * perMatch;
  }
  if (lines <= MOST_OWN_LINES) return;
  throw new BackendError(
    `rules: in iptables their lists become ${lines} rules, more than ${MOST_OWN_LINES}, of which each new ` +
      "connection asks one after the other: use --backend=nftables, or shorter lists",
  );
}

/** What a line can match: one of each list. */
type LineMatch = Omit<ChainRule, "comment" | "probability" | "target">;

/** How one item of each list is said in a line. */
const LINE_FIELDS: {
  readonly [Name in keyof Match]-?: (wanted: NonNullable<Match[Name]>, family: IpFamily) => LineMatch[];
} = {
  sources: (cidrs) => cidrs.map((source) => ({ source })),
  destinations: (cidrs) => cidrs.map((destination) => ({ destination })),
  interfaces: (patterns) => patterns.map((pattern) => ({ interface: pattern })),
  protocols: (protocols, family) =>
    protocols.map((it) => ({ protocol: it === "icmp" && family === "IPv6" ? "ipv6-icmp" : it })),
  ports: (ranges) => ranges.map((port) => ({ port })),
  isFromNode: () => [{ isFromNode: true }],
};

/** Every combination of a match's lists. */
function expandMatch(match: Match, family: IpFamily): readonly LineMatch[] {
  let lines: readonly LineMatch[] = [{}];
  for (const name of Object.keys(match) as (keyof Match)[]) {
    const fields = (LINE_FIELDS[name] as (wanted: unknown, family: IpFamily) => LineMatch[])(
      match[name],
      family,
    );
    lines = lines.length === 1 && Object.keys(lines[0]!).length === 0
      ? fields
      : lines.flatMap((line) => fields.map((field) => ({ ...line, ...field })));
  }
  return lines;
}

/** The lines for one combination: those that choose source ports, and the one that takes what is left. */
function* expandTarget(
  match: LineMatch,
  { target, comment }: Rule,
  { toPorts, randomFully }: MasqueradeOptions,
): Iterable<ChainRule> {
  if (target === "RETURN" || toPorts.length === 0) {
    yield { ...match, comment, target: toChainTarget(target, randomFully) };
    return;
  }
  const withPorts = PORT_PROTOCOLS.filter((it) => match.protocol === undefined || match.protocol === it);
  for (const protocol of withPorts) {
    yield* expandPorts({ ...match, protocol }, target, comment, toPorts, randomFully);
  }
  if (match.protocol === undefined || withPorts.length === 0) {
    yield { ...match, comment, target: toChainTarget(target, randomFully) };
  }
}

/**
 * A rule per port range. The kernel tries them in order, so the first of n equal ranges must take 1/n of the packets,
 * the second 1/(n-1) of the rest, and the last all that are left.
 */
function* expandPorts(
  match: LineMatch,
  target: Exclude<Target, "RETURN">,
  comment: string,
  ranges: readonly PortRange[],
  randomFully: boolean,
): Iterable<ChainRule> {
  let left = ranges.reduce((sum, range) => sum + portRangeSize(range), 0);
  for (const [index, toPorts] of ranges.entries()) {
    const size = portRangeSize(toPorts);
    const share = index < ranges.length - 1 ? { probability: size / left } : {};
    left -= size;
    yield { ...match, comment, ...share, target: toChainTarget(target, randomFully, toPorts) };
  }
}

function toChainTarget(target: Target, randomFully: boolean, toPorts?: PortRange): ChainTarget {
  if (target === "RETURN") return { kind: target };
  const options = { randomFully, ...(toPorts !== undefined && { toPorts }) };
  return target === "MASQUERADE" ? { kind: target, ...options } : { ...target, ...options };
}

const sameText = (a: unknown, b: unknown) => a === b;

const sameCidr = (a: Cidr | undefined, b: Cidr | undefined) => cidrText(a) === cidrText(b);

/** How the parts of a line are compared. The kernel keeps probabilities in units of 2^-31, and iptables prints 11 digits. */
const SAME: {
  readonly [Name in keyof ChainRule]-?: (a: ChainRule[Name], b: ChainRule[Name]) => boolean;
} = {
  source: sameCidr,
  destination: sameCidr,
  interface: sameText,
  protocol: sameText,
  port: (a, b) => a?.first === b?.first && a?.last === b?.last,
  isFromNode: sameText,
  comment: sameText,
  probability: (a, b) => (a === undefined) === (b === undefined) && Math.abs((a ?? 0) - (b ?? 0)) < 2 ** -30,
  target: (a, b) => formatTarget(a) === formatTarget(b),
};

const PARTS = Object.keys(SAME) as (keyof ChainRule)[];

/** Whether two lines do the same. */
export function sameChainRule(a: ChainRule, b: ChainRule): boolean {
  return PARTS.every((name) => (SAME[name] as (a: unknown, b: unknown) => boolean)(a[name], b[name]));
}

/** A prefix of all addresses and none at all are the same to the kernel, which prints neither. */
function cidrText(cidr: Cidr | undefined): string {
  return cidr === undefined || cidr.prefixLength === 0 ? "" : cidr.text;
}

/** How the parts of a line are written, in the order in which `iptables -S` prints them. */
const WORDS: {
  readonly [Name in keyof ChainRule]-?: (value: NonNullable<ChainRule[Name]>, rule: ChainRule) => string;
} = {
  source: ({ text }) => `-s ${text}`,
  destination: ({ text }) => `-d ${text}`,
  interface: (pattern) => `-o ${pattern}`,
  protocol: (protocol) => `-p ${protocol}`,
  // Not `-m tcp --dport`: what iptables-nft 1.8.9 makes of that, 1.8.7 calls incompatible, as whoever uses it would.
  port: (range) => `-m multiport --dports ${formatPortRange(range).replace("-", ":")}`,
  isFromNode: () => "-m addrtype --src-type LOCAL",
  comment: (text) => `-m comment --comment ${quoteWord(text)}`,
  probability: (share) => `-m statistic --mode random --probability ${share.toFixed(15)}`,
  target: formatTarget,
};

/** Writes a rule in the order in which `iptables -S` prints it, without `-A CHAIN`. */
export function formatChainRule(rule: ChainRule): string {
  const words: string[] = [];
  for (const name of Object.keys(WORDS) as (keyof ChainRule)[]) {
    const value = rule[name];
    if (value === undefined) continue;
    words.push((WORDS[name] as (value: unknown, rule: ChainRule) => string)(value, rule));
  }
  return words.join(" ");
}

function formatTarget(target: ChainTarget): string {
  if (target.kind === "RETURN") return "-j RETURN";
  if (target.kind === "GOTO") return `-g ${target.chain}`;
  const random = target.randomFully ? " --random-fully" : "";
  if (target.kind === "MASQUERADE") {
    const ports = target.toPorts === undefined ? "" : ` --to-ports ${formatPortRange(target.toPorts)}`;
    return `-j MASQUERADE${ports}${random}`;
  }
  const { address, toPorts } = target;
  const text = formatSourceAddress(address);
  const inBrackets = address.family === "IPv6" && toPorts !== undefined ? `[${text}]` : text;
  const ports = toPorts === undefined ? "" : `:${formatPortRange(toPorts)}`;
  // One client keeps one address of a range.
  const persistent = address.first === address.last ? "" : " --persistent";
  return `-j SNAT --to-source ${inBrackets}${ports}${random}${persistent}`;
}

/**
 * Quotes a word as iptables-restore reads it and iptables -S prints it: in double quotes, where needed, with a
 * backslash before quotes and backslashes.
 *
 * @throws {TypeError} The word has a line break or NUL, which no line of a restore text can hold.
 */
export function quoteWord(word: string): string {
  if (/[\n\r\0]/.test(word)) throw new TypeError("A word of a rule may not have a line break");
  return /^[A-Za-z0-9_.:/,!=+-]+$/.test(word) ? word : `"${word.replace(/["\\']/g, "\\$&")}"`;
}
