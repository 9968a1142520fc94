/**
 * What standard input of `nft -f -` has to say, in words that nft 0.9.8 knows: comments of tables, sets and counters came
 * later, so these are comments of the text, and none is between elements, where only later versions take it.
 */
import { NFT_FAMILY } from "./nft_family.ts";
import { type AddressSet, CHAINS, type NftTable, TABLE_NAME } from "./nft_table.ts";

/** How the actual table becomes the desired one. */
export type TableChange =
  /** Where there is no table, something foreign is in our table, or the base chain is not as it should be. */
  | { readonly kind: "replace" }
  /** Keeps the base chain and the counters; `removeSets` and `removeCounters` are names of ours that stand. */
  | {
    readonly kind: "update";
    readonly removeSets: readonly string[];
    readonly removeCounters: readonly string[];
  };

/**
 * One transaction. It holds no rule twice whatever is there by then: rules are flushed before they are added. A chain
 * or counter that is declared and there already stays as it is, with its hook and its count. An update fails where the
 * table has just gone: nft 0.9.8 crashes where a table is added, not deleted, and then declared with a set. It crashes,
 * too, behind any `delete set` where a table that stands is declared with a new set: so sets are added by name before.
 */
export function formatChange(table: NftTable, change: TableChange): string {
  const name = tableName(table);
  const lines: string[] = [];
  if (change.kind === "replace") lines.push(`add table ${name}`, `delete table ${name}`);
  else {
    lines.push(`flush table ${name}`);
    for (const set of change.removeSets) lines.push(`delete set ${name} ${set}`);
    for (const counter of change.removeCounters) lines.push(`delete counter ${name} ${counter}`);
    for (const set of table.sets) {
      lines.push(`add set ${name} ${set.name} { ${formatType(set, table)}; flags interval; }`);
    }
  }
  return `${lines.join("\n")}\n${formatDefinition(table)}`;
}

/** A script that makes the table anew, whatever is there: for people who run `nft -f` themselves. */
export function formatScript(table: NftTable): string {
  return formatChange(table, { kind: "replace" });
}

/** One transaction that removes our table. */
export function formatRemoval({ family }: Pick<NftTable, "family">): string {
  return `delete table ${NFT_FAMILY[family]} ${TABLE_NAME}\n`;
}

/** The table as `nft list table` would show it, with every entry that the user wrote, be it in a comment. */
export function formatDefinition(table: NftTable): string {
  const rules = (chain: string) =>
    table.rules.filter((rule) => rule.chain === chain).map(({ text }) => `\t\t${text}`);
  return [
    "# ip-masq-agent: decides which traffic leaves with the address of this host",
    `table ${tableName(table)} {`,
    ...table.counters.map((name) => `\tcounter ${name} { }`),
    ...table.sets.flatMap((set) => formatSet(set, table)),
    `\tchain ${CHAINS.base} {`,
    "\t\ttype nat hook postrouting priority srcnat; policy accept;",
    ...rules(CHAINS.base),
    "\t}",
    `\tchain ${CHAINS.translate} {`,
    ...rules(CHAINS.translate),
    "\t}",
    "}",
    "",
  ].join("\n");
}

/** The desired table, one command a line without its table's name, for people and for comparing by eye. */
export function describeTable(table: NftTable): string[] {
  return [
    ...table.sets.flatMap(({ name, elements }) => elements.map(({ text }) => describeElement(name, text))),
    ...table.rules.map(({ chain, text }) => describeRule(chain, text)),
  ];
}

/** One element of a set, as a command without the table's name. */
export function describeElement(set: string, element: string): string {
  return `add element ${set} { ${element} }`;
}

/** One rule, as a command without the table's name. */
export function describeRule(chain: string, text: string): string {
  return `add rule ${chain} ${text}`;
}

/** What the elements are is said by `typeof`: a set declared by `type` with nft 1.1.2 or later makes older ones crash. */
function formatType({ field }: AddressSet, { family }: NftTable): string {
  return `typeof ${NFT_FAMILY[family]} ${field}`;
}

function formatSet(set: AddressSet, table: NftTable): string[] {
  const { name, comment, entries, inside } = set;
  return [
    `\t# ${comment}`,
    ...entries.filter((cidr) => inside.has(cidr)).map((cidr) =>
      `\t# ${cidr.text} lies inside ${inside.get(cidr)!.text}`
    ),
    `\tset ${name} {`,
    `\t\t${formatType(set, table)}`,
    "\t\tflags interval",
    "\t\telements = {",
    ...entries.filter((cidr) => !inside.has(cidr)).map(({ text }) => `\t\t\t${text},`),
    "\t\t}",
    "\t}",
  ];
}

function tableName({ family }: NftTable): string {
  return `${NFT_FAMILY[family]} ${TABLE_NAME}`;
}
