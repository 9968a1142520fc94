/** What stands against what is wanted: the decision about what to write. */
import { plural } from "../../config/printable.ts";
import type { ChainName } from "../../config/chain_name.ts";
import type { Drift } from "../backend.ts";
import { type ChainRule, formatChainRule, sameChainRule } from "./chain_rule.ts";
import type { Standing, StandingJump, StandingRule } from "./listing.ts";
import { type Changes, isOurSpelling } from "./restore_text.ts";

/** What differs, in words, and the changes that mend it. */
export interface Comparison {
  readonly drift: readonly Drift[];
  readonly changes: Changes;
}

/** Compares our chain rule by rule, and looks for exactly one right jump. */
export function compare(standing: Standing, wanted: readonly ChainRule[], chainName: ChainName): Comparison {
  const chainDrift = compareChain(standing.chain, wanted, chainName);
  const kept = keptJump(standing.jumps, chainName);
  const removeJumps = standing.jumps.filter((jump) => jump !== kept);
  const drift = chainDrift === undefined ? [] : [chainDrift];
  const wrong = removeJumps.filter((jump) => !jump.hasRightCondition).length;
  if (wrong > 0) {
    drift.push({
      kind: "jump-condition",
      detail: `${plural(wrong, "jump")} to ${chainName} without exactly "! --dst-type LOCAL"`,
    });
  }
  if (removeJumps.length > wrong) {
    drift.push({
      kind: "jump-duplicate",
      detail: `${plural(removeJumps.length - wrong, "superfluous jump")} to ${chainName}`,
    });
  }
  if (standing.jumps.length === 0) {
    drift.push({ kind: "jump-missing", detail: `no jump from POSTROUTING to ${chainName}` });
  }
  return {
    drift,
    changes: { chain: chainDrift && wanted, removeJumps, addJump: kept === undefined },
  };
}

/** The first right jump, or rather the first that is spelled as ours: old releases quoted the comment twice. */
function keptJump(jumps: readonly StandingJump[], chainName: ChainName): StandingJump | undefined {
  const right = jumps.filter((jump) => jump.hasRightCondition);
  return right.find((jump) => isOurSpelling(jump, chainName)) ?? right[0];
}

function compareChain(
  standing: readonly StandingRule[] | undefined,
  wanted: readonly ChainRule[],
  chainName: ChainName,
): Drift | undefined {
  if (standing === undefined) return { kind: "chain-missing", detail: `no chain ${chainName}` };
  const differs = (detail: string): Drift => ({ kind: "chain-differs", detail });
  if (standing.length === 0 && wanted.length > 0) return differs(`chain ${chainName} is empty`);

  const foreign = standing.filter(({ rule }) => rule === undefined).length;
  if (foreign > 0) return differs(`${plural(foreign, "foreign rule")} in chain ${chainName}`);
  const inPlace = standing.length === wanted.length &&
    standing.every(({ rule }, index) => sameChainRule(rule!, wanted[index]!));
  if (inPlace) return undefined;

  const left = new Map<string, number>();
  for (const { rule } of standing) add(left, rule!, 1);
  for (const rule of wanted) add(left, rule, -1);
  const changes = [...left.values()];
  const surplus = changes.reduce((sum, times) => sum + Math.max(0, times), 0);
  const missing = changes.reduce((sum, times) => sum + Math.max(0, -times), 0);
  if (surplus + missing === 0) return differs(`the rules of chain ${chainName} are in another order`);
  const parts = [
    missing > 0 && `${plural(missing, "rule")} missing`,
    surplus > 0 && `${plural(surplus, "rule")} too many`,
  ];
  return differs(`chain ${chainName} has ${parts.filter(Boolean).join(" and ")}`);
}

/** Counts a rule, known by its text with the probability as iptables prints it. */
function add(counts: Map<string, number>, rule: ChainRule, times: number): void {
  const rounded = rule.probability === undefined ? {} : { probability: Number(rule.probability.toFixed(8)) };
  const key = formatChainRule({ ...rule, ...rounded });
  counts.set(key, (counts.get(key) ?? 0) + times);
}
