/** What the whole postrouting path does with a packet, beside what our rules say. */
import { type Assumption, type Case, type Path, type PathPacket, walkPath } from "./path.ts";

/** The rules of others that matter for a packet. */
export interface Verdict {
  /** The one that decides where our rules don't: of a packet that nobody marked, unless its mark is given. */
  readonly decisive?: Case;
  /** Whether our rules are asked before it. */
  readonly isBehindOurs: boolean;
  /** Those that decide where something holds that is not known of the packet: of its mark, then of all else, in order. */
  readonly possible: readonly Case[];
  /** Whether there are some for a packet that nobody marked. */
  readonly isOpen: boolean;
}

/** Judges a packet. */
export function judge(path: Path, packet: PathPacket): Verdict {
  const { cases, isFinal } = walkPath(path, { mark: 0, ...packet });
  const decisive = cases.findLast(({ kind, assumptions }) =>
    assumptions.length === 0 && kind !== "keep" && kind !== "unknown"
  );
  const met = isFinal ? cases.slice(0, -1) : cases;
  const unmarked = new Set(cases.map(({ rule }) => rule));
  const onlyMarked = walkPath(path, packet).cases.filter(({ rule }) => !unmarked.has(rule));
  const isForeign = (it: Case) => !isOurs(it) && it !== decisive;
  return {
    ...decisive !== undefined && !isOurs(decisive) && { decisive },
    isBehindOurs: met.some(isOurs),
    possible: [...onlyMarked, ...met].filter(isForeign),
    isOpen: met.some(isForeign),
  };
}

function isOurs({ rule }: Case): boolean {
  return rule.ownNumber !== undefined;
}

/** What a case does with the source, to be followed by who does it. */
export function describeEffect({ kind, rule: { action } }: Case): string {
  if (kind === "drop") return "dropped by";
  if (kind === "skip") return "not masqueraded, for our rules are not asked behind";
  if (action.kind !== "translate") return "treated in a way that can't be told by";
  const { how } = action;
  if (how.kind === "MASQUERADE") return "masqueraded by";
  return how.to === undefined ? "given another source by" : `made to leave as ${how.to} by`;
}

/** Where the rule of a case stands. */
export function describePlace({ base: { table, isTied }, from, rule }: Case): string {
  const way = rule.chain === from.chain ? "" : ` (to which ${from.chain} rule ${from.number} leads)`;
  return `${rule.chain} rule ${rule.number} of ${table}${
    isTied ? ", whose priority is that of ours" : ""
  }${way}`;
}

/** On what a case depends, as the tools write it. */
export function describeAssumptions(assumptions: readonly Assumption[]): string {
  return assumptions.map((it) => {
    if ("all" in it) return it.all.map(({ text }) => text).join(" ");
    const inner = describeAssumptions(it.notAll);
    const negated = /^! (-\S+ \S+)$/.exec(inner)?.[1];
    return negated ?? (/^-\S+ \S+$/.test(inner) ? `! ${inner}` : `not (${inner})`);
  }).join(" and ");
}
