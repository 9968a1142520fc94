/** What the installed iptables is and can do, read from `iptables-restore --version`. */
import type { Capabilities } from "./chain_rule.ts";

/** A version of iptables and the kernel interface that it uses. */
export interface IptablesVersion {
  /** Major, minor and patch number. */
  readonly numbers: readonly [number, number, number];
  /** `nft` writes nf_tables through a compatible interface, `legacy` x_tables. Before 1.8.0 there was only legacy. */
  readonly variant: "nft" | "legacy";
}

/**
 * Parses `iptables-restore v1.8.9 (nf_tables)`.
 *
 * @throws {SyntaxError} It is not of that form.
 */
export function parseIptablesVersion(text: string): IptablesVersion {
  const match = /\bv(\d+)\.(\d+)\.(\d+)(?:.*\((nf_tables|legacy)\))?/.exec(text);
  if (match === null) throw new SyntaxError(`Cannot find a version in "${text.trim().slice(0, 80)}"`);
  return {
    numbers: [Number(match[1]), Number(match[2]), Number(match[3])],
    variant: match[4] === "nf_tables" ? "nft" : "legacy",
  };
}

/** iptables-extensions(8) has MASQUERADE's `--random-fully` since 1.6.2. */
export function capabilitiesOf({ numbers }: IptablesVersion): Capabilities {
  return { randomFully: isAtLeast(numbers, [1, 6, 2]) };
}

function isAtLeast(numbers: readonly number[], least: readonly number[]): boolean {
  for (const [index, number] of least.entries()) {
    if (numbers[index] !== number) return (numbers[index] ?? 0) > number;
  }
  return true;
}

/** Whether the nft variant warned on standard error, as it does when it lists, that legacy tables exist. */
export function mentionsLegacyTables(stderr: string): boolean {
  return /tables-legacy tables present/.test(stderr);
}
