/**
 * What `nft -j list table` (1.0.6) prints for a table, so that tests need no kernel.
 *
 * @module
 */
import { NFT_FAMILY, type NftTable, TABLE_NAME } from "../../lib/backends/nftables/nft_table.ts";

/** An item of the listing; tests change it as they like. */
// deno-lint-ignore no-explicit-any
export type ListingItem = Record<string, any>;

/** The items of a listing of `table` as it stands right after it was written. */
export function listingItems(table: NftTable): ListingItem[] {
  const family = NFT_FAMILY[table.family];
  const common = { family, table: TABLE_NAME, handle: 1 };
  return [
    { metainfo: { version: "1.0.6", release_name: "Lester Gooch #5", json_schema_version: 1 } },
    { table: { family, name: TABLE_NAME, handle: 1 } },
    ...table.counters.map((name) => ({ counter: { ...common, name, packets: 0, bytes: 0 } })),
    ...table.sets.map(({ name, comment, elements }) => ({
      set: {
        ...common,
        name,
        comment,
        type: { IPv4: "ipv4_addr", IPv6: "ipv6_addr" }[table.family],
        flags: ["interval"],
        elem: elements.map(({ text, prefixLength }) => {
          const [addr] = text.split("/");
          const isAddress = prefixLength === { IPv4: 32, IPv6: 128 }[table.family];
          return isAddress ? addr : { prefix: { addr, len: prefixLength } };
        }),
      },
    })),
    {
      chain: {
        ...common,
        name: "postrouting",
        type: "nat",
        hook: "postrouting",
        prio: 100,
        policy: "accept",
      },
    },
    { chain: { ...common, name: "translate" } },
    ...table.rules.map(({ chain, comment, expr }) => ({ rule: { ...common, chain, comment, expr } })),
  ];
}

/** The items as nft prints them. */
export function formatListing(items: readonly ListingItem[]): string {
  return JSON.stringify({ nftables: items }).replace(/":/g, '": ').replace(/,"/g, ', "');
}
