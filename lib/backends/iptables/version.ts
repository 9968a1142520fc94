/** What iptables-restore says of itself. */

/** `nft` writes nf_tables through a compatible interface, `legacy` x_tables. */
export type Variant = "nft" | "legacy";

/** The variant that `iptables-restore --version` names, as in `iptables-restore v1.8.9 (nf_tables)`. */
export function variantOf(version: string): Variant | undefined {
  const name = /\bv\d+\.\d+.*\((nf_tables|legacy)\)/.exec(version)?.[1];
  return name === undefined ? undefined : name === "nf_tables" ? "nft" : "legacy";
}

/** Whether the nft variant warned on standard error, as it does when it lists, that legacy tables exist. */
export function mentionsLegacyTables(stderr: string): boolean {
  return /tables-legacy tables present/.test(stderr);
}
