/** What others on this host do with a packet, for `explain`. */
import type { IpFamily } from "../config/ip_address.ts";
import { toOwnRules } from "../host/own_rules.ts";
import type { Case, Path } from "../host/path.ts";
import { readPath } from "../host/read_path.ts";
import { describeAssumptions, describeEffect, describePlace, type Verdict } from "../host/verdict.ts";
import { CommandError } from "../ports.ts";
import type { Explanation } from "../rules/explain.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import { type BackendOptions, decideBackend } from "./backends.ts";
import { describeConditions } from "./describe_match.ts";
import type { System } from "./system.ts";

const NOT_OURS = "No rules of ours are in force here: start the agent, or name its --masq-chain";

/**
 * Reads the path of each family, with the rules of the config where ours stand.
 *
 * @throws {CommandError} The kernel can't be read, or has no rules of ours.
 */
export async function readPaths(
  rulesets: readonly Ruleset[],
  options: BackendOptions,
  { runner, printError }: System,
): Promise<ReadonlyMap<IpFamily, Path>> {
  const { chainName } = options;
  const { backend } = await decideBackend(options, runner, rulesets);
  const unread: string[] = [];
  const paths = new Map<IpFamily, Path>();
  for (const ruleset of rulesets) {
    const { family } = ruleset;
    const ours = toOwnRules(ruleset, describeConditions);
    const onUnread = (message: string) => void unread.push(`${family}: ${message}`);
    const path = await readPath({ runner, family, backend, chainName, ours, withSets: true, onUnread });
    if (path.some(({ hasOurs }) => hasOurs)) paths.set(family, path);
  }
  if (paths.size === 0) throw new CommandError(unread[0] ?? NOT_OURS);
  for (const message of unread) printError(`warning: rules of others may be missed here: ${message}\n`);
  return paths;
}

/** Says in a few words that an answer is of the config alone, and why. */
export function describeFallback({ message }: CommandError): string {
  const why = /permi|must be root/i.test(message)
    ? "only root can read this host's rules"
    : message === NOT_OURS
    ? "no rules of ours are in force here"
    : "this host's rules can't be read";
  return `note: of the config alone: ${why}`;
}

/** What happens in the end, where a rule of others decides; `pure` is what our rules say. */
export function describeHead(
  pure: string,
  { ruleNumber, exceptions }: Explanation,
  verdict: Verdict,
): string {
  const { decisive, isBehindOurs, isOpen } = verdict;
  if (decisive === undefined) return isOpen ? `${pure}, unless a rule of others is for it` : pure;
  const what = `${describeEffect(decisive)} ${describePlace(decisive)}`;
  if (!isBehindOurs) return decisive.kind === "skip" ? what : `${what}, before our rules are asked`;
  if (exceptions.length > 0) return `${pure}; and what is kept is then ${what}`;
  return `kept${ruleNumber === undefined ? "" : ` by rule ${ruleNumber}`}, but then ${what}`;
}

/** The rules of others, one a line. */
export function describeOtherRules({ decisive, possible }: Verdict): string[] {
  return [
    ...possible.map((it) =>
      `${describeEffect(it)} ${describePlace(it)} where ${conditionsOf(it)}: ${it.rule.text}`
    ),
    ...decisive === undefined ? [] : [`${describePlace(decisive)}: ${decisive.rule.text}`],
  ];
}

function conditionsOf({ assumptions }: Case): string {
  return describeAssumptions(assumptions) || "it is asked";
}

/** The same as data. */
export function otherRulesAsData({ decisive, possible }: Verdict): Record<string, unknown> {
  const toData = ({ base, rule, from, kind, assumptions }: Case) => ({
    table: base.table,
    chain: rule.chain,
    number: rule.number,
    text: rule.text,
    ...rule !== from && { from: { chain: from.chain, number: from.number, text: from.text } },
    does: kind === "translate" && rule.action.kind === "translate"
      ? rule.action.how.kind.toLowerCase()
      : kind,
    ...rule.action.kind === "translate" && rule.action.how.to !== undefined &&
      { leavesAs: rule.action.how.to },
    ...assumptions.length > 0 && { where: describeAssumptions(assumptions) },
  });
  return {
    ...decisive !== undefined && { decidedBy: toData(decisive) },
    ...possible.length > 0 && { mayDecide: possible.map(toData) },
  };
}
