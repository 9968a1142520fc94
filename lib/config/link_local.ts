/** Destinations on the node's own link, which routers never forward. */
import { type Cidr, parseCidr } from "./cidr.ts";
import type { IpFamily } from "./ip_address.ts";

/** RFC 3927 for IPv4, RFC 4291 section 2.5.6 for IPv6. */
export const LINK_LOCAL: Readonly<Record<IpFamily, Cidr>> = {
  IPv4: parseCidr("169.254.0.0/16"),
  IPv6: parseCidr("fe80::/10"),
};

/** The key of a config that takes the exemption from these destinations. */
export const LINK_LOCAL_KEY = { IPv4: "masqLinkLocal", IPv6: "masqLinkLocalIPv6" } as const;
