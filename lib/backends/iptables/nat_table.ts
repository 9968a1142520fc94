/** What `iptables -S` and iptables-save print -> the chains of the nat table. The formats are those of iptables-save(8). */

/** One rule of any chain. */
export interface TableRule {
  readonly chain: string;
  /** Its place in the chain, from 1, as `iptables -D CHAIN NUMBER` counts. */
  readonly number: number;
  /** The words behind `-A CHAIN`, without quotes. */
  readonly words: readonly string[];
  /** As the tool prints it. */
  readonly text: string;
}

/** The chains of the nat table, each with its rules in order. */
export type NatTable = ReadonlyMap<string, readonly TableRule[]>;

/** Parses a listing by `-S` of chains of nat or of all of it. Lines that are no such listing are passed over. */
export function parseNatTable(text: string): NatTable {
  const chains = new Map<string, TableRule[]>();
  for (const line of text.split("\n")) {
    const [command, chain, ...words] = splitWords(line);
    if (chain === undefined || !["-P", "-N", "-A"].includes(command!)) continue;
    const rules = chains.get(chain) ?? [];
    chains.set(chain, rules);
    if (command === "-A") rules.push({ chain, number: rules.length + 1, words, text: line });
  }
  return chains;
}

/** The part of what iptables-save printed that is the nat table, as `-S` would list it; undefined where there is none. */
export function natPartOf(saved: string): string | undefined {
  const part = /^\*nat\n((?:[^*].*\n)*?)COMMIT\n/m.exec(saved)?.[1];
  return part?.replace(
    /^:(\S+) (\S+) .*$/gm,
    (_, chain, policy) => policy === "-" ? `-N ${chain}` : `-P ${chain} ${policy}`,
  );
}

/** A target among the words of a rule. */
export interface TargetWord {
  readonly name: string;
  /** The index of `-j` or `-g`. */
  readonly at: number;
  readonly isGoto: boolean;
}

/** Where a rule jumps or goes to; undefined for one that only counts. */
export function targetIn(words: readonly string[]): TargetWord | undefined {
  const at = findOption(words, "-j", "-g");
  const name = words[at + 1];
  return at === -1 || name === undefined ? undefined : { name, at, isGoto: words[at] === "-g" };
}

/** The name of a rule's target; undefined for a rule that only counts. */
export function targetOf({ words }: Pick<TableRule, "words">): string | undefined {
  return targetIn(words)?.name;
}

/** The comment of a rule; empty for none. */
export function commentOf({ words }: Pick<TableRule, "words">): string {
  const at = findOption(words, "--comment");
  return at === -1 ? "" : words[at + 1] ?? "";
}

/** Options whose value is any text: it may look like an option, which is printed without quotes. */
const TEXT_OPTIONS = ["--comment", "--string", "--hex-string", "--log-prefix", "--nflog-prefix"];

/** The index of the first of some options; -1 where there is none. */
function findOption(words: readonly string[], ...options: readonly string[]): number {
  for (let at = 0; at < words.length; at++) {
    if (options.includes(words[at]!)) return at;
    if (TEXT_OPTIONS.includes(words[at]!)) at++;
  }
  return -1;
}

/** Splits a line into words; double quotes group, a backslash takes the next character as it is. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/"(?:[^"\\]|\\.)*"|[^\s"]+/g)) {
    words.push(word.startsWith('"') ? word.slice(1, -1).replace(/\\(.)/g, "$1") : word);
  }
  return words;
}
