/** What standard input of iptables-restore has to say, for reading and for writing. */
import type { ChainName } from "../../config/chain_name.ts";
import { formatChainRule, quoteWord } from "./chain_rule.ts";
import type { Chains } from "./chain_tree.ts";

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
 * A text that makes iptables-restore list POSTROUTING and these chains and change nothing. One process reads what
 * several calls of `iptables -S` would. POSTROUTING comes first: it is listed also where our chain does not exist.
 */
export function formatReadText(chains: Iterable<string>): string {
  return ["*nat", "-S POSTROUTING", ...Array.from(chains, (name) => `-S ${name}`), "COMMIT", ""].join("\n");
}

/** A text that makes iptables-restore list chains with their counters, and change nothing. */
export function formatCountersText(chains: Iterable<string>): string {
  return ["*nat", ...Array.from(chains, (name) => `-S ${name} -v`), "COMMIT", ""].join("\n");
}

/** A text that makes iptables-restore list a chain and tell how many rules lead to it, and change nothing. */
export function formatReferencesText(chainName: ChainName): string {
  return ["*nat", `-S ${chainName}`, `-L ${chainName} -n`, "COMMIT", ""].join("\n");
}

/** The changes of one transaction. */
export interface Changes {
  /** Rules that replace our whole chain and its sub-chains, undefined to leave them as they are. */
  readonly chains: Chains | undefined;
  /** Jumps to remove, by their words. */
  readonly removeJumps: readonly { readonly words: readonly string[] }[];
  /**
   * The number that our jump is to have in POSTROUTING once `removeJumps` are gone; not finite to append it, undefined
   * to leave the one that is there.
   */
  readonly insertJump: number | undefined;
  /** Sub-chains that nothing needs, and chains of an earlier `--masq-chain` to which nothing else leads. */
  readonly removeChains: readonly string[];
}

/**
 * One transaction for `iptables-restore --noflush`. Declaring our chains creates or flushes them; nothing else is
 * declared, so nothing else is flushed.
 */
export function formatWriteText(chainName: ChainName, changes: Changes): string {
  const { chains, removeJumps, insertJump, removeChains } = changes;
  const lines = [...chains?.keys() ?? []].map(declare);
  lines.push(...removeJumps.map(formatJumpRemoval));
  if (insertJump !== undefined) {
    const place = Number.isFinite(insertJump) ? `-I POSTROUTING ${insertJump}` : "-A POSTROUTING";
    lines.push(`${place} ${formatJump(chainName)}`);
  }
  lines.push(...formatChainRemovals(removeChains));
  return formatTransaction(lines, chains);
}

/**
 * One transaction that makes chains and jump where there is no such chain, and so no jump to it, and fails otherwise.
 * Only iptables-nft that is overtaken by another writer in the midst of it tries again without the `-N`: so the chain
 * is flushed, too, and has each rule once; the jump may then stand twice.
 */
export function formatInstallText(chainName: ChainName, chains: Chains): string {
  const subChains = [...chains.keys()].filter((name) => name !== chainName).map(declare);
  const jump = `-A POSTROUTING ${formatJump(chainName)}`;
  return formatTransaction([`-N ${chainName}`, `-F ${chainName}`, ...subChains, jump], chains);
}

/** What chain and jump are written with, without the end that would put them into the kernel. */
export function formatTrialText(chainName: ChainName, chains: Chains): string {
  const changes = { chains, removeJumps: [], insertJump: Infinity, removeChains: [] };
  return formatWriteText(chainName, changes).replace(/COMMIT\n$/, "");
}

function declare(name: string): string {
  return `:${name} - [0:0]`;
}

function formatTransaction(first: readonly string[], chains: Chains = new Map()): string {
  const lines = ["*nat", ...first];
  for (const [name, rules] of chains) {
    for (const rule of rules) lines.push(`-A ${name} ${formatChainRule(rule)}`);
  }
  lines.push("COMMIT", "");
  return lines.join("\n");
}

/** One transaction that removes jumps and chains. */
export function formatRemoveText(
  { removeJumps, removeChains }: Omit<Changes, "chains" | "insertJump">,
): string {
  return formatTransaction([...removeJumps.map(formatJumpRemoval), ...formatChainRemovals(removeChains)]);
}

/** All are flushed before one is removed: they lead to each other. */
function formatChainRemovals(names: readonly string[]): string[] {
  return [...names.map((name) => `-F ${name}`), ...names.map((name) => `-X ${name}`)];
}

/** By its text, not by its number: other programs may insert rules between our reading and writing. */
function formatJumpRemoval({ words }: { readonly words: readonly string[] }): string {
  return `-D POSTROUTING ${formatWords(words)}`;
}
