/** The address, or the range of addresses, that a rule gives to what it translates. */
import { formatIpAddress, type IpAddress, type IpFamily, parseIpAddress } from "./ip_address.ts";

declare const parsed: unique symbol;

/** Addresses of one family from `first` to `last`, both included. Only {@linkcode parseSourceAddress} makes one. */
export interface SourceAddress {
  readonly family: IpFamily;
  readonly first: bigint;
  readonly last: bigint;
  readonly [parsed]: true;
}

/** The upper 96 bits of an IPv4-mapped IPv6 address. */
const IPV4_MAPPED = 0xffffn;

/**
 * Parses `A`, or `A-B` for a range.
 *
 * @throws {SyntaxError} It is neither, its ends are of two families, or no packet can come from there.
 * @throws {RangeError} The range is empty.
 */
export function parseSourceAddress(text: string): SourceAddress {
  if (text.includes("/")) {
    throw new SyntaxError(
      `"${text}" is a CIDR: write one address such as "198.51.100.7", or a range such as "198.51.100.7-198.51.100.9"`,
    );
  }
  const [from = "", to = from, ...others] = text.split("-");
  if (others.length > 0) throw new SyntaxError(`"${text}" is not an address or a range of them`);
  const [first, last] = [parsePart(text, from.trim()), parsePart(text, to.trim())];
  if (first.family !== last.family) throw new SyntaxError(`"${text}" has addresses of two families`);
  if (first.value > last.value) {
    throw new RangeError(
      `"${text}" is empty: did you mean "${formatIpAddress(last)}-${formatIpAddress(first)}"?`,
    );
  }
  return { family: first.family, first: first.value, last: last.value } as SourceAddress;
}

function parsePart(whole: string, part: string): IpAddress {
  let address: IpAddress;
  try {
    address = parseIpAddress(part);
  } catch (error) {
    throw new SyntaxError(`"${whole}" is not an address or a range of them: ${(error as Error).message}`);
  }
  if (address.value === 0n || address.family === "IPv6" && address.value >> 32n === IPV4_MAPPED) {
    throw new SyntaxError(`"${whole}" can't be used: no packet comes from ${formatIpAddress(address)}`);
  }
  return address;
}

/** Writes an address as iptables and nft print it: `A-B`, or only `A` where there is no other. */
export function formatSourceAddress({ family, first, last }: SourceAddress): string {
  const [from, to] = [first, last].map((value) => formatIpAddress({ family, value }));
  return first === last ? from! : `${from}-${to}`;
}
