import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatPortRanges, parsePortRanges, portRangeSize } from "../../lib/config/port_range.ts";

Deno.test("parsePortRanges() reads ranges, single ports, both, and none", () => {
  const pairs = (text: string) => parsePortRanges(text).map(({ first, last }) => [first, last]);
  assertEquals(pairs(""), []);
  assertEquals(pairs("1024-29999"), [[1024, 29999]]);
  assertEquals(pairs("40000"), [[40000, 40000]]);
  assertEquals(pairs("5,7,9-11"), [[5, 5], [7, 7], [9, 11]]);
  assertEquals(pairs("1-1,2-2,65535-65535"), [[1, 1], [2, 2], [65535, 65535]]);
  assertEquals(pairs("32768-65535,1024-29999"), [[32768, 65535], [1024, 29999]]);
});

Deno.test("parsePortRanges() reads what formatPortRanges() writes", () => {
  assertEquals(formatPortRanges(parsePortRanges("5-5,7,9-11")), "5,7,9-11");
  const ports = fc.uniqueArray(fc.integer({ min: 1, max: 65535 }), { minLength: 2, maxLength: 12 });
  fc.assert(fc.property(ports, (numbers) => {
    const sorted = numbers.sort((a, b) => a - b);
    const texts: string[] = [];
    for (let at = 0; at + 1 < sorted.length; at += 2) texts.push(`${sorted[at]}-${sorted[at + 1]}`);
    const text = texts.join(",");
    const ranges = parsePortRanges(text);
    assertEquals(formatPortRanges(ranges), text);
    assert(ranges.every((range) => portRangeSize(range) >= 1));
  }));
});

Deno.test("parsePortRanges() rejects bad ranges, and says what to write", async (t) => {
  type Case = [text: string, kind: typeof SyntaxError | typeof RangeError, message: string];
  const cases: Case[] = [
    ["0-70000", RangeError, '"0-70000" is not within the ports 1 to 65535'],
    ["0-5", RangeError, '"0-5" is not within the ports 1 to 65535'],
    ["5-65536", RangeError, '"5-65536" is not within the ports 1 to 65535'],
    ["9-5", RangeError, '"9-5" is empty: did you mean "5-9"?'],
    ["1-10,10-20", RangeError, '"1-10" and "10-20" overlap'],
    ["10-20,1-10", RangeError, '"10-20" and "1-10" overlap'],
    ["5-6,1-100", RangeError, '"5-6" and "1-100" overlap'],
    ["1-9,20-29,10-20", RangeError, '"20-29" and "10-20" overlap'],
    ["1-5,8-9,4-8", RangeError, '"1-5" and "4-8" overlap'],
    ["1-100,5-6", RangeError, '"1-100" and "5-6" overlap'],
    ["0", RangeError, '"0" is not within the ports 1 to 65535'],
    ["65536", RangeError, '"65536" is not within the ports 1 to 65535'],
    ["5,5", RangeError, '"5" and "5" overlap'],
    ["5-9,7", RangeError, '"5-9" and "7" overlap'],
    ...["", "1 - 2", "-1-5", "5-", "1-5 --random", "ssh"].map((text): Case => [
      `1-2,${text}`,
      SyntaxError,
      `"${text}" is not a port or a range of ports: write one such as "40000" or "1024-29999"`,
    ]),
  ];
  for (const [text, kind, message] of cases) {
    await t.step(text, () => void assertThrows(() => parsePortRanges(text), kind, message));
  }
});
