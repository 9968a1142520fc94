/** IPv4 and IPv6 addresses: strict parsing and the spelling that tools print. */

/** The two families; each has its own rules, commands and fate. */
export type IpFamily = "IPv4" | "IPv6";

/** An address as a number of 32 (IPv4) or 128 (IPv6) bits. */
export interface IpAddress {
  readonly family: IpFamily;
  readonly value: bigint;
}

/** Number of bits in an address of each family. */
export const ADDRESS_BITS: Readonly<Record<IpFamily, number>> = { IPv4: 32, IPv6: 128 };

/**
 * Parses an IPv4 address in dotted decimal form, or an IPv6 address in the forms of RFC 4291 section 2.2.
 * Leading zeros in IPv4 numbers and IPv6 zones (`%eth0`) are refused.
 *
 * @throws {SyntaxError} Says what is wrong, without repeating the text: the caller knows where it came from.
 */
export function parseIpAddress(text: string): IpAddress {
  return text.includes(":")
    ? { family: "IPv6", value: parseIpv6(text) }
    : { family: "IPv4", value: parseIpv4(text) };
}

function parseIpv4(text: string): bigint {
  const parts = text.split(".");
  if (parts.length !== 4) throw new SyntaxError("not an IP address");
  let value = 0;
  for (const part of parts) {
    if (!/^[0-9]{1,10}$/.test(part)) throw new SyntaxError("not an IP address");
    if (part.length > 1 && part.startsWith("0")) {
      throw new SyntaxError(`"${part}" has a leading zero, which some tools read as octal`);
    }
    if (Number(part) > 255) throw new SyntaxError(`${part} is over 255`);
    value = value * 256 + Number(part);
  }
  return BigInt(value);
}

function parseIpv6(text: string): bigint {
  if (text.includes("%")) throw new SyntaxError("an IPv6 zone is not allowed here");
  const halves = text.split("::");
  if (halves.length > 2) throw new SyntaxError('"::" stands more than once');
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = parseGroups(halves[1] ?? "", true);
  const zeros = 8 - head.length - tail.length;
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) throw new SyntaxError("not an IP address");
  // One big number from one text: sixteen steps by shifting would leave as many numbers behind.
  return BigInt(`0x${hex(head)}${"0000".repeat(zeros)}${hex(tail)}`);
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16).padStart(4, "0")).join("");
}

/** Groups of 16 bits; the last two may be written as an IPv4 address where `mayEndInIpv4`. */
function parseGroups(text: string, mayEndInIpv4: boolean): number[] {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (part.includes(".") && mayEndInIpv4 && index === parts.length - 1) {
      const value = Number(parseIpv4(part));
      groups.push(value >>> 16, value & 0xffff);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      groups.push(parseInt(part, 16));
    } else {
      throw new SyntaxError("not an IP address");
    }
  }
  return groups;
}

/** Writes an address as tools print it: dotted decimal, or the canonical form of RFC 5952 section 4. */
export function formatIpAddress({ family, value }: IpAddress): string {
  if (family === "IPv4") {
    const number = Number(value);
    return `${number >>> 24}.${number >>> 16 & 255}.${number >>> 8 & 255}.${number & 255}`;
  }
  const groups = value.toString(16).padStart(32, "0").match(/.{4}/g)!.map((group) => parseInt(group, 16));
  const gap = longestZeroRun(groups);
  const join = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (gap === undefined) return join(groups);
  return `${join(groups.slice(0, gap.start))}::${join(groups.slice(gap.start + gap.length))}`;
}

/** The first of the longest runs of zeros; a single zero is none. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } | undefined {
  let best: { start: number; length: number } | undefined;
  for (const start of groups.keys()) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > (best?.length ?? 1)) best = { start, length: end - start };
  }
  return best;
}
