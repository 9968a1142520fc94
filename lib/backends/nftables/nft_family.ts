/** Names of nft, apart from all that writes its tables: a start with iptables needs no more. */
import type { IpFamily } from "../../config/ip_address.ts";

/** How nft calls the families. */
export const NFT_FAMILY = { IPv4: "ip", IPv6: "ip6" } as const satisfies Record<IpFamily, string>;

/** Protocols as nft's rules are written, by the names and numbers that it prints where it has no /etc/protocols. */
export const PROTOCOL_NAMES: Readonly<Record<string, string>> = {
  "1": "icmp",
  "6": "tcp",
  "17": "udp",
  "58": "icmpv6",
  "ipv6-icmp": "icmpv6",
  "132": "sctp",
};
