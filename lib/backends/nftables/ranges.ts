/** Ranges of addresses: what a set covers, however its elements are cut. */
import type { Cidr } from "../../config/cidr.ts";
import { ADDRESS_BITS, formatIpAddress, type IpFamily, parseIpAddress } from "../../config/ip_address.ts";

/** Addresses from `first` to `last`, both included. */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** The addresses of a prefix. */
export function rangeOfCidr({ family, address, prefixLength }: Cidr): AddressRange {
  return { first: address, last: lastOfPrefix(address, ADDRESS_BITS[family] - prefixLength) };
}

/** Reads what {@linkcode formatRange} writes. */
export function parseRange(text: string, family: IpFamily): AddressRange {
  const [address = "", prefixLength] = text.split("/");
  if (prefixLength === undefined) {
    const [first = "", last = ""] = text.split("-");
    return { first: parseIpAddress(first).value, last: parseIpAddress(last).value };
  }
  const first = parseIpAddress(address).value;
  return { first, last: lastOfPrefix(first, ADDRESS_BITS[family] - Number(prefixLength)) };
}

/** The last address of a prefix that leaves `hostBits` bits open. */
export function lastOfPrefix(first: bigint, hostBits: number): bigint {
  return first + (1n << BigInt(hostBits)) - 1n;
}

/**
 * Sorts ranges and joins those that overlap or touch. Two sets match the same addresses exactly when this gives the
 * same for both, whether nft printed an element as a prefix, as a range, or joined with its neighbour.
 */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const sorted = ranges.toSorted((a, b) => Number(a.first - b.first));
  const merged: { first: bigint; last: bigint }[] = [];
  for (const { first, last } of sorted) {
    const before = merged.at(-1);
    if (before === undefined || first > before.last + 1n) merged.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return merged;
}

/** The ranges of `a` that are no ranges of `b`; both merged. */
export function rangesMissing(a: readonly AddressRange[], b: readonly AddressRange[]): AddressRange[] {
  const lasts = new Map(b.map(({ first, last }) => [first, last]));
  return a.filter(({ first, last }) => lasts.get(first) !== last);
}

/** Writes a range as a prefix where it is one, else as `first-last`. */
export function formatRange({ first, last }: AddressRange, family: IpFamily): string {
  const size = last - first + 1n;
  const hostBits = size.toString(2).length - 1;
  const text = formatIpAddress({ family, value: first });
  const isPrefix = (size & (size - 1n)) === 0n && first % size === 0n;
  if (isPrefix) return `${text}/${ADDRESS_BITS[family] - hostBits}`;
  return `${text}-${formatIpAddress({ family, value: last })}`;
}
