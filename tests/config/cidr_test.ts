import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { cidrContains, cidrContainsAddress, parseCidr } from "../../lib/config/cidr.ts";
import { ADDRESS_BITS, formatIpAddress, type IpFamily } from "../../lib/config/ip_address.ts";

/** An aligned prefix as text. */
const cidrText = fc.constantFrom<IpFamily>("IPv4", "IPv6").chain((family) => {
  const bits = ADDRESS_BITS[family];
  return fc.tuple(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.integer({ min: 0, max: bits }))
    .map(([value, length]) => {
      const host = BigInt(bits - length);
      return {
        text: `${formatIpAddress({ family, value: value >> host << host })}/${length}`,
        family,
        length,
      };
    });
}).filter(({ family, text, length }) => family === "IPv4" || length < 96 || !text.startsWith("::ffff:"));

Deno.test("parseCidr() keeps family, length and canonical text", () => {
  fc.assert(fc.property(cidrText, ({ text, family, length }) => {
    const cidr = parseCidr(text);
    assertEquals([cidr.text, cidr.family, cidr.prefixLength], [text, family, length]);
  }));
});

Deno.test("parseCidr() gives the canonical text of what is written otherwise", () => {
  assertEquals(parseCidr("2001:DB8:0::/32").text, "2001:db8::/32");
});

Deno.test("parseCidr() says what is wrong and what was meant", async (t) => {
  const cases: [text: string, message: string][] = [
    ["10.0.0.1/8", '"10.0.0.1/8" is not aligned: did you mean "10.0.0.0/8"?'],
    ["fd00::1/8", '"fd00::1/8" is not aligned: did you mean "fd00::/8"?'],
    ["10.0.0.1", '"10.0.0.1" is an address, not a CIDR: did you mean "10.0.0.1/32"?'],
    ["::1", '"::1" is an address, not a CIDR: did you mean "::1/128"?'],
    ["10.0.0.0/33", '"10.0.0.0/33" is not a CIDR: the part behind "/" must be a number from 0 to 32'],
    ["10.0.0.0/08", '"10.0.0.0/08" is not a CIDR: the part behind "/" must be a number from 0 to 32'],
    ["10.0.0.0/", '"10.0.0.0/" is not a CIDR: the part behind "/" must be a number from 0 to 32'],
    ["10.0.0.0/8/8", '"10.0.0.0/8/8" is not a CIDR: the part behind "/" must be a number from 0 to 32'],
    ["::/129", '"::/129" is not a CIDR: the part behind "/" must be a number from 0 to 128'],
    ["010.0.0.0/8", '"010.0.0.0/8" is not a CIDR: "010" has a leading zero, which some tools read as octal'],
    [
      "::ffff:10.0.0.0/104",
      '"::ffff:10.0.0.0/104" is an IPv4-mapped IPv6 prefix, which no packet carries: did you mean "10.0.0.0/8"?',
    ],
    ["::ffff:0:0/96", 'did you mean "0.0.0.0/0"?'],
    ["::ffff:10.1.2.3/104", 'did you mean "10.0.0.0/8"?'],
    ["::ffff:10.1.2.3/128", 'did you mean "10.1.2.3/32"?'],
    ["::ffff:0:0/95", '"::ffff:0:0/95" is not aligned: did you mean "::fffe:0:0/95"?'],
    ["example.org/8", '"example.org/8" is not a CIDR: not an IP address'],
    ["-j ACCEPT/8", '"-j ACCEPT/8" is not a CIDR: not an IP address'],
    ["10.0.0.0/8\n-A POSTROUTING -j ACCEPT", 'the part behind "/" must be a number from 0 to 32'],
    ["", '"" is not a CIDR: not an IP address'],
  ];
  for (const [text, message] of cases) {
    await t.step(JSON.stringify(text), () => void assertThrows(() => parseCidr(text), SyntaxError, message));
  }
});

Deno.test("parseCidr() makes nothing but digits, dots, colons and hex letters of any text", () => {
  const any = fc.oneof(
    fc.string(),
    fc.stringMatching(/^[0-9a-f:.\/ \-\n"]{1,30}$/),
    cidrText.map(({ text }) => text),
  );
  fc.assert(fc.property(any, (text) => {
    try {
      assert(/^[0-9a-f.:]+\/[0-9]+$/.test(parseCidr(text).text));
    } catch (error) {
      assert(error instanceof SyntaxError);
    }
  }));
});

Deno.test("cidrContains() is true for a prefix and its parts only", () => {
  fc.assert(fc.property(cidrText, cidrText, (a, b) => {
    const [outer, inner] = [parseCidr(a.text), parseCidr(b.text)];
    const bits = BigInt(ADDRESS_BITS[inner.family]);
    const first = { family: inner.family, value: inner.address };
    const last = {
      family: inner.family,
      value: inner.address + 2n ** (bits - BigInt(inner.prefixLength)) - 1n,
    };
    const expected = cidrContainsAddress(outer, first) && cidrContainsAddress(outer, last);
    assertEquals(cidrContains(outer, inner), expected);
    assert(cidrContains(outer, outer));
  }));
});
