/** What standard input of `nft -f -` has to say. The language is that of nft(8), 1.0 and later. */
import { type AddressSet, CHAINS, NFT_FAMILY, type NftTable, TABLE_NAME } from "./nft_table.ts";

/** How a standing table becomes the wanted one. */
export type TableChange =
  | { readonly kind: "create" }
  /** Keeps the base chain and the counters; `removeSets` and `removeCounters` are names of ours that stand. */
  | {
    readonly kind: "update";
    readonly removeSets: readonly string[];
    readonly removeCounters: readonly string[];
  }
  /** Where something foreign is in our table, or the base chain is not as it should be. */
  | { readonly kind: "replace" };

const TABLE_COMMENT = 'comment "ip-masq-agent: decides which traffic leaves with the address of this host"';

/**
 * One transaction. It holds no rule twice whatever stands by then: rules are flushed before they are added. A chain
 * or counter that is declared and stands already stays as it is, with its hook and its count.
 */
export function formatChange(table: NftTable, change: TableChange): string {
  const name = tableName(table);
  const lines = [`add table ${name} { ${TABLE_COMMENT}; }`];
  if (change.kind === "replace") lines.push(`delete table ${name}`);
  else lines.push(`flush table ${name}`);
  if (change.kind === "update") {
    for (const set of change.removeSets) lines.push(`delete set ${name} ${set}`);
    for (const counter of change.removeCounters) lines.push(`delete counter ${name} ${counter}`);
  }
  return `${lines.join("\n")}\n${formatDefinition(table)}`;
}

/** A script that makes the table anew, whatever stands: for people who run `nft -f` themselves. */
export function formatScript(table: NftTable): string {
  return formatChange(table, { kind: "replace" });
}

/** One transaction that removes our table. */
export function formatRemoval({ family }: Pick<NftTable, "family">): string {
  return `delete table ${NFT_FAMILY[family]} ${TABLE_NAME}\n`;
}

/** The table as `nft list table` would show it, with every entry that the user wrote. */
export function formatDefinition(table: NftTable): string {
  const rules = (chain: string) =>
    table.rules.filter((rule) => rule.chain === chain).map(({ text }) => `\t\t${text}`);
  return [
    `table ${tableName(table)} {`,
    `\t${TABLE_COMMENT}`,
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

/** The wanted table, one command a line without its table's name, for people and for comparing by eye. */
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

function formatSet({ name, comment, entries }: AddressSet, { family }: NftTable): string[] {
  return [
    `\tset ${name} {`,
    `\t\ttype ${{ IPv4: "ipv4_addr", IPv6: "ipv6_addr" }[family]}`,
    "\t\tflags interval",
    `\t\tcomment "${comment}"`,
    "\t\telements = {",
    ...entries.map(({ cidr, inside }) =>
      inside === undefined ? `\t\t\t${cidr.text},` : `\t\t\t# ${cidr.text} lies inside ${inside.text}`
    ),
    "\t\t}",
    "\t}",
  ];
}

function tableName({ family }: NftTable): string {
  return `${NFT_FAMILY[family]} ${TABLE_NAME}`;
}
