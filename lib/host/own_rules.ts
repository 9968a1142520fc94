/** Our ruleset -> rules of a path. */
import { type MatchName, openConditions } from "../rules/decide.ts";
import { formatSourceAddress } from "../config/source_address.ts";
import type { Match, Ruleset, Target } from "../rules/ruleset.ts";
import type { Action, PathRule } from "./path.ts";

/** What stands in our chain, as the config has it. `describe` says one condition of a match. */
export function toOwnRules(
  { rules }: Ruleset,
  describe: (match: Match, names: readonly MatchName[]) => string,
): PathRule[] {
  return rules.map((rule, index) => ({
    chain: "",
    number: index + 1,
    text: rule.comment,
    conditions: (Object.keys(rule.match) as MatchName[]).map((name) => ({
      text: describe(rule.match, [name]),
      test: ({ destination, ...packet }) => {
        if (destination === undefined) return undefined;
        const open = openConditions({ [name]: rule.match[name] }, { destination, ...packet });
        return open === undefined ? false : open.length === 0 ? true : undefined;
      },
    })),
    action: toAction(rule.target),
    ownNumber: index + 1,
  }));
}

function toAction(target: Target): Action {
  if (target === "RETURN") return { kind: "return" };
  if (target === "MASQUERADE") return { kind: "translate", how: { kind: "MASQUERADE" } };
  return { kind: "translate", how: { kind: "SNAT", to: formatSourceAddress(target.address) } };
}
