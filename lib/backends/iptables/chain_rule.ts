/** A rule as one line of iptables holds it; a {@linkcode Rule} becomes one or more of these. */
import type { Cidr } from "../../config/cidr.ts";
import { formatPortRange, type PortRange, portRangeSize } from "../../config/port_range.ts";
import type { Match, Rule, Ruleset } from "../../rules/ruleset.ts";

/** The protocols that have ports which MASQUERADE can change. */
export const PORT_PROTOCOLS = ["tcp", "udp", "sctp"] as const;

/** One of them. */
export type PortProtocol = typeof PORT_PROTOCOLS[number];

/** The targets that our chain uses, with their options. */
export type ChainTarget =
  | { readonly kind: "RETURN" }
  | { readonly kind: "MASQUERADE"; readonly toPorts?: PortRange; readonly randomFully: boolean };

/** One line of our chain. */
export interface ChainRule {
  readonly source?: Cidr;
  readonly destination?: Cidr;
  readonly protocol?: PortProtocol;
  readonly comment?: string;
  /** The `statistic` match: the share of packets that the rule takes, 0 to 1. */
  readonly probability?: number;
  readonly target: ChainTarget;
}

/** Spells out a ruleset line by line. */
export function expandRuleset({ rules, masquerade }: Ruleset): ChainRule[] {
  const { randomFully } = masquerade;
  const lines: ChainRule[] = [];
  for (const rule of rules) {
    for (const match of expandMatch(rule.match)) {
      if (rule.target === "MASQUERADE") {
        for (const line of expandPorts(rule, match, masquerade.toPorts, randomFully)) lines.push(line);
      }
      const target: ChainTarget = rule.target === "RETURN"
        ? { kind: "RETURN" }
        : { kind: "MASQUERADE", randomFully };
      lines.push({ ...match, comment: rule.comment, target });
    }
  }
  return lines;
}

/** What a line can match: one of each list. */
type LineMatch = Pick<ChainRule, "source" | "destination">;

/** Every combination of a match's lists. */
function expandMatch({ sources, destinations }: Match): LineMatch[] {
  return each(sources).flatMap((source) =>
    each(destinations).map((destination) => ({
      ...(source !== undefined && { source }),
      ...(destination !== undefined && { destination }),
    }))
  );
}

/** The alternatives of a list; none at all where there is no list. */
function each<T>(list: readonly T[] | undefined): readonly (T | undefined)[] {
  return list ?? [undefined];
}

/**
 * A rule per protocol and port range. The kernel tries them in order, so the first of n equal ranges must take
 * 1/n of the packets, the second 1/(n-1) of the rest, and the last all that are left.
 */
function* expandPorts(
  rule: Rule,
  match: LineMatch,
  ranges: readonly PortRange[],
  randomFully: boolean,
): Iterable<ChainRule> {
  for (const protocol of PORT_PROTOCOLS) {
    let left = ranges.reduce((sum, range) => sum + portRangeSize(range), 0);
    for (const [index, toPorts] of ranges.entries()) {
      const size = portRangeSize(toPorts);
      const share = index < ranges.length - 1 ? { probability: size / left } : {};
      left -= size;
      yield {
        ...match,
        protocol,
        comment: rule.comment,
        ...share,
        target: { kind: "MASQUERADE", toPorts, randomFully },
      };
    }
  }
}

/** Whether two lines do the same. The kernel keeps probabilities in units of 2^-31, and iptables prints 11 digits. */
export function sameChainRule(a: ChainRule, b: ChainRule): boolean {
  return cidrText(a.source) === cidrText(b.source) && cidrText(a.destination) === cidrText(b.destination) &&
    a.protocol === b.protocol && a.comment === b.comment &&
    (a.probability === undefined) === (b.probability === undefined) &&
    Math.abs((a.probability ?? 0) - (b.probability ?? 0)) < 2 ** -30 &&
    formatTarget(a.target) === formatTarget(b.target);
}

/** A prefix of all addresses and none at all are the same to the kernel, which prints neither. */
function cidrText(cidr: Cidr | undefined): string {
  return cidr === undefined || cidr.prefixLength === 0 ? "" : cidr.text;
}

/** Writes a rule in the order in which `iptables -S` prints it, without `-A CHAIN`. */
export function formatChainRule(rule: ChainRule): string {
  const words: string[] = [];
  if (rule.source !== undefined) words.push(`-s ${rule.source.text}`);
  if (rule.destination !== undefined) words.push(`-d ${rule.destination.text}`);
  if (rule.protocol !== undefined) words.push(`-p ${rule.protocol}`);
  if (rule.comment !== undefined) words.push(`-m comment --comment ${quoteWord(rule.comment)}`);
  if (rule.probability !== undefined) {
    words.push(`-m statistic --mode random --probability ${rule.probability.toFixed(15)}`);
  }
  words.push(formatTarget(rule.target));
  return words.join(" ");
}

function formatTarget(target: ChainTarget): string {
  if (target.kind === "RETURN") return "-j RETURN";
  const ports = target.toPorts === undefined ? "" : ` --to-ports ${formatPortRange(target.toPorts)}`;
  return `-j MASQUERADE${ports}${target.randomFully ? " --random-fully" : ""}`;
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
