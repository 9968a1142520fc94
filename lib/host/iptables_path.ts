/** Rules of iptables -> rules of a path. */
import { rangeOfCidr } from "../backends/nftables/ranges.ts";
import { type TableRule, targetIn } from "../backends/iptables/nat_table.ts";
import { parseCidr } from "../config/cidr.ts";
import { parseIpAddress } from "../config/ip_address.ts";
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

/** Targets that stand alone in a listing and are no chains. */
const EXTENSIONS = new Set([
  ..."ACCEPT DROP RETURN MASQUERADE SNAT NETMAP SAME DNAT REDIRECT LOG NFLOG ULOG TRACE AUDIT QUEUE NFQUEUE"
    .split(" "),
  ..."MARK CONNMARK SECMARK CONNSECMARK CT NOTRACK CLASSIFY CHECKSUM TCPMSS SET IDLETIMER LED TEE".split(" "),
]);

/** The chain that a rule leads to; undefined where its target is none. */
export function chainOf({ words }: Pick<TableRule, "words">): string | undefined {
  const target = targetIn(words);
  // Only extensions have options behind them.
  if (target === undefined || target.at + 2 < words.length || EXTENSIONS.has(target.name)) return undefined;
  return target.name;
}

/** Reads what a rule asks and does. */
export function toPathRule(rule: TableRule): PathRule {
  const { chain, number, words, text } = rule;
  const target = targetIn(words);
  return {
    chain,
    number,
    text,
    conditions: readConditions(target === undefined ? words : words.slice(0, target.at)),
    action: readAction(rule),
  };
}

function readAction(rule: TableRule): Action {
  const target = targetIn(rule.words);
  if (target === undefined) return { kind: "pass" };
  const chain = chainOf(rule);
  if (chain !== undefined) return { kind: target.isGoto ? "goto" : "jump", chain };
  const options = rule.words.slice(target.at + 2);
  switch (target.name) {
    case "ACCEPT":
      return { kind: "accept" };
    case "DROP":
      return { kind: "drop" };
    case "RETURN":
      return { kind: "return" };
    case "MASQUERADE":
      return { kind: "translate", how: { kind: "MASQUERADE" } };
    case "SNAT":
      return { kind: "translate", how: { kind: "SNAT", to: sourceIn(options) } };
    case "NETMAP":
    case "SAME":
      return { kind: "translate", how: { kind: "other" } };
    case "MARK":
      return { kind: "mark", change: readMarkChange(options) };
    case "CONNMARK":
      return options[0] === "--restore-mark" ? { kind: "mark", change: undefined } : { kind: "pass" };
    case "QUEUE":
    case "NFQUEUE":
      return { kind: "unknown" };
    default:
      return { kind: "pass" };
  }
}

/** The address or range behind `--to-source`, without ports. */
function sourceIn(options: readonly string[]): string {
  const value = options[options.indexOf("--to-source") + 1] ?? "";
  return /^\[(.+)\]/.exec(value)?.[1] ?? (value.split(":").length === 2 ? value.split(":")[0]! : value);
}

/** `--set-xmark VALUE/MASK`, the one form that is printed: the bits of the mask are cleared, those of the value turned. */
function readMarkChange([option, value = ""]: readonly string[]): ((mark: number) => number) | undefined {
  const [bits, mask = 0xffffffff] = value.split("/").map(Number);
  if (option !== "--set-xmark" || bits === undefined || Number.isNaN(bits + mask)) return undefined;
  return (mark) => ((mark & ~mask) ^ bits) >>> 0;
}

/** One option with its values. */
interface Option {
  readonly name: string;
  readonly values: readonly string[];
  readonly isNegated: boolean;
  /** The match that it belongs to; empty for those that need none. */
  readonly module: string;
}

/** Matches whose options say one thing each; of all others an option may change what another one means. */
const LOOSE_MATCHES = ["", "tcp", "udp", "sctp"];

function readConditions(words: readonly string[]): Condition[] {
  const conditions: Condition[] = [];
  for (const [module, options] of Map.groupBy(splitOptions(words), ({ module }) => module)) {
    if (module === "comment") continue;
    const read = options.map(readOption);
    const isLoose = LOOSE_MATCHES.includes(module);
    if (isLoose || read.every((it) => it !== undefined)) {
      conditions.push(...read.map((it, index) => it ?? unknownCondition(textOf(options[index]!))));
    } else conditions.push(unknownCondition(`-m ${module} ${options.map(textOf).join(" ")}`));
  }
  return conditions;
}

function splitOptions(words: readonly string[]): Option[] {
  const options: Option[] = [];
  let module = "";
  for (let at = 0; at < words.length;) {
    const isNegated = words[at] === "!";
    const name = words[isNegated ? at + 1 : at] ?? "";
    const start = at + (isNegated ? 2 : 1);
    let end = name === "--comment" ? start + 1 : start;
    if (name !== "--comment") { while (end < words.length && !/^(?:-|!$)/.test(words[end]!)) end++; }
    const values = words.slice(start, end);
    if (name === "-m") module = values[0] ?? "";
    else options.push({ name, values, isNegated, module: /^-[a-z]$/.test(name) ? "" : module });
    at = end;
  }
  return options;
}

function textOf({ name, values, isNegated }: Option): string {
  return [...isNegated ? ["!"] : [], name, ...values].join(" ");
}

/** Undefined for what we don't understand. */
function readOption(option: Option): Condition | undefined {
  const { name, values: [value = ""], isNegated, module } = option;
  const make = (field: Field, matches: (value: bigint | string) => boolean | undefined) =>
    condition(textOf(option), field, matches, isNegated);
  try {
    switch (name) {
      case "-s":
      case "-d":
        return make(
          name === "-s" ? FIELDS.source : FIELDS.destination,
          inRanges([rangeOfCidr(parseCidr(value))]),
        );
      case "--src-range":
      case "--dst-range":
        return make(
          name === "--src-range" ? FIELDS.source : FIELDS.destination,
          inRanges([addressesOf(value)]),
        );
      case "-o":
        return make(
          FIELDS.interface,
          (it) => value.endsWith("+") ? String(it).startsWith(value.slice(0, -1)) : it === value,
        );
      case "-p":
        return make(FIELDS.protocol, isProtocol(value));
      case "--dport":
      case "--dports":
        return make(FIELDS.port, inRanges(value.split(",").map(portsOf)));
      case "--src-type":
      case "--dst-type":
        if (value !== "LOCAL") return undefined;
        return make(
          name === "--src-type" ? FIELDS.sourceType : FIELDS.destinationType,
          (it) => it === "local",
        );
      case "--mark": {
        if (module !== "mark") return undefined;
        const [bits, mask = 0xffffffffn] = value.split("/").map(BigInt);
        return make(FIELDS.mark, (it) => ((it as bigint) & mask) === bits);
      }
    }
  } catch {
    // A value that can't be parsed is one that we don't understand.
  }
  return undefined;
}

function addressesOf(text: string): ValueRange {
  const [first, last = first] = text.split("-").map((it) => parseIpAddress(it).value);
  return { first: first!, last: last! };
}

function portsOf(text: string): ValueRange {
  const [first, last = first] = text.split(":").map(BigInt);
  return { first: first!, last: last! };
}
