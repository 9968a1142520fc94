/** What the kernel has against what it should have: the decision about what to write. */
import { plural } from "../../config/printable.ts";
import type { ChainName } from "../../config/chain_name.ts";
import type { Drift } from "../backend.ts";
import { type ChainRule, formatChainRule, sameChainRule } from "./chain_rule.ts";
import type { Chains } from "./chain_tree.ts";
import type { Actual, ActualRule } from "./listing.ts";
import type { Changes } from "./restore_text.ts";

/** What differs, in words, and the changes that repair it. */
export interface Comparison {
  readonly drift: readonly Drift[];
  readonly changes: Changes;
}

/**
 * Compares our chains rule by rule, and looks for exactly one right jump. Any other jumps are all removed by their
 * text, and one is inserted where the first of them was: removing only the later ones would remove the first of two
 * that are alike, and numbers may have changed by the time of writing. So is one behind a stale jump, whose place it
 * takes.
 */
export function compare(actual: Actual, desired: Chains, chainName: ChainName): Comparison {
  const { jumps, staleJumps } = actual;
  const chainDrift = compareChains(actual.chains, desired, chainName);
  const drift = chainDrift === undefined ? [] : [chainDrift];
  const right = jumps.filter((jump) => jump.hasRightCondition);
  const wrong = jumps.length - right.length;
  if (wrong > 0) {
    drift.push({
      kind: "jump-condition",
      detail: `${plural(wrong, "jump")} to ${chainName} without exactly "! --dst-type LOCAL"`,
    });
  }
  if (right.length > 1) {
    drift.push({
      kind: "jump-duplicate",
      detail: `${plural(right.length - 1, "superfluous jump")} to ${chainName}`,
    });
  }
  for (const { target } of staleJumps) {
    drift.push({ kind: "jump-stale", detail: `a jump to ${target}, the chain of an earlier --masq-chain` });
  }
  if (jumps.length === 0) {
    drift.push({ kind: "jump-missing", detail: `no jump from POSTROUTING to ${chainName}` });
  }
  const isRight = jumps.length === 1 && right.length === 1 &&
    staleJumps.every(({ number }) => number > right[0]!.number);
  const removeJumps = isRight ? staleJumps : [...jumps, ...staleJumps];
  return {
    drift,
    changes: {
      chains: chainDrift && desired,
      removeJumps,
      insertJump: isRight ? undefined : Math.min(...removeJumps.map(({ number }) => number)),
      removeChains: [...actual.chains.keys()].filter((name) => !desired.has(name)),
    },
  };
}

function compareChains(
  actual: Actual["chains"],
  desired: Chains,
  chainName: ChainName,
): Drift | undefined {
  const ours = actual.get(chainName);
  if (ours === undefined) return { kind: "chain-missing", detail: `no chain ${chainName}` };
  const differs = (detail: string): Drift => ({ kind: "chain-differs", detail });
  if (ours.length === 0 && desired.get(chainName)!.length > 0) return differs(`chain ${chainName} is empty`);

  for (const [name, rules] of actual) {
    const foreign = rules.filter(({ rule }) => rule === undefined).length;
    if (foreign > 0) return differs(`${plural(foreign, "foreign rule")} in chain ${name}`);
  }
  const inPlace = actual.size === desired.size &&
    [...desired].every(([name, rules]) => sameRules(actual.get(name), rules));
  if (inPlace) return undefined;

  const left = new Map<string, number>();
  for (const { rule } of [...actual.values()].flat()) add(left, rule!, 1);
  for (const rule of [...desired.values()].flat()) add(left, rule, -1);
  const changes = [...left.values()];
  const surplus = changes.reduce((sum, times) => sum + Math.max(0, times), 0);
  const missing = changes.reduce((sum, times) => sum + Math.max(0, -times), 0);
  if (surplus + missing === 0) return differs(`the rules of chain ${chainName} are in another order`);
  const parts = [
    missing > 0 && `${plural(missing, "rule")} missing`,
    surplus > 0 && `${plural(surplus, "rule")} too many`,
  ];
  return {
    ...differs(`chain ${chainName} has ${parts.filter(Boolean).join(" and ")}`),
    counts: { missing, surplus },
  };
}

function sameRules(actual: readonly ActualRule[] | undefined, desired: readonly ChainRule[]): boolean {
  return actual?.length === desired.length &&
    actual.every(({ rule }, index) => sameChainRule(rule!, desired[index]!));
}

/**
 * Counts a rule, known by its text with the probability as iptables prints it. Where the rules of a tree are is
 * nothing that anybody has to know.
 */
function add(counts: Map<string, number>, rule: ChainRule, times: number): void {
  if (rule.target.kind === "GOTO") return;
  const rounded = rule.probability === undefined ? {} : { probability: Number(rule.probability.toFixed(8)) };
  const key = formatChainRule({ ...rule, ...rounded });
  counts.set(key, (counts.get(key) ?? 0) + times);
}
