/**
 * Ruleset -> chains. A long run of rules by destination becomes a tree of sub-chains, so that a new connection walks
 * tens of rules instead of thousands. A packet *goes to* a sub-chain and does not jump there: whatever returns from a
 * sub-chain returns to POSTROUTING, just as from our chain. So each sub-chain ends with what is left for its packets:
 * the rule that covers them all, or the rules behind the run, in a chain of their own.
 */
import type { ChainName } from "../../config/chain_name.ts";
import { type Cidr, commonPrefix, hasBit } from "../../config/cidr.ts";
import { fnv1a } from "../../config/fnv1a.ts";
import { OWN_RULE_COMMENT, type Ruleset } from "../../rules/ruleset.ts";
import { type ChainRule, expandRuleset } from "./chain_rule.ts";

/** Chains by name: ours first, then its sub-chains. */
export type Chains = ReadonlyMap<string, readonly ChainRule[]>;

/** When and how a tree is made. */
export interface TreeShape {
  /** Destinations in a row from which on they become a tree. */
  readonly threshold: number;
  /** Rules of a sub-chain that lead to others, about. */
  readonly branches: number;
  /** Destinations that a sub-chain may have without being split again. */
  readonly leaf: number;
}

/** The default: see docs/performance.md. */
const SHAPE: TreeShape = { threshold: 256, branches: 8, leaf: 16 };

/** Levels of sub-chains. The kernel takes 16, with POSTROUTING, our chain and the last one. */
const MOST_LEVELS = 10;

/** The comment of rules of our chain that lead to sub-chains; inside of these, only a rule of one's own has one. */
const TREE_COMMENT = "ip-masq-agent: destinations are in sub-chains";

/** The beginning of the names of sub-chains: no `--masq-chain` has a slash. With 7 more characters it is 28 at most. */
export function subChainPrefix(chainName: ChainName): string {
  return chainName.length <= 21 ? `${chainName}/` : `${chainName.slice(0, 12)}/${fnv1a(chainName)}/`;
}

/** Whether a chain is a sub-chain of the one of that name. */
export function isSubChain(name: string, chainName: ChainName): boolean {
  const prefix = subChainPrefix(chainName);
  return name.startsWith(prefix) && /^(?:\d+|rest)$/.test(name.slice(prefix.length));
}

/** Consecutive rules of one destination, of whose packets they leave none to what follows. */
interface Item {
  readonly destination: Cidr;
  readonly rules: readonly ChainRule[];
}

/** Items of one prefix, in order. */
interface Branch {
  readonly prefix: Cidr;
  readonly items: readonly Item[];
  /** The first item that covers the prefix: items behind it take nothing. */
  readonly cover: Item | undefined;
  /** The item that takes what the others leave: `cover`, or that of a wider branch. */
  readonly last: Item | undefined;
}

/** The chains for a ruleset: one, as upstream's, unless it has a long run of destinations. */
export function buildChains(ruleset: Ruleset, chainName: ChainName, shape = SHAPE): Chains {
  const rules = expandRuleset(ruleset);
  const run = rules.length < shape.threshold ? undefined : longestRun(rules);
  if (run === undefined || run.items.length < shape.threshold) return new Map([[chainName, rules]]);
  const prefix = subChainPrefix(chainName);
  const behind = rules.slice(run.end);
  const rest = behind.length === 0 ? [] : [goTo(`${prefix}rest`)];
  const chains = new Map<string, ChainRule[]>([[chainName, rules.slice(0, run.start)]]);
  const write = (name: string, items: readonly Item[], end: readonly ChainRule[], level: number) => {
    const chain = chains.get(name) ?? [];
    chains.set(name, chain);
    for (const entry of level === MOST_LEVELS ? items : split(items, shape)) {
      if ("rules" in entry) {
        chain.push(...level === 0 ? entry.rules : entry.rules.map(withoutComment));
        continue;
      }
      const child = `${prefix}${chains.size}`;
      const toChild = { destination: entry.prefix, ...goTo(child) };
      chain.push(level === 0 ? toChild : withoutComment(toChild));
      write(child, entry.items, (entry.last?.rules ?? end).map(withoutComment), level + 1);
    }
    chain.push(...end);
  };
  write(chainName, run.items, rest, 0);
  if (behind.length > 0) chains.set(`${prefix}rest`, behind);
  return chains;
}

function goTo(chain: string): ChainRule {
  return { comment: TREE_COMMENT, target: { kind: "GOTO", chain } };
}

/** The name of a rule of one's own is in its comment; what the others are, the comment before them tells. */
function withoutComment(rule: ChainRule): ChainRule {
  if (rule.comment?.startsWith(OWN_RULE_COMMENT)) return rule;
  const { comment: _, ...rest } = rule;
  return rest;
}

/** The longest run of items, with the places in `rules` where it starts and ends. */
function longestRun(rules: readonly ChainRule[]): { start: number; end: number; items: Item[] } {
  let longest = { start: 0, end: 0, items: [] as Item[] };
  let run = longest;
  for (let at = 0; at < rules.length;) {
    const { destination } = rules[at]!;
    const start = at;
    do at++; while (destination !== undefined && rules[at]?.destination?.text === destination.text);
    if (destination === undefined || !takesAll(rules[at - 1]!)) {
      run = { start: at, end: at, items: [] };
      continue;
    }
    run.items.push({ destination, rules: rules.slice(start, at) });
    run.end = at;
    if (run.items.length > longest.items.length) longest = run;
  }
  return longest;
}

/** Whether a rule has no condition but its destination. */
function takesAll({ destination: _, comment: __, target: ___, ...conditions }: ChainRule): boolean {
  return Object.keys(conditions).length === 0;
}

/** Splits the largest branch in two, again and again. What is small stays as it is: rules, and not a chain. */
function split(items: readonly Item[], { branches, leaf }: TreeShape): readonly (Item | Branch)[] {
  if (items.length <= leaf) return items;
  let entries = halve(items);
  while (entries.length < branches) {
    const sizes = entries.map((entry) => "rules" in entry ? 0 : entry.items.length);
    const largest = sizes.indexOf(Math.max(...sizes));
    if (sizes[largest]! <= leaf) break;
    const { items, cover, last } = entries[largest] as Branch;
    entries = entries.toSpliced(largest, 1, ...halve(items, last), ...(cover === undefined ? [] : [cover]));
  }
  return entries;
}

/** The two parts of some items, or one where an item covers the others. */
function halve(items: readonly Item[], last?: Item): (Item | Branch)[] {
  const whole = toBranch(items, last);
  if (whole.cover !== undefined) return [simplify(whole)];
  const bit = whole.prefix.prefixLength;
  const { low = [], high = [] } = Object.groupBy(
    items,
    ({ destination }) => hasBit(destination, bit) ? "high" : "low",
  );
  return [low, high].map((half) => simplify(toBranch(half, last)));
}

function toBranch(items: readonly Item[], last: Item | undefined): Branch {
  const prefix = commonPrefix(items.map(({ destination }) => destination));
  const at = items.findIndex(({ destination }) => destination.prefixLength === prefix.prefixLength);
  if (at === -1) return { prefix, items, cover: undefined, last };
  return { prefix, items: items.slice(0, at), cover: items[at], last: items[at] };
}

/** One item needs no chain. */
function simplify(branch: Branch): Item | Branch {
  const { items, cover } = branch;
  const all = cover === undefined ? items : [...items, cover];
  return all.length === 1 ? all[0]! : branch;
}
