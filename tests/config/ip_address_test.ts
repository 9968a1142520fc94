import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatIpAddress, type IpAddress, parseIpAddress } from "../../lib/config/ip_address.ts";

const ipv4 = fc.bigInt({ min: 0n, max: 2n ** 32n - 1n });
const ipv6 = fc.bigInt({ min: 0n, max: 2n ** 128n - 1n });
/** Addresses with runs of zeros, which is where the spelling of IPv6 gets difficult. */
const sparseIpv6 = fc.array(fc.constantFrom<bigint>(0n, 0n, 1n, 0xdb8n, 0xffffn), {
  minLength: 8,
  maxLength: 8,
})
  .map((groups) => groups.reduce((value, group) => value << 16n | group, 0n));

const address: fc.Arbitrary<IpAddress> = fc.oneof(
  ipv4.map((value) => ({ family: "IPv4" as const, value })),
  fc.oneof(ipv6, sparseIpv6).map((value) => ({ family: "IPv6" as const, value })),
);

Deno.test("parseIpAddress() reads what formatIpAddress() writes", () => {
  fc.assert(fc.property(address, (it) => assertEquals(parseIpAddress(formatIpAddress(it)), it)));
});

Deno.test("formatIpAddress() writes IPv6 as RFC 5952 section 4 has it", async (t) => {
  const cases: [written: string, canonical: string][] = [
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"], // the first of two equal runs
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"], // the longest run
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"], // a single zero stays
    ["2001:DB8::A", "2001:db8::a"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["0:0:0:0:0:0:0:1", "::1"],
    ["fe80:0:0:0:0:0:0:0", "fe80::"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"], // "::" for a single zero is read, but not written
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
  ];
  for (const [written, canonical] of cases) {
    await t.step(written, () => assertEquals(formatIpAddress(parseIpAddress(written)), canonical));
  }
});

Deno.test("parseIpAddress() rejects what is no address", async (t) => {
  const cases: [text: string, message: string][] = [
    ["", "not an IP address"],
    ["10.0.0", "not an IP address"],
    ["10.0.0.0.0", "not an IP address"],
    ["10.0.0.x", "not an IP address"],
    ["10.0.0.256", "256 is over 255"],
    ["10.0.0.010", "leading zero"],
    ["10.0.0.01", '"01" has a leading zero'],
    ["00.0.0.1", '"00" has a leading zero'],
    ["0x0a.0.0.1", "not an IP address"],
    [" 10.0.0.1", "not an IP address"],
    ["1.2.3.4\n", "not an IP address"],
    ["1:2:3:4:5:6:7", "not an IP address"],
    ["1:2:3:4:5:6:7:8:9", "not an IP address"],
    ["1:2:3:4:5:6:7:8::", "not an IP address"],
    ["::1::", "more than once"],
    [":::", "not an IP address"],
    ["12345::", "not an IP address"],
    ["::g", "not an IP address"],
    ["1.2.3.4::", "not an IP address"],
    ["::1.2.3.4:5", "not an IP address"],
    ["fe80::1%eth0", "zone"],
  ];
  for (const [text, message] of cases) {
    await t.step(JSON.stringify(text), () => {
      assertThrows(() => parseIpAddress(text), SyntaxError, message);
    });
  }
});
