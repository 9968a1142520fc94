/** What standard input of iptables-restore has to say, for reading and for writing. */
import type { ChainName } from "../../config/chain_name.ts";
import { type ChainRule, formatChainRule, quoteWord } from "./chain_rule.ts";

/** The jump from POSTROUTING to our chain, without `-A POSTROUTING`. Its comment is byte for byte upstream's. */
export function formatJump(chainName: ChainName): string {
  const comment = quoteWord(
    "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom " +
      `${chainName} chain`,
  );
  return `-m comment --comment ${comment} -m addrtype ! --dst-type LOCAL -j ${chainName}`;
}

/** Writes the words of a rule that the tool printed so that the tool reads them again. */
export function formatWords(words: readonly string[]): string {
  return words.map(quoteWord).join(" ");
}

/**
 * A text that makes iptables-restore list both chains and change nothing. One process reads what two calls of
 * `iptables -S` would. POSTROUTING comes first: it is listed also where our chain does not exist.
 */
export function formatReadText(chainName: ChainName): string {
  return ["*nat", "-S POSTROUTING", `-S ${chainName}`, "COMMIT", ""].join("\n");
}

/** A text that makes iptables-restore list our chain with its counters, and change nothing. */
export function formatCountersText(chainName: ChainName): string {
  return ["*nat", `-S ${chainName} -v`, "COMMIT", ""].join("\n");
}

/** A text that makes iptables-restore list a chain and tell how many rules lead to it, and change nothing. */
export function formatReferencesText(chainName: ChainName): string {
  return ["*nat", `-S ${chainName}`, `-L ${chainName} -n`, "COMMIT", ""].join("\n");
}

/** The changes of one transaction. */
export interface Changes {
  /** Rules that replace the whole chain, undefined to leave it as it is. */
  readonly chain: readonly ChainRule[] | undefined;
  /** Jumps to remove, by their words. */
  readonly removeJumps: readonly { readonly words: readonly string[] }[];
  /**
   * The number that our jump is to have in POSTROUTING once `removeJumps` are gone; not finite to append it, undefined
   * to leave the one that is there.
   */
  readonly insertJump: number | undefined;
  /** Chains of an earlier `--masq-chain`, to which nothing else leads. */
  readonly removeChains: readonly ChainName[];
}

/**
 * One transaction for `iptables-restore --noflush`. Declaring our chain creates or flushes it; nothing else is
 * declared, so nothing else is flushed.
 */
export function formatWriteText(chainName: ChainName, changes: Changes): string {
  const { chain, removeJumps, insertJump, removeChains } = changes;
  const lines: string[] = [];
  if (chain !== undefined) lines.push(`:${chainName} - [0:0]`);
  lines.push(...removeJumps.map(formatJumpRemoval));
  if (insertJump !== undefined) {
    const place = Number.isFinite(insertJump) ? `-I POSTROUTING ${insertJump}` : "-A POSTROUTING";
    lines.push(`${place} ${formatJump(chainName)}`);
  }
  for (const stale of removeChains) lines.push(...formatChainRemoval(stale));
  return formatTransaction(chainName, lines, chain ?? []);
}

/**
 * One transaction that makes chain and jump where there is no such chain, and so no jump to it, and fails otherwise.
 * Only iptables-nft that is overtaken by another writer in the midst of it tries again without the `-N`: so the chain
 * is flushed, too, and has each rule once; the jump may then stand twice.
 */
export function formatInstallText(chainName: ChainName, chain: readonly ChainRule[]): string {
  const first = [`-N ${chainName}`, `-F ${chainName}`, `-A POSTROUTING ${formatJump(chainName)}`];
  return formatTransaction(chainName, first, chain);
}

/** What chain and jump are written with, without the end that would put them into the kernel. */
export function formatTrialText(chainName: ChainName, chain: readonly ChainRule[]): string {
  const changes = { chain, removeJumps: [], insertJump: Infinity, removeChains: [] };
  return formatWriteText(chainName, changes).replace(/COMMIT\n$/, "");
}

function formatTransaction(
  chainName: ChainName,
  first: readonly string[],
  chain: readonly ChainRule[],
): string {
  const lines = ["*nat", ...first];
  for (const rule of chain) lines.push(`-A ${chainName} ${formatChainRule(rule)}`);
  lines.push("COMMIT", "");
  return lines.join("\n");
}

/** One transaction that removes jumps and chains. */
export function formatRemoveText(
  { removeJumps, removeChains }: Omit<Changes, "chain" | "insertJump">,
): string {
  return [
    "*nat",
    ...removeJumps.map(formatJumpRemoval),
    ...removeChains.flatMap(formatChainRemoval),
    "COMMIT",
    "",
  ]
    .join("\n");
}

function formatChainRemoval(chainName: ChainName): string[] {
  return [`-F ${chainName}`, `-X ${chainName}`];
}

/** By its text, not by its number: other programs may insert rules between our reading and writing. */
function formatJumpRemoval({ words }: { readonly words: readonly string[] }): string {
  return `-D POSTROUTING ${formatWords(words)}`;
}
