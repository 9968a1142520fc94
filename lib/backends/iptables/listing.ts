/** A listing of POSTROUTING and of our chains -> what the kernel has of ours. */
import { type ChainName, parseChainName } from "../../config/chain_name.ts";
import { parseCidr } from "../../config/cidr.ts";
import { parseInterfacePattern } from "../../config/interface_name.ts";
import { parsePortRanges, type PortRange } from "../../config/port_range.ts";
import { parseSourceAddress, type SourceAddress } from "../../config/source_address.ts";
import { OWN_RULE_COMMENT, type Verdict } from "../../rules/ruleset.ts";
import type { CountedRule } from "../backend.ts";
import { type ChainRule, type ChainTarget, type LineProtocol } from "./chain_rule.ts";
import { isSubChain } from "./chain_tree.ts";
import {
  commentOf,
  type NatTable,
  parseNatTable,
  splitWords,
  type TableRule,
  targetOf,
} from "./nat_table.ts";

/** A rule of our chain; `rule` is undefined where it is none that we would write. */
export interface ActualRule {
  readonly words: readonly string[];
  readonly rule: ChainRule | undefined;
}

/** A rule of POSTROUTING that leads to our chain, or that an agent of another `--masq-chain` left. */
export interface ActualJump {
  /** The words behind `-A POSTROUTING`, without quotes. */
  readonly words: readonly string[];
  /** Its place in POSTROUTING, from 1. */
  readonly number: number;
  /** The chain that it leads to. */
  readonly target: string;
  /** Whether it takes exactly the packets that it should. */
  readonly hasRightCondition: boolean;
}

/** What the kernel has of ours, in one family. */
export interface Actual {
  /** Our chain and its sub-chains, those that are there, each with its rules in order. */
  readonly chains: ReadonlyMap<string, readonly ActualRule[]>;
  readonly jumps: readonly ActualJump[];
  /** Jumps with our comment to other chains: those of an earlier `--masq-chain`. */
  readonly staleJumps: readonly ActualJump[];
}

/**
 * Reads what `-S POSTROUTING` and, for each of our chains that exists, `-S CHAIN` printed.
 *
 * @throws {SyntaxError} It is not a whole listing.
 */
export function parseListing(text: string, chainName: ChainName): Actual {
  const isComplete = text.endsWith("\n") && /^-P POSTROUTING /m.test(text);
  if (!isComplete) throw new SyntaxError("The listing is cut off");
  return findOurs(parseNatTable(text), chainName);
}

/** Finds our chains and the jumps in a table. */
export function findOurs(table: NatTable, chainName: ChainName): Actual {
  const jumps = (table.get("POSTROUTING") ?? []).map(toJump).filter((jump) => jump !== undefined);
  const ours = [...table].filter(([name]) => name === chainName || isSubChain(name, chainName));
  return {
    chains: new Map(
      ours.map(([name, rules]) => [
        name,
        rules.map(({ words }) => ({ words, rule: parseChainRule(words, chainName) })),
      ]),
    ),
    jumps: jumps.filter(({ target }) => target === chainName),
    staleJumps: jumps.filter(({ target, words }) => target !== chainName && hasJumpComment(words)),
  };
}

/** The sub-chains to which our chains lead, be they listed or not. */
export function findSubChains({ chains }: Actual, chainName: ChainName): Set<string> {
  const targets = [...chains.values()].flat().map(targetOf);
  return new Set(targets.filter((name) => name !== undefined && isSubChain(name, chainName)) as string[]);
}

function toJump(rule: TableRule): ActualJump | undefined {
  const target = targetOf(rule);
  const { words, number } = rule;
  if (target === undefined) return undefined;
  return { words, number, target, hasRightCondition: hasJumpCondition(words) };
}

/** Releases of upstream wrote the comments with literal quote characters around them, so these stand anywhere. */
const JUMP_COMMENT =
  "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom ";
const RULE_COMMENT = /^"?ip-masq-agent: /;

function hasJumpComment(words: readonly string[]): boolean {
  return commentOf({ words }).includes(JUMP_COMMENT);
}

/** Whether there are rules and each has one of our comments. */
export function hasOurRules(rules: readonly TableRule[]): boolean {
  return rules.length > 0 && rules.every((rule) => RULE_COMMENT.test(commentOf(rule)));
}

/**
 * The chains of a whole table that are ours, under whichever name they were made: the one of that name, those that a
 * jump with our comment leads to, and those in which every rule has one of our comments.
 */
export function findOurChains(table: NatTable, chainName: ChainName): ChainName[] {
  const { chains, jumps, staleJumps } = findOurs(table, chainName);
  const names = new Set<string>(chains.size > 0 || jumps.length > 0 ? [chainName] : []);
  for (const { target } of staleJumps) names.add(target);
  for (const [name, rules] of table) if (hasOurRules(rules)) names.add(name);
  return [...names].flatMap((name) => toChainName(name) ?? []);
}

/** Undefined for POSTROUTING where it has nothing but our jump, and for names that no agent could have used. */
export function toChainName(name: string): ChainName | undefined {
  try {
    return parseChainName(name);
  } catch {
    return undefined;
  }
}

const VERDICTS: readonly Verdict[] = ["RETURN", "MASQUERADE", "SNAT"];

/** Reads the rules of a listing of our chains with `-c PACKETS BYTES`. */
export function parseCounters(text: string, chainName: ChainName): CountedRule[] {
  const counted: CountedRule[] = [];
  for (const line of text.split("\n")) {
    const [command, name = "", ...words] = splitWords(line);
    const at = words.lastIndexOf("-c");
    const end = words.lastIndexOf("-j");
    const verdict = VERDICTS.find((it) => it === words[end + 1]);
    const isOurs = name === chainName || isSubChain(name, chainName);
    if (command !== "-A" || !isOurs || at === -1 || verdict === undefined) continue;
    const comment = commentOf({ words });
    const isOwn = comment.startsWith(OWN_RULE_COMMENT);
    counted.push({
      verdict,
      ...(isOwn && { name: comment.slice(OWN_RULE_COMMENT.length) }),
      takes: words.slice(0, Math.min(at, end)).join(" ").replace(`-m comment --comment ${comment}`, "")
        .trim(),
      packets: Number(words[at + 1]),
      bytes: Number(words[at + 2]),
    });
  }
  return counted;
}

/** Nothing but the one condition, and a jump (not a goto, from which nobody returns); any comment will do. */
function hasJumpCondition(words: readonly string[]): boolean {
  const rest = words.join("\n").replace(/(?:^|\n)-m\ncomment\n--comment\n[^\n]*/, "").replace(/^\n/, "");
  return /^-m\naddrtype\n!\n--dst-type\nLOCAL\n-j\n[^\n]+$/.test(rest);
}

/** A rule of the kind that we write, or undefined for any other. */
function parseChainRule(words: readonly string[], chainName: ChainName): ChainRule | undefined {
  const rule: { -readonly [K in keyof ChainRule]?: ChainRule[K] } = {};
  const target: TargetWords = { flags: new Set() };
  try {
    for (let at = 0; at < words.length; at++) {
      const word = words[at]!;
      if (word === "--random-fully" || word === "--persistent") {
        target.flags.add(word);
        continue;
      }
      const value = words[++at] ?? "";
      if (word === "-s") rule.source = parseCidr(value);
      else if (word === "-d") rule.destination = parseCidr(value);
      else if (word === "-o") rule.interface = parseInterfacePattern(value);
      else if (word === "-p") rule.protocol = parseProtocol(value);
      else if (word === "--dports") rule.port = parsePorts(value.replace(":", "-"));
      else if (word === "--src-type" && value === "LOCAL") rule.isFromNode = true;
      else if (word === "--comment") rule.comment = value;
      else if (word === "--probability") rule.probability = Number(value);
      else if (word === "--to-ports") target.toPorts = parsePorts(value);
      else if (word === "--to-source") Object.assign(target, parseToSource(value));
      else if (word === "-j") target.kind = value;
      else if (word === "-g" && isSubChain(value, chainName)) {
        Object.assign(target, { kind: "GOTO", chain: value });
      } else if (!KNOWN_PAIRS.has(`${word} ${value}`)) return undefined;
    }
  } catch {
    return undefined;
  }
  const parsed = toChainTarget(target);
  return parsed && { ...rule, target: parsed };
}

/** What words say of a target. */
interface TargetWords {
  kind?: string;
  toPorts?: PortRange;
  address?: SourceAddress;
  chain?: string;
  readonly flags: Set<string>;
}

/** The target that these words stand for, undefined where we would write other ones. */
function toChainTarget({ kind, toPorts, address, chain, flags }: TargetWords): ChainTarget | undefined {
  const ports = toPorts && { toPorts };
  const randomFully = flags.has("--random-fully");
  const isPersistent = flags.has("--persistent");
  if (kind === "SNAT" && address !== undefined) {
    if (isPersistent !== (address.first !== address.last)) return undefined;
    return { kind, address, randomFully, ...ports };
  }
  if (isPersistent || address !== undefined) return undefined;
  if (kind === "MASQUERADE") return { kind, randomFully, ...ports };
  if (randomFully || toPorts !== undefined) return undefined;
  if (kind === "GOTO" && chain !== undefined) return { kind, chain };
  return kind === "RETURN" ? { kind } : undefined;
}

/** Options whose value says nothing more: the match modules that we use, and the one mode of `statistic`. */
const KNOWN_PAIRS = new Set([
  "-m comment",
  "-m statistic",
  "--mode random",
  "-m multiport",
  "-m addrtype",
]);

function parsePorts(value: string): PortRange {
  const [range, ...others] = parsePortRanges(value);
  if (range === undefined || others.length > 0) throw new SyntaxError(`Not one range of ports: "${value}"`);
  return range;
}

/** `A`, `A-B`, `A:PORTS` or `A-B:PORTS`; in IPv6 addresses with ports are in brackets. */
function parseToSource(value: string): Pick<TargetWords, "address" | "toPorts"> {
  const [, bracketed, plain, ports] = /^(?:\[(.+)\]|([^\[\]:]+)):([0-9-]+)$/.exec(value) ?? [];
  const address = parseSourceAddress(bracketed ?? plain ?? value);
  return { address, ...(ports !== undefined && { toPorts: parsePorts(ports) }) };
}

/** iptables prints a protocol by name, or by number where it does not know the name. */
function parseProtocol(value: string): LineProtocol {
  const protocol = PROTOCOL_WORDS[value];
  if (protocol === undefined) throw new SyntaxError(`Unknown protocol "${value}"`);
  return protocol;
}

const PROTOCOL_WORDS: Readonly<Record<string, LineProtocol>> = {
  "1": "icmp",
  "icmp": "icmp",
  "6": "tcp",
  "tcp": "tcp",
  "17": "udp",
  "udp": "udp",
  "58": "ipv6-icmp",
  "icmpv6": "ipv6-icmp",
  "ipv6-icmp": "ipv6-icmp",
  "132": "sctp",
  "sctp": "sctp",
};
