/** Rules of others that decide about source addresses before our chain is asked. */
import type { ChainName } from "../config/chain_name.ts";
import { type NatTable, type TableRule, targetOf } from "../backends/iptables/nat_table.ts";

/** A rule of POSTROUTING before our jump and rewrites source addresses. */
export interface ForeignRule {
  /** The rule of POSTROUTING. */
  readonly rule: TableRule;
  /** The rule that rewrites: the same one, or one in a chain that it leads to. */
  readonly rewrites: TableRule;
  /** Whether it takes only packets that other rules have marked, as kube-proxy's does. */
  readonly onlyMarked: boolean;
}

/** Targets that rewrite the source address. */
const REWRITING = ["MASQUERADE", "SNAT", "NETMAP", "SAME"];

/** Finds the foreign rules before the jump to our chain; without a jump all of POSTROUTING, behind which it would be added. */
export function findForeignRules(table: NatTable, chainName: ChainName): ForeignRule[] {
  const found: ForeignRule[] = [];
  for (const rule of table.get("POSTROUTING") ?? []) {
    const target = targetOf(rule);
    if (target === chainName) break;
    const rewrites = findRewriting(table, rule, new Set([chainName]));
    if (rewrites !== undefined) found.push({ rule, rewrites, onlyMarked: isMarked(table, rule, rewrites) });
  }
  return found;
}

function findRewriting(table: NatTable, rule: TableRule, visited: Set<string>): TableRule | undefined {
  const target = targetOf(rule);
  if (target === undefined || visited.has(target)) return undefined;
  if (REWRITING.includes(target)) return rule;
  visited.add(target);
  for (const inner of table.get(target) ?? []) {
    const rewrites = findRewriting(table, inner, visited);
    if (rewrites !== undefined) return rewrites;
  }
  return undefined;
}

/** Marked packets only: a condition of the rule, of the one that leads to it, or a RETURN for all others before it. */
function isMarked(table: NatTable, rule: TableRule, rewrites: TableRule): boolean {
  const before = (table.get(rewrites.chain) ?? []).slice(0, rewrites.number - 1);
  return hasMark(rule) || hasMark(rewrites) ||
    rewrites !== rule &&
      before.some((it) => targetOf(it) === "RETURN" && hasMark(it) && it.words.includes("!"));
}

function hasMark({ words }: TableRule): boolean {
  return words.includes("--mark");
}

/** Says in one line what a foreign rule does and where it is. */
export function formatForeignRule({ rule, rewrites, onlyMarked }: ForeignRule): string {
  const way = rewrites === rule
    ? `POSTROUTING rule ${rule.number}`
    : `POSTROUTING rule ${rule.number} leads to ${
      targetOf(rule)
    }, and ${rewrites.chain} rule ${rewrites.number}`;
  const what = targetOf(rewrites) === "MASQUERADE" ? "masquerades" : "rewrites source addresses";
  const which = onlyMarked ? " (only packets that other rules mark)" : "";
  return `${way} ${what} before our chain is reached${which}: ${rewrites.text}`;
}
