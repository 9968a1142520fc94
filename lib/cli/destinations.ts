/** Addresses and protocols that a person asks about. */
import { parseInterfacePattern, wildcardStart } from "../config/interface_name.ts";
import { formatIpAddress, type IpAddress, parseIpAddress } from "../config/ip_address.ts";
import { nearest } from "../config/nearest.ts";
import { printable } from "../config/printable.ts";
import { UsageError } from "./go_flags.ts";

/** The upper 96 bits of an IPv4-mapped IPv6 address. */
const IPV4_MAPPED = 0xffffn;

/**
 * Parses the address of a packet.
 *
 * @throws {SyntaxError} It is a name, a CIDR or nonsense; says what to write.
 */
export function parsePacketAddress(text: string): IpAddress {
  const shown = `"${printable(text)}"`;
  const [address = "", ...length] = text.split("/");
  let parsed: IpAddress;
  try {
    parsed = parseIpAddress(address);
  } catch (error) {
    if (/^[a-z0-9_-]*[a-z][a-z0-9_.-]*$/i.test(text)) {
      throw new SyntaxError(`${shown} is a name, and names are not looked up: write an IP address`);
    }
    const { message } = error as Error;
    const why = message === "not an IP address" ? "" : `: ${printable(message)}`;
    throw new SyntaxError(
      `${shown} is not an IP address${why}: write one such as 203.0.113.10 or 2001:db8::1`,
    );
  }
  if (length.length > 0) {
    throw new SyntaxError(`${shown} is a CIDR: write one address, such as ${formatIpAddress(parsed)}`);
  }
  if (parsed.family === "IPv6" && parsed.value >> 32n === IPV4_MAPPED) {
    const ipv4 = formatIpAddress({ family: "IPv4", value: parsed.value & 0xffffffffn });
    throw new SyntaxError(
      `${shown} is an IPv4-mapped address, which no packet carries: did you mean ${ipv4}?`,
    );
  }
  return parsed;
}

/**
 * Parses all addresses.
 *
 * @throws {UsageError} There is none, or some are wrong: one line for each.
 */
export function parseDestinations(words: readonly string[]): IpAddress[] {
  if (words.length === 0) {
    throw new UsageError("explain needs an address: write ip-masq-agent explain 203.0.113.10");
  }
  const addresses: IpAddress[] = [];
  const errors: string[] = [];
  for (const word of words) {
    try {
      addresses.push(parsePacketAddress(word));
    } catch (error) {
      errors.push((error as Error).message);
    }
  }
  if (errors.length > 0) throw new UsageError(errors.join("\nip-masq-agent: "));
  return addresses;
}

/**
 * Checks the name of one interface.
 *
 * @throws {SyntaxError} It is none, or a pattern.
 */
export function parseInterfaceName(text: string): string {
  if (wildcardStart(parseInterfacePattern(text)) === undefined) return text;
  throw new SyntaxError(`"${text}" is a pattern: write one interface such as "eth0"`);
}

/**
 * Parses a destination port.
 *
 * @throws {SyntaxError} It is none.
 */
export function parsePort(text: string): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535) return Number(text);
  throw new SyntaxError(`"${printable(text)}" is not a port: write a number from 1 to 65535`);
}

/** Protocols by name, with the numbers of the IANA registry "Protocol Numbers". */
const PROTOCOLS: Readonly<Record<string, number>> = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
};

/**
 * Parses a protocol's name or number and returns its name, or its number where that has no name here.
 *
 * @throws {SyntaxError} It is neither.
 */
export function parseProtocol(text: string): string {
  const name = text.toLowerCase();
  if (Object.hasOwn(PROTOCOLS, name)) return name;
  if (/^[0-9]{1,3}$/.test(text) && Number(text) <= 255) {
    return Object.keys(PROTOCOLS).find((it) => PROTOCOLS[it] === Number(text)) ?? String(Number(text));
  }
  const names = Object.keys(PROTOCOLS);
  const meant = nearest(text, names);
  const hint = meant === undefined
    ? `write one of ${names.join(", ")}, or a number up to 255`
    : `did you mean "${meant}"?`;
  throw new SyntaxError(`"${printable(text)}" is not a protocol: ${hint}`);
}
