/** What `iptables -S` prints -> data. The formats are those of iptables-save(8). */
import { parseCidr } from "../../config/cidr.ts";
import type { ChainName } from "../../config/chain_name.ts";
import { parsePortRanges, type PortRange } from "../../config/port_range.ts";
import type { Target } from "../../rules/ruleset.ts";
import type { VerdictCounters } from "../backend.ts";
import { type ChainRule, PORT_PROTOCOLS, type PortProtocol } from "./chain_rule.ts";

/** A rule of our chain as it stands; `rule` is undefined where it is none that we would write. */
export interface StandingRule {
  readonly words: readonly string[];
  readonly rule: ChainRule | undefined;
}

/** A rule of POSTROUTING that leads to our chain. */
export interface StandingJump {
  /** The words behind `-A POSTROUTING`, without quotes. */
  readonly words: readonly string[];
  /** Whether it takes exactly the packets that it should. */
  readonly hasRightCondition: boolean;
}

/** What the kernel has of ours, in one family. */
export interface Standing {
  /** The rules of our chain in order, undefined where there is no such chain. */
  readonly chain: readonly StandingRule[] | undefined;
  readonly jumps: readonly StandingJump[];
}

/** Reads the listings of POSTROUTING and of our chain, in any order; lines of other chains are passed over. */
export function parseListing(text: string, chainName: ChainName): Standing {
  let chain: StandingRule[] | undefined;
  const jumps: StandingJump[] = [];
  for (const line of text.split("\n")) {
    const [command, name, ...words] = splitWords(line);
    if (command === "-N" && name === chainName) chain ??= [];
    if (command !== "-A") continue;
    if (name === chainName) (chain ??= []).push({ words, rule: parseChainRule(words) });
    else if (name === "POSTROUTING" && leadsTo(words, chainName)) {
      jumps.push({ words, hasRightCondition: hasJumpCondition(words) });
    }
  }
  return { chain, jumps };
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

/** Splits a line into words; double quotes group, a backslash takes the next character as it is. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/"(?:[^"\\]|\\.)*"|[^\s"]+/g)) {
    words.push(word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, "$1") : word);
  }
  return words;
}

function leadsTo(words: readonly string[], chainName: ChainName): boolean {
  return words.some((word, index) => (word === "-j" || word === "-g") && words[index + 1] === chainName);
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
      if (word === "-d") rule.destination = parseCidr(value);
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
