/** Address prefixes such as `10.0.0.0/8`, the only form in which a destination reaches a rule. */
import {
  ADDRESS_BITS,
  formatIpAddress,
  type IpAddress,
  type IpFamily,
  parseIpAddress,
} from "./ip_address.ts";

declare const parsed: unique symbol;

/** An aligned prefix. Only {@linkcode parseCidr} makes one, so its text is safe in a rule. */
export interface Cidr {
  readonly family: IpFamily;
  /** The first address of the prefix. */
  readonly address: bigint;
  /** Number of leading bits that an address must share, 0 to 32 or 128. */
  readonly prefixLength: number;
  /** Canonical text, as iptables and nft print it. */
  readonly text: string;
  readonly [parsed]: true;
}

const IPV4_MAPPED = 0xffffn;

/**
 * Parses a prefix in the notation of RFC 4632 (IPv4) or RFC 4291 section 2.3 (IPv6). Refused are bits set behind the
 * prefix, leading zeros, a bare address, and prefixes of IPv4-mapped IPv6 addresses: upstream takes those for IPv4
 * and then fails at every restore.
 *
 * @throws {SyntaxError} Quotes the text, says what is wrong and, where it is plain, what was meant.
 */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf("/");
  const address = parseAddressPart(text, slash === -1 ? text : text.slice(0, slash));
  const bits = ADDRESS_BITS[address.family];
  if (slash === -1) {
    throw new SyntaxError(
      `"${text}" is an address, not a CIDR: did you mean "${formatIpAddress(address)}/${bits}"?`,
    );
  }
  const lengthText = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(lengthText) || Number(lengthText) > bits) {
    throw new SyntaxError(`"${text}" is not a CIDR: the part behind "/" must be a number from 0 to ${bits}`);
  }
  const prefixLength = Number(lengthText);
  if (address.family === "IPv6" && address.value >> 32n === IPV4_MAPPED && prefixLength >= 96) {
    const ipv4 = maskAddress({ family: "IPv4", value: address.value & 0xffffffffn }, prefixLength - 96);
    throw new SyntaxError(
      `"${text}" is an IPv4-mapped IPv6 prefix, which no packet carries: did you mean ` +
        `"${formatIpAddress(ipv4)}/${prefixLength - 96}"?`,
    );
  }
  const first = maskAddress(address, prefixLength);
  const canonical = `${formatIpAddress(first)}/${prefixLength}`;
  if (first.value !== address.value) {
    throw new SyntaxError(`"${text}" is not aligned: did you mean "${canonical}"?`);
  }
  // The text that is there already, where it is the same: lists may be long.
  const kept = text === canonical ? text : canonical;
  return { family: address.family, address: first.value, prefixLength, text: kept } as Cidr;
}

function parseAddressPart(whole: string, part: string): IpAddress {
  try {
    return parseIpAddress(part);
  } catch (error) {
    throw new SyntaxError(`"${whole}" is not a CIDR: ${(error as Error).message}`);
  }
}

function maskAddress(address: IpAddress, prefixLength: number): IpAddress {
  const hostBits = BigInt(ADDRESS_BITS[address.family] - prefixLength);
  return { family: address.family, value: address.value >> hostBits << hostBits };
}

/** Whether every address of `inner` is one of `outer`. False across families. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  return outer.prefixLength <= inner.prefixLength &&
    cidrContainsAddress(outer, { family: inner.family, value: inner.address });
}

/** Whether `address` is one of `cidr`. False across families. */
export function cidrContainsAddress(cidr: Cidr, address: IpAddress): boolean {
  return cidr.family === address.family && maskAddress(address, cidr.prefixLength).value === cidr.address;
}

/** The narrowest prefix that contains all of these, of which there is one at least and all of one family. */
export function commonPrefix(cidrs: readonly Cidr[]): Cidr {
  const { family } = cidrs[0]!;
  let [first, last, shortest] = [cidrs[0]!.address, cidrs[0]!.address, ADDRESS_BITS[family]];
  for (const { address, prefixLength } of cidrs) {
    if (address < first) first = address;
    if (address > last) last = address;
    shortest = Math.min(shortest, prefixLength);
  }
  const different = first === last ? 0 : (first ^ last).toString(2).length;
  const prefixLength = Math.min(shortest, ADDRESS_BITS[family] - different);
  return parseCidr(`${formatIpAddress(maskAddress({ family, value: first }, prefixLength))}/${prefixLength}`);
}

/** Whether a bit of a prefix's address is set; the first is 0. */
export function hasBit({ family, address }: Cidr, bit: number): boolean {
  return (address >> BigInt(ADDRESS_BITS[family] - 1 - bit) & 1n) === 1n;
}

/** Addresses that are a host's own on every host: RFC 1122, section 3.2.1.3, and RFC 4291, section 2.5.3. */
export const LOOPBACK: Readonly<Record<IpFamily, Cidr>> = {
  IPv4: parseCidr("127.0.0.0/8"),
  IPv6: parseCidr("::1/128"),
};

/** Destinations on the node's own link, which routers never forward: RFC 3927, and RFC 4291 section 2.5.6. */
export const LINK_LOCAL: Readonly<Record<IpFamily, Cidr>> = {
  IPv4: parseCidr("169.254.0.0/16"),
  IPv6: parseCidr("fe80::/10"),
};
