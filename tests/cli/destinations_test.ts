import { assertEquals, assertThrows } from "@std/assert";
import { parseDestinations, parsePacketAddress, parseProtocol } from "../../lib/cli/destinations.ts";
import { UsageError } from "../../lib/cli/go_flags.ts";
import { formatIpAddress } from "../../lib/config/ip_address.ts";

Deno.test("parsePacketAddress() takes addresses of both families, and names what it refuses", async (t) => {
  for (const text of ["203.0.113.10", "2001:db8::1", "::fffe:a00:1", "1::ffff:a00:1"]) {
    await t.step(text, () => assertEquals(formatIpAddress(parsePacketAddress(text)), text));
  }
  const cases: [text: string, message: string][] = [
    ["10.0.0.1/8", '"10.0.0.1/8" is a CIDR: write one address, such as 10.0.0.1'],
    ["10.0.0.1/", '"10.0.0.1/" is a CIDR: write one address, such as 10.0.0.1'],
    [
      "::ffff:10.255.0.1",
      '"::ffff:10.255.0.1" is an IPv4-mapped address, which no packet carries: did you mean 10.255.0.1?',
    ],
    ["example.org", '"example.org" is a name, and names are not looked up: write an IP address'],
    ["LOCALHOST", '"LOCALHOST" is a name, and names are not looked up: write an IP address'],
    [
      "10.0.0.256",
      '"10.0.0.256" is not an IP address: 256 is over 255: write one such as 203.0.113.10 or 2001:db8::1',
    ],
    ["10.0.0", '"10.0.0" is not an IP address: write one such as 203.0.113.10 or 2001:db8::1'],
    ["a b\n", '"a b\\u000a" is not an IP address: write one such as 203.0.113.10 or 2001:db8::1'],
  ];
  for (const [text, message] of cases) {
    await t.step(JSON.stringify(text), () => {
      assertEquals(assertThrows(() => parsePacketAddress(text), SyntaxError).message, message);
    });
  }
});

Deno.test("parseDestinations() takes them all, or tells of each that is wrong", () => {
  assertEquals(parseDestinations(["10.0.0.1", "::1"]).map(formatIpAddress), ["10.0.0.1", "::1"]);
  const { message } = assertThrows(() => parseDestinations(["10.0.0.1", "x", "10.0.0.0/8"]), UsageError);
  assertEquals(message.split("\n"), [
    '"x" is a name, and names are not looked up: write an IP address',
    'ip-masq-agent: "10.0.0.0/8" is a CIDR: write one address, such as 10.0.0.0',
  ]);
  assertThrows(() => parseDestinations([]), UsageError, "explain needs an address");
});

Deno.test("parseProtocol() knows names as /etc/protocols has them, in any case, and their numbers", async (t) => {
  const cases: [name: string, number: number][] = [
    ["icmp", 1],
    ["igmp", 2],
    ["tcp", 6],
    ["udp", 17],
    ["dccp", 33],
    ["gre", 47],
    ["esp", 50],
    ["ah", 51],
    ["icmpv6", 58],
    ["sctp", 132],
    ["udplite", 136],
  ];
  for (const [name, number] of cases) {
    await t.step(name, () => {
      for (const text of [name, name.toUpperCase(), String(number), String(number).padStart(3, "0")]) {
        assertEquals(parseProtocol(text), name, text);
      }
    });
  }
  await t.step("numbers without a name here", () => {
    assertEquals(["0", "3", "003", "255"].map(parseProtocol), ["0", "3", "3", "255"]);
  });
});

Deno.test("parseProtocol() refuses what is none, and says what is near", async (t) => {
  const names = "icmp, igmp, tcp, udp, dccp, gre, esp, ah, icmpv6, sctp, udplite";
  const cases: [text: string, hint: string][] = [
    ["tpc", 'did you mean "tcp"?'],
    ["udplit", 'did you mean "udplite"?'],
    ["256", `write one of ${names}, or a number up to 255`],
    ["0006", `write one of ${names}, or a number up to 255`],
    ["-1", `write one of ${names}, or a number up to 255`],
    ["", `write one of ${names}, or a number up to 255`],
    ["toString", `write one of ${names}, or a number up to 255`],
  ];
  for (const [text, hint] of cases) {
    await t.step(JSON.stringify(text), () => {
      const { message } = assertThrows(() => parseProtocol(text), SyntaxError);
      assertEquals(message, `"${text}" is not a protocol: ${hint}`);
    });
  }
});
