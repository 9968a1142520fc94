/** What rules ask of packets, whichever tool wrote them. */
import { PROTOCOL_NAMES } from "../backends/nftables/nft_family.ts";
import { cidrContainsAddress, LOOPBACK } from "../config/cidr.ts";
import type { IpAddress } from "../config/ip_address.ts";
import { PORT_PROTOCOLS } from "../config/rule_entry.ts";
import type { Condition, PathPacket } from "./path.ts";

/** A value of a packet: numbers and addresses as bigint. Undefined where it is not known. */
export type Field = (packet: PathPacket) => bigint | string | undefined;

/** Of the host's other addresses a packet that leaves is not to one, and may be from one. */
const isLoopback = (address: IpAddress) => cidrContainsAddress(LOOPBACK[address.family], address);

/** The values of a packet that we know about. */
export const FIELDS = {
  source: ({ source }) => source?.value,
  destination: ({ destination }) => destination?.value,
  interface: (packet) => packet.interface,
  protocol: ({ protocol, destination }) =>
    protocol === "icmp" && destination?.family === "IPv6" ? "icmpv6" : protocol,
  port: ({ port, protocol }) =>
    port === undefined || protocol !== undefined && !PORT_PROTOCOLS.some((it) => it === protocol)
      ? undefined
      : BigInt(port),
  mark: ({ mark }) => mark === undefined ? undefined : BigInt(mark),
  /** What leaves the host goes to no address of its own. */
  destinationType: ({ destination }) =>
    destination !== undefined && isLoopback(destination) ? "local" : "not local",
  sourceType: ({ isFromNode, source }) =>
    isFromNode === true ? "local" : isFromNode === false ? "not local" : source && typeOfSource(source),
  unknown: () => undefined,
} as const satisfies Readonly<Record<string, Field>>;

function typeOfSource(source: IpAddress): string | undefined {
  return isLoopback(source) ? "local" : undefined;
}

/** Makes a condition. `matches` is asked where the value is known. */
export function condition(
  text: string,
  field: Field,
  matches: (value: bigint | string) => boolean | undefined,
  isNegated = false,
): Condition {
  return {
    text,
    test: (packet) => {
      const value = field(packet);
      const holds = value === undefined ? undefined : matches(value);
      return holds === undefined ? undefined : holds !== isNegated;
    },
  };
}

/** Makes a condition that we don't understand. */
export function unknownCondition(text: string): Condition {
  return { text, test: () => undefined };
}

/** Values from first to last, both included. */
export interface ValueRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** Matches values of some ranges. */
export function inRanges(ranges: readonly ValueRange[]): (value: bigint | string) => boolean {
  return (value) =>
    ranges.some(({ first, last }) => typeof value === "bigint" && first <= value && value <= last);
}

/** Matches a protocol. Of those that have other names beside we can't always tell whether they are the same. */
export function isProtocol(printed: string): (value: bigint | string) => boolean | undefined {
  const name = PROTOCOL_NAMES[printed] ?? printed;
  const isKnown = (it: unknown) => Object.values(PROTOCOL_NAMES).some((known) => known === it);
  return (value) => value === name ? true : isKnown(name) || isKnown(value) ? false : undefined;
}
