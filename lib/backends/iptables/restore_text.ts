/** What standard input of iptables-restore has to say, for reading and for writing. */
import type { ChainName } from "../../config/chain_name.ts";
import { type ChainRule, formatChainRule, quoteWord } from "./chain_rule.ts";
import type { Standing, StandingJump } from "./listing.ts";

/** The comment of the jump, byte for byte upstream's. Other tools search for it. */
function jumpComment(chainName: ChainName): string {
  return "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom " +
    `${chainName} chain`;
}

/** The jump from POSTROUTING to our chain, without `-A POSTROUTING`. */
export function formatJump(chainName: ChainName): string {
  const comment = quoteWord(jumpComment(chainName));
  return `-m comment --comment ${comment} -m addrtype ! --dst-type LOCAL -j ${chainName}`;
}

/** Whether a standing jump is spelled as we would, comment included. */
export function isOurSpelling(jump: StandingJump, chainName: ChainName): boolean {
  return jump.words.map(quoteWord).join(" ") === formatJump(chainName);
}

/**
 * A text that makes iptables-restore list both chains and change nothing. One process reads what two calls of
 * `iptables -S` would. POSTROUTING comes first: where only its listing is printed, our chain does not exist.
 */
export function formatReadText(chainName: ChainName): string {
  return ["*nat", "-S POSTROUTING", `-S ${chainName}`, "COMMIT", ""].join("\n");
}

/** A text that makes iptables-restore list our chain with its counters, and change nothing. */
export function formatCountersText(chainName: ChainName): string {
  return ["*nat", `-S ${chainName} -v`, "COMMIT", ""].join("\n");
}

/** The changes of one transaction. */
export interface Changes {
  /** Rules that replace the whole chain, undefined to leave it as it is. */
  readonly chain: readonly ChainRule[] | undefined;
  /** Jumps to remove. */
  readonly removeJumps: readonly StandingJump[];
  /** Whether to append our jump. */
  readonly addJump: boolean;
}

/**
 * One transaction for `iptables-restore --noflush`. Declaring our chain creates or flushes it; nothing else is
 * declared, so nothing else is flushed.
 */
export function formatWriteText(chainName: ChainName, { chain, removeJumps, addJump }: Changes): string {
  const lines: string[] = [];
  if (chain !== undefined) lines.push(`:${chainName} - [0:0]`);
  lines.push(...removeJumps.map(formatJumpRemoval));
  if (addJump) lines.push(`-A POSTROUTING ${formatJump(chainName)}`);
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

/** One transaction that removes jumps and, where it stands, our chain. */
export function formatRemoveText(chainName: ChainName, { chain, jumps }: Standing): string {
  const lines = ["*nat", ...jumps.map(formatJumpRemoval)];
  if (chain !== undefined) lines.push(`-F ${chainName}`, `-X ${chainName}`);
  lines.push("COMMIT", "");
  return lines.join("\n");
}

/** By its text, not by its number: other programs may insert rules between our reading and writing. */
function formatJumpRemoval({ words }: StandingJump): string {
  return `-D POSTROUTING ${words.map(quoteWord).join(" ")}`;
}
