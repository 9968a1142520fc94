/** A listing of POSTROUTING and of our chain -> what the kernel has of ours. */
import { type ChainName, parseChainName } from "../../config/chain_name.ts";
import { parseCidr } from "../../config/cidr.ts";
import { parsePortRanges, type PortRange } from "../../config/port_range.ts";
import type { Target } from "../../rules/ruleset.ts";
import type { VerdictCounters } from "../backend.ts";
import { type ChainRule, PORT_PROTOCOLS, type PortProtocol } from "./chain_rule.ts";
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
  /** The rules of our chain in order, undefined where there is no such chain. */
  readonly chain: readonly ActualRule[] | undefined;
  readonly jumps: readonly ActualJump[];
  /** Jumps with our comment to other chains: those of an earlier `--masq-chain`. */
  readonly staleJumps: readonly ActualJump[];
}

/**
 * Reads what `-S POSTROUTING` and, where the chain exists, `-S CHAIN` printed.
 *
 * @throws {SyntaxError} It is not a whole listing.
 */
export function parseListing(text: string, chainName: ChainName): Actual {
  const isComplete = text.endsWith("\n") && /^-P POSTROUTING /m.test(text);
  if (!isComplete) throw new SyntaxError("The listing is cut off");
  return findOurs(parseNatTable(text), chainName);
}

/** Finds our chain and the jumps in a table. */
export function findOurs(table: NatTable, chainName: ChainName): Actual {
  const jumps = (table.get("POSTROUTING") ?? []).map(toJump).filter((jump) => jump !== undefined);
  return {
    chain: table.get(chainName)?.map(({ words }) => ({ words, rule: parseChainRule(words) })),
    jumps: jumps.filter(({ target }) => target === chainName),
    staleJumps: jumps.filter(({ target, words }) => target !== chainName && hasJumpComment(words)),
  };
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
  const { chain, jumps, staleJumps } = findOurs(table, chainName);
  const names = new Set<string>(chain !== undefined || jumps.length > 0 ? [chainName] : []);
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

/** Adds up the counters of a listing with `-c PACKETS BYTES`, by target. */
export function parseCounters(text: string, chainName: ChainName): VerdictCounters {
  const counters = { RETURN: { packets: 0, bytes: 0 }, MASQUERADE: { packets: 0, bytes: 0 } };
  for (const line of text.split("\n")) {
    const [command, name, ...words] = splitWords(line);
    const at = words.lastIndexOf("-c");
    const counter = counters[words[words.lastIndexOf("-j") + 1] as Target];
    if (command !== "-A" || name !== chainName || at === -1 || counter === undefined) continue;
    counter.packets += Number(words[at + 1]);
    counter.bytes += Number(words[at + 2]);
  }
  return counters;
}

/** Nothing but the one condition, and a jump (not a goto, from which nobody returns); any comment will do. */
function hasJumpCondition(words: readonly string[]): boolean {
  const rest = words.join("\n").replace(/(?:^|\n)-m\ncomment\n--comment\n[^\n]*/, "").replace(/^\n/, "");
  return /^-m\naddrtype\n!\n--dst-type\nLOCAL\n-j\n[^\n]+$/.test(rest);
}

/** A rule of the kind that we write, or undefined for any other. */
function parseChainRule(words: readonly string[]): ChainRule | undefined {
  const rule: { -readonly [K in keyof ChainRule]?: ChainRule[K] } = {};
  let kind: string | undefined;
  let randomFully = false;
  let toPorts: PortRange | undefined;
  try {
    for (let at = 0; at < words.length; at++) {
      const word = words[at];
      if (word === "--random-fully") {
        randomFully = true;
        continue;
      }
      const value = words[++at] ?? "";
      if (word === "-s") rule.source = parseCidr(value);
      else if (word === "-d") rule.destination = parseCidr(value);
      else if (word === "-p") rule.protocol = parseProtocol(value);
      else if (word === "--comment") rule.comment = value;
      else if (word === "--probability") rule.probability = Number(value);
      else if (word === "--to-ports") {
        toPorts = parsePortRanges(value.includes("-") ? value : `${value}-${value}`)[0];
      } else if (word === "-j") kind = value;
      else if (!KNOWN_PAIRS.has(`${word} ${value}`)) return undefined;
    }
  } catch {
    return undefined;
  }
  if (kind === "RETURN" && !randomFully && toPorts === undefined) rule.target = { kind };
  else if (kind === "MASQUERADE") rule.target = { kind, randomFully, ...(toPorts && { toPorts }) };
  else return undefined;
  return rule as ChainRule;
}

/** Options whose value says nothing more: the match modules that we use, and the one mode of `statistic`. */
const KNOWN_PAIRS = new Set(["-m comment", "-m statistic", "--mode random"]);

/** iptables prints a protocol by name, or by number where it does not know the name. */
function parseProtocol(value: string): PortProtocol {
  const protocol = ({ "6": "tcp", "17": "udp", "132": "sctp" } as const)[value] ??
    PORT_PROTOCOLS.find((it) => it === value);
  if (protocol === undefined) throw new SyntaxError(`Unknown protocol "${value}"`);
  return protocol;
}
