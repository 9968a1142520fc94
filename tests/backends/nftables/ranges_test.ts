import { assertEquals } from "@std/assert";
import { parseCidr } from "../../../lib/config/cidr.ts";
import {
  type AddressRange,
  formatRange,
  mergeRanges,
  parseRange,
  rangeOfCidr,
  rangesMissing,
} from "../../../lib/backends/nftables/ranges.ts";

/** `FIRST-LAST`, a prefix or an address. */
function range(text: string): AddressRange {
  return parseRange(/[-/]/.test(text) ? text : `${text}-${text}`, text.includes(":") ? "IPv6" : "IPv4");
}

const format = (ranges: readonly AddressRange[]) => ranges.map((it) => formatRange(it, "IPv4"));

Deno.test("formatRange() writes a prefix where the range is one", async (t) => {
  const cases: [text: string, written: string][] = [
    ["10.0.0.0-10.255.255.255", "10.0.0.0/8"],
    ["0.0.0.0-255.255.255.255", "0.0.0.0/0"],
    ["10.0.0.1", "10.0.0.1/32"],
    ["10.0.0.0-10.0.0.1", "10.0.0.0/31"],
    ["10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"],
    ["10.0.0.0-10.0.0.2", "10.0.0.0-10.0.0.2"],
    ["10.0.0.2-10.0.0.5", "10.0.0.2-10.0.0.5"],
    ["10.0.0.4-10.0.0.7", "10.0.0.4/30"],
  ];
  for (const [text, written] of cases) {
    await t.step(text, () => assertEquals(formatRange(range(text), "IPv4"), written));
  }
  assertEquals(formatRange(range("fe80::-fe80::1"), "IPv6"), "fe80::/127");
  assertEquals(formatRange(range("fe80::/10"), "IPv6"), "fe80::/10");
  assertEquals(formatRange(range("fe80::1-fe80::2"), "IPv6"), "fe80::1-fe80::2");
});

Deno.test("parseRange() reads a prefix as rangeOfCidr() does, and both ends of a range", () => {
  for (const text of ["0.0.0.0/0", "10.0.0.0/8", "10.0.0.1/32", "::/0", "fe80::/10", "fe80::1/128"]) {
    const cidr = parseCidr(text);
    assertEquals(parseRange(text, cidr.family), rangeOfCidr(cidr), text);
  }
  assertEquals(parseRange("0.0.0.1-0.0.1.0", "IPv4"), { first: 1n, last: 256n });
  assertEquals(parseRange("::1-::1:0", "IPv6"), { first: 1n, last: 65_536n });
});

Deno.test("mergeRanges() joins what overlaps or touches, in any order", async (t) => {
  const cases: [ranges: string[], merged: string[]][] = [
    [[], []],
    [["10.0.0.4", "10.0.0.0"], ["10.0.0.0/32", "10.0.0.4/32"]],
    [["10.0.0.1", "10.0.0.0"], ["10.0.0.0/31"]],
    [["10.0.0.0", "10.0.0.2"], ["10.0.0.0/32", "10.0.0.2/32"]],
    [["10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8"], ["10.0.0.0/7"]],
    [["10.0.0.0-10.0.0.5", "10.0.0.3-10.0.0.9"], ["10.0.0.0-10.0.0.9"]],
    [["10.0.0.0-10.0.0.5", "10.0.0.0-10.0.0.2"], ["10.0.0.0-10.0.0.5"]],
    [["10.0.0.0-10.0.0.2", "10.0.0.0-10.0.0.5"], ["10.0.0.0-10.0.0.5"]],
  ];
  for (const [ranges, merged] of cases) {
    await t.step(ranges.join(" "), () => assertEquals(format(mergeRanges(ranges.map(range))), merged));
  }
});

Deno.test("mergeRanges() sorts also addresses that are far from each other", () => {
  const merged = mergeRanges(["ffff::/16", "::1", "::2", "8000::", "::/128"].map(range));
  assertEquals(merged.map((it) => formatRange(it, "IPv6")), ["::-::2", "8000::/128", "ffff::/16"]);
});

Deno.test("rangesMissing() names the ranges that the others do not have exactly", () => {
  const of = (...texts: string[]) => texts.map(range);
  assertEquals(format(rangesMissing(of("10.0.0.0/8", "1.1.1.1"), of("1.1.1.1"))), ["10.0.0.0/8"]);
  assertEquals(format(rangesMissing(of("10.0.0.0/8"), of("10.0.0.0/9"))), ["10.0.0.0/8"]);
  assertEquals(rangesMissing(of("10.0.0.0/8"), of("10.0.0.0/8")), []);
});
