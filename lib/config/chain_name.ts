/** The name of the agent's own chain, as `--masq-chain` gives it. */

declare const parsed: unique symbol;

/** A name that iptables and nft take as it is. Only {@linkcode parseChainName} makes one. */
export type ChainName = string & { readonly [parsed]: true };

/** iptables and ip6tables refuse a name of 29 characters: XT_EXTENSION_MAXNAMELEN in the kernel's x_tables.h. */
const LONGEST = 28;

const BUILT_IN = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/** Targets that need no chain: a chain of that name could never be jumped to. */
const TARGETS = ["ACCEPT", "DROP", "QUEUE", "RETURN", "MASQUERADE", "SNAT", "DNAT"];

/**
 * Checks the name of a chain: 1 to 28 characters of `[A-Za-z0-9_.-]`, not starting with `-`, not a built-in chain's
 * or target's name.
 *
 * @throws {SyntaxError} Says which of these is broken.
 */
export function parseChainName(text: string): ChainName {
  if (text.length === 0 || text.length > LONGEST) {
    throw new SyntaxError(`"${text}" is not a chain name: it must have 1 to ${LONGEST} characters`);
  }
  if (!/^[A-Za-z0-9_.][A-Za-z0-9_.-]*$/.test(text)) {
    throw new SyntaxError(
      `"${text}" is not a chain name: use letters, digits, "_", "." and "-", and don't start with "-"`,
    );
  }
  if (BUILT_IN.includes(text) || TARGETS.includes(text)) {
    throw new SyntaxError(`"${text}" is the name of a built-in chain or target: choose another one`);
  }
  return text as ChainName;
}
