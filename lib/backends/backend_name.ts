/** The ways to write rules that a user can choose from. */

/** `iptables` is whatever the host has under that name; the next two are its variants by name. */
export const BACKEND_NAMES = ["iptables", "iptables-nft", "iptables-legacy", "nftables"] as const;

/** One of them. */
export type BackendName = typeof BACKEND_NAMES[number];

/** What `--backend` takes: one of them, or `auto` for the one that this host uses. */
export type BackendChoice = BackendName | "auto";

/**
 * Parses the value of `--backend`.
 *
 * @throws {SyntaxError} It is none of them.
 */
export function parseBackendChoice(text: string): BackendChoice {
  const choices: readonly BackendChoice[] = ["auto", ...BACKEND_NAMES];
  const choice = choices.find((it) => it === text);
  if (choice === undefined) throw new SyntaxError(`"${text}" is no backend: use ${choices.join(", ")}`);
  return choice;
}
