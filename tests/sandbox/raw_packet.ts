/**
 * First packets of connections, byte by byte, with right checksums: connection tracking passes over wrong ones.
 *
 * @module
 */
import { type IpAddress, parseIpAddress } from "../../lib/config/ip_address.ts";
import type { Protocol } from "../../lib/config/rule_entry.ts";

/** What a packet is to be. */
export interface RawPacket {
  readonly source: string;
  readonly destination: string;
  readonly protocol: Protocol;
  /** The source port, or the identifier of an echo request. */
  readonly sourcePort: number;
  /** The destination port; echo requests have none. */
  readonly port: number;
  /** Bytes behind the header of the protocol, an even number: by its length a packet is known again. */
  readonly payload: number;
}

const NUMBERS = { tcp: 6, udp: 17, sctp: 132, icmp: 1 } as const;
const HEADERS = { tcp: 20, udp: 8, sctp: 32, icmp: 8 } as const;
const ICMPV6 = 58;

/** The length that the IP header of the packet has: IPv4 counts itself, IPv6 does not. */
export function lengthInHeader({ protocol, source, payload }: RawPacket): number {
  return HEADERS[protocol] + payload + (source.includes(":") ? 0 : 20);
}

/** The packet from its IP header on. The kernel fills in IPv4's checksum. */
export function packetBytes(packet: RawPacket): Uint8Array {
  const [source, destination] = [packet.source, packet.destination].map((it) => bytesOf(parseIpAddress(it)));
  const isIpv6 = source!.length === 16;
  const number = isIpv6 && packet.protocol === "icmp" ? ICMPV6 : NUMBERS[packet.protocol];
  const body = new Uint8Array(HEADERS[packet.protocol] + packet.payload);
  const view = new DataView(body.buffer);
  view.setUint16(0, packet.sourcePort);
  view.setUint16(2, packet.port);
  const sum = () => {
    const hasPseudoHeader = packet.protocol !== "icmp" || isIpv6;
    return checksum(hasPseudoHeader ? [source!, destination!, words(number, body.length), body] : [body]);
  };
  switch (packet.protocol) {
    case "tcp":
      view.setUint32(4, 1);
      view.setUint16(12, 0x5002); // Five words of header, SYN.
      view.setUint16(14, 1024);
      view.setUint16(16, sum());
      break;
    case "udp":
      view.setUint16(4, body.length);
      view.setUint16(6, sum());
      break;
    case "sctp":
      view.setUint8(12, 1); // INIT, of which all that follows is a part.
      view.setUint16(14, body.length - 12);
      view.setUint32(16, 1);
      view.setUint32(20, 65536);
      view.setUint32(24, 0x00010001);
      view.setUint32(8, crc32c(body), true);
      break;
    case "icmp":
      view.setUint16(0, isIpv6 ? 0x8000 : 0x0800); // Echo request.
      view.setUint16(2, 0);
      view.setUint16(4, packet.sourcePort);
      view.setUint16(2, sum());
      break;
  }
  return concat([header(number, body.length, source!, destination!), body]);
}

function header(protocol: number, length: number, source: Uint8Array, destination: Uint8Array): Uint8Array {
  if (source.length === 16) {
    return concat([
      new Uint8Array([0x60, 0, 0, 0, length >> 8, length & 255, protocol, 64]),
      source,
      destination,
    ]);
  }
  const total = length + 20;
  const start = [0x45, 0, total >> 8, total & 255, 0, 0, 0, 0, 64, protocol, 0, 0];
  return concat([new Uint8Array(start), source, destination]);
}

/** The bytes of an address. */
export function bytesOf({ family, value }: IpAddress): Uint8Array {
  const digits = value.toString(16).padStart(family === "IPv4" ? 8 : 32, "0");
  return new Uint8Array(digits.match(/../g)!.map((it) => parseInt(it, 16)));
}

function words(a: number, b: number): Uint8Array {
  return new Uint8Array([a >> 8, a & 255, b >> 8, b & 255]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The checksum of RFC 1071 over parts of even lengths. */
function checksum(parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) sum += part[at]! << 8 | part[at + 1]!;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff || 0xffff;
}

/** The checksum of SCTP (RFC 9260, appendix A). */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
