/** Our table as the kernel has it against what it should be: the decision about what to write. */
import { plural } from "../../config/printable.ts";
import type { Drift } from "../backend.ts";
import { type ActualRule, type ActualTable, canonicalExpr } from "./nft_listing.ts";
import { CHAINS, type NftRule, type NftTable, TABLE_NAME } from "./nft_table.ts";
import type { TableChange } from "./nft_text.ts";
import { mergeRanges, parseRange, rangeOfCidr, rangesMissing } from "./ranges.ts";

/** What differs, in words, and the change that repairs it. */
export interface Comparison {
  readonly drift: readonly Drift[];
  readonly change: TableChange;
  /**
   * Where all that differs is how nft prints the expressions of rules that are ours by place and comment: these
   * expressions. A version of nft may spell them in a way that we don't know.
   */
  readonly spelling: string | undefined;
}

/** How our base chain is hooked in. */
const BASE_HOOK = "nat postrouting 100 accept";

/** Compares every rule, every element and the hook. Counts of counters don't matter. */
export function compareTable(actual: ActualTable | undefined, desired: NftTable): Comparison {
  if (actual === undefined) {
    const detail = `no table ${TABLE_NAME}`;
    return { drift: [{ kind: "table-missing", detail }], change: { kind: "replace" }, spelling: undefined };
  }
  if (actual.hasFlags) {
    // There may be no more in the listing: see parseNftListing.
    const detail = `table ${TABLE_NAME} has a flag, such as dormant`;
    return { drift: [{ kind: "table-differs", detail }], change: { kind: "replace" }, spelling: undefined };
  }
  const foreign = findForeign(actual);
  const sets = [...compareSets(actual, desired)];
  const rules = compareRules(actual.rules, desired.rules);
  const counters = actual.counters.size === desired.counters.length &&
      desired.counters.every((name) => actual.counters.has(name))
    ? []
    : ["the counters are not those of the lists"];
  const drift: Drift[] = [
    ...foreign.map((detail): Drift => ({ kind: "table-differs", detail })),
    ...sets,
    ...[...rules.details, ...counters].map((detail): Drift => ({ kind: "chain-differs", detail })),
  ];
  return {
    drift,
    change: foreign.length > 0 ? { kind: "replace" } : {
      kind: "update",
      removeSets: [...actual.sets.keys()],
      removeCounters: [...actual.counters.keys()].filter((name) => !desired.counters.includes(name)),
    },
    spelling: drift.length === 1 ? rules.spelling : undefined,
  };
}

/** What can't be repaired by writing rules and sets anew. */
function findForeign({ chains, others }: ActualTable): string[] {
  const details: string[] = [];
  const hook = chains.get(CHAINS.base);
  if (hook !== BASE_HOOK) {
    details.push(
      hook === undefined
        ? `no chain ${CHAINS.base}`
        : `chain ${CHAINS.base} is hooked in as "${hook}", not as "${BASE_HOOK}"`,
    );
  }
  const translate = chains.get(CHAINS.translate);
  if (translate === undefined) details.push(`no chain ${CHAINS.translate}`);
  else if (translate !== "") details.push(`chain ${CHAINS.translate} is hooked in`);
  for (const name of chains.keys()) {
    if (name !== CHAINS.base && name !== CHAINS.translate) details.push(`foreign chain ${name}`);
  }
  for (const kind of new Set(others)) details.push(`foreign ${kind} in table ${TABLE_NAME}`);
  return details;
}

function* compareSets(actual: ActualTable, desired: NftTable): Iterable<Drift> {
  const differs = (detail: string): Drift => ({ kind: "set-differs", detail });
  for (const { name, elements } of desired.sets) {
    const set = actual.sets.get(name);
    if (set?.elements === undefined) {
      yield differs(set === undefined ? `no set ${name}` : `set ${name} is no plain set of addresses`);
      continue;
    }
    if (set.isDeclaredByType) {
      yield differs(`set ${name} is declared by type, which makes nft 1.0.6 and older crash`);
    }
    // Most elements are spelled alike on both sides, and only the others need addresses: lists may be long.
    const [written, printed] = [new Set(elements.map(({ text }) => text)), new Set(set.elements)];
    const ranges = mergeRanges(elements.filter(({ text }) => !printed.has(text)).map(rangeOfCidr));
    const actualRanges = mergeRanges(
      set.elements.filter((text) => !written.has(text)).map((text) => parseRange(text, desired.family)),
    );
    const missing = rangesMissing(ranges, actualRanges).length;
    const surplus = rangesMissing(actualRanges, ranges).length;
    const parts = [
      missing > 0 && `${plural(missing, "range")} missing`,
      surplus > 0 && `${plural(surplus, "range")} too many`,
    ].filter(Boolean);
    if (parts.length === 0) continue;
    yield { ...differs(`set ${name} has ${parts.join(" and ")}`), counts: { missing, surplus } };
  }
  for (const name of actual.sets.keys()) {
    if (!desired.sets.some((set) => set.name === name)) yield differs(`a set ${name} too many`);
  }
}

/** A rule is in place where its chain has it at its number; the order between chains says nothing. */
function compareRules(
  actual: readonly ActualRule[],
  desired: readonly NftRule[],
): { details: string[]; spelling: string | undefined } {
  const details: string[] = [];
  const spelling: string[] = [];
  let sameComments = true;
  for (const chain of Object.values(CHAINS)) {
    const here = actual.filter((rule) => rule.chain === chain);
    const ours = desired.filter((rule) => rule.chain === chain);
    const wrong = ours.filter(({ expr, comment }, index) =>
      here[index]?.comment !== comment || here[index]?.expr !== canonicalExpr(expr)
    ).length;
    for (const { expr } of here) {
      spelling.push(expr);
    }
    sameComments &&= here.length === ours.length &&
      ours.every(({ comment }, index) =>
        here[index]!.comment === comment
      );
    if (here.length === 0) details.push(`chain ${chain} is empty`);
    else if (here.length !== ours.length) {
      details.push(`chain ${chain} has ${plural(here.length, "rule")} instead of ${ours.length}`);
    } else if (wrong > 0) details.push(`chain ${chain} has ${plural(wrong, "other rule")}`);
  }
  return {
    details: details.length === 0 ? [] : [details.join(", ")],
    spelling: details.length > 0 && sameComments ? spelling.join("\n") : undefined,
  };
}
