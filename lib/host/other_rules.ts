/** Rules of others that decide about source addresses beside ours: before, behind, and in other tables. */
import type { IpFamily } from "../config/ip_address.ts";
import { plural } from "../config/printable.ts";
import { type Case, type PathRule, walkPath } from "./path.ts";
import { type PathParts, readPath } from "./read_path.ts";

/** A rule of somebody else's that changes what our policy says, in some family. */
export interface OtherRule {
  readonly family: IpFamily;
  /** Such as `nat (iptables-nft)` or `inet firewalld`. */
  readonly table: string;
  /** The rule. */
  readonly rule: PathRule;
  /** The rule of the base chain that leads to it: the same one, or a jump. */
  readonly from: PathRule;
  /** Whether packets come to it before or behind our rules, where those stand. */
  readonly position: "before" | "behind";
  /** What it does, `skip`: it ends the chain that our rules stand in. */
  readonly effect: Exclude<Case["kind"], "keep">;
  /** Whether the position is a guess, for its table and that of our rules have the same priority. */
  readonly isTied: boolean;
  /** Whether it takes only packets that other rules have marked. */
  readonly onlyMarked: boolean;
  /** Whether every node with kube-proxy has it, so that there is nothing to wonder about. */
  readonly isUsual: boolean;
  /** How many more there are that differ in addresses and names only, as those of pods do. */
  readonly alike: number;
  /** What they have in common with it, but not their places: by this a rule is known again. */
  readonly shape: string;
}

type FoundRule = Omit<OtherRule, "alike" | "shape">;

/** What {@linkcode readOtherRules} takes. */
export type OtherRulesParts = Omit<PathParts, "ours" | "withSets">;

/** Stands for our rules: some of them keep the source, so that what follows decides. */
const OURS: PathRule = {
  chain: "",
  number: 1,
  text: "",
  conditions: [],
  action: { kind: "return" },
  ownNumber: 1,
};

/**
 * Finds the rules of others in the postrouting path of one family, in the order in which packets meet them. Reads only:
 * three or four processes on most hosts, see {@linkcode readPath}. What can't be read is left out, and told.
 */
export async function readOtherRules(parts: OtherRulesParts): Promise<readonly OtherRule[]> {
  const path = await readPath({ ...parts, ours: [OURS] });
  const { cases } = walkPath(path, {});
  // Without a mark they are not met.
  const unmarked = new Set(walkPath(path, { mark: 0 }).cases.map(keyOf));
  const ours = cases.findIndex(({ kind }) => kind === "keep");
  const rules = cases.flatMap((it, index): FoundRule[] => {
    if (it.kind === "keep") return [];
    const onlyMarked = !unmarked.has(keyOf(it));
    const isOfKubeProxy = it.rule.chain.startsWith("KUBE-") || it.base.table.endsWith(" kube-proxy");
    return [{
      family: parts.family,
      table: it.base.table,
      rule: it.rule,
      from: it.from,
      position: ours !== -1 && index > ours ? "behind" : "before",
      effect: it.kind,
      isTied: it.base.isTied === true,
      onlyMarked,
      isUsual: onlyMarked && isOfKubeProxy,
    }];
  });
  return [...Map.groupBy(rules, shapeOf)].map(([shape, [first, ...others]]) => ({
    ...first!,
    alike: others.length,
    shape,
  }));
}

function keyOf({ base, from, rule, kind }: Case): string {
  return [base.table, from.chain, from.number, rule.chain, rule.number, kind].join(" ");
}

/** What rules have in common that programs make for every pod: all but addresses, comments and names made of hex digits. */
function shapeOf({ table, from, rule, position, effect, onlyMarked }: FoundRule): string {
  const texts = [from.text, rule.text].map((text) =>
    text.replace(/"(?:[^"\\]|\\.)*"/g, '""').replace(/[0-9a-f.:]*[0-9][0-9a-f.:]{5,}(?:\/\d+)?/g, "…")
  );
  return [table, position, effect, onlyMarked, ...texts].join("\n");
}

/** What each effect is called, before and behind our rules. */
const WORDS: Readonly<Record<OtherRule["effect"], (rule: OtherRule) => string>> = {
  translate: ({ rule: { action }, position }) => {
    const isMasquerade = action.kind === "translate" && action.how.kind === "MASQUERADE";
    if (position === "behind") {
      return isMasquerade ? "masquerades what our rules keep" : "rewrites the source of what our rules keep";
    }
    return `${isMasquerade ? "masquerades" : "rewrites source addresses"} before our rules are asked`;
  },
  drop: () => "drops packets",
  skip: ({ from }) => `ends ${from.chain} before our rules are asked`,
  unknown: () => "does what this program can't tell",
};

/** Says in one line where a rule is, what it changes, and how it reads. */
export function formatOtherRule(other: OtherRule): string {
  const { table, rule, from, isTied, onlyMarked, alike } = other;
  const isDirect = rule.chain === from.chain;
  const way = isDirect
    ? `${from.chain} rule ${from.number}`
    : `${from.chain} rule ${from.number} leads to ${rule.chain}, whose rule ${rule.number}`;
  const which = [
    ...(isTied ? ["its priority is that of ours: which is asked first can't be read"] : []),
    ...(onlyMarked ? ["only packets that other rules mark"] : []),
    ...(/ip-masq-agent: /.test(rule.text) ? ["a rule of another ip-masq-agent"] : []),
    ...(alike > 0 ? [`and ${plural(alike, "more rule")} like it`] : []),
  ];
  return `${table}: ${way} ${WORDS[other.effect](other)}${
    which.length > 0 ? ` (${which.join("; ")})` : ""
  }: ${isDirect || rule.text.includes(from.text) ? rule.text : `${from.text}; ${rule.text}`}`;
}
