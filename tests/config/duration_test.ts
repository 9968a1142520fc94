import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../lib/config/duration.ts";

Deno.test("parseDuration() reads what Go's time.ParseDuration reads", async (t) => {
  const cases: [text: string, milliseconds: number][] = [
    ["0", 0],
    ["0s", 0],
    ["5s", 5_000],
    ["30s", 30_000],
    ["1478s", 1_478_000],
    ["-5s", -5_000],
    ["+5s", 5_000],
    ["-0", 0],
    ["5.0s", 5_000],
    ["5.6s", 5_600],
    ["5.s", 5_000],
    [".5s", 500],
    ["1.0040s", 1_004],
    ["100.00100s", 100_001],
    ["10ns", 0.00001],
    ["11us", 0.011],
    ["12µs", 0.012],
    ["12μs", 0.012],
    ["13ms", 13],
    ["14s", 14_000],
    ["15m", 900_000],
    ["16h", 57_600_000],
    ["3h30m", 12_600_000],
    ["1m30s", 90_000],
    ["-2m3.4s", -123_400],
    ["1h2m3s4ms5us6ns", 3_723_004.005006],
    ["10.5s4m", 250_500],
    ["0.3333333333333333333h", 1_199_999.999999],
    ["2562047h47m16.854775807s", 9_223_372_036_854.775807],
    ["-9223372036854775808ns", -9_223_372_036_854.775808],
  ];
  for (const [text, milliseconds] of cases) {
    await t.step(text, () => assertEquals(parseDuration(text), milliseconds));
  }
});

Deno.test("parseDuration() rejects what Go rejects, and says why", async (t) => {
  const example = 'write one such as "60s" or "1m30s"';
  const cases: [text: string, kind: typeof SyntaxError | typeof RangeError, message: string][] = [
    ["", SyntaxError, `"" is not a duration: ${example}`],
    ["3", SyntaxError, '"3" has no unit: did you mean "3s"?'],
    ["-", SyntaxError, `"-" is not a duration: ${example}`],
    ["s", SyntaxError, `"s" is not a duration: ${example}`],
    [".", SyntaxError, `"." is not a duration: ${example}`],
    ["-.", SyntaxError, `"-." is not a duration: ${example}`],
    [".s", SyntaxError, `".s" is not a duration: ${example}`],
    ["+.s", SyntaxError, `"+.s" is not a duration: ${example}`],
    ["1d", SyntaxError, '"1d" has an unknown unit "d": use ns, us, ms, s, m or h'],
    ["1m 30s", SyntaxError, '"1m 30s" has an unknown unit "m ": use ns, us, ms, s, m or h'],
    ["--5s", SyntaxError, `"--5s" is not a duration: ${example}`],
    ["1e3s", SyntaxError, '"1e3s" has an unknown unit "e": use ns, us, ms, s, m or h'],
    ["60 s", SyntaxError, '"60 s" has an unknown unit " s": use ns, us, ms, s, m or h'],
    ["9223372036854775808ns", RangeError, "too long a duration"],
    ["2562047h47m16.854775808s", RangeError, "too long a duration"],
    ["-9223372036854775809ns", RangeError, "too long a duration"],
    ["3000000h", RangeError, "too long a duration"],
  ];
  for (const [text, kind, message] of cases) {
    await t.step(JSON.stringify(text), () => void assertThrows(() => parseDuration(text), kind, message));
  }
});

Deno.test("formatDuration() writes what Go's Duration.String writes", async (t) => {
  const cases: [milliseconds: number, text: string][] = [
    [0, "0s"],
    [0.000001, "1ns"],
    [0.000999, "999ns"],
    [0.001, "1µs"],
    [0.0011, "1.1µs"],
    [0.999999, "999.999µs"],
    [1, "1ms"],
    [2.2, "2.2ms"],
    [999.999999, "999.999999ms"],
    [1_000, "1s"],
    [3_300, "3.3s"],
    [60_000, "1m0s"],
    [245_000, "4m5s"],
    [245_001, "4m5.001s"],
    [18_367_001, "5h6m7.001s"],
    [480_000.000001, "8m0.000000001s"],
    [3_600_000, "1h0m0s"],
    [-1_500, "-1.5s"],
    [9_223_372_036_854, "2562047h47m16.854s"],
  ];
  for (const [milliseconds, text] of cases) {
    await t.step(text, () => assertEquals(formatDuration(milliseconds), text));
  }
});

Deno.test("parseDuration() reads what formatDuration() writes, to the millisecond however long", () => {
  fc.assert(fc.property(fc.maxSafeNat().map((number) => number % 9_223_372_036_855), (milliseconds) => {
    assertEquals(parseDuration(formatDuration(milliseconds)), milliseconds);
  }));
  const nanoseconds = fc.oneof(
    fc.integer({ min: -5_000, max: 5_000 }),
    fc.integer({ min: -(2 ** 51), max: 2 ** 51 }), // 26 days
  );
  fc.assert(fc.property(nanoseconds, (number) => {
    // Not -0: Go has no such duration.
    const milliseconds = number / 1e6 + 0;
    assertEquals(parseDuration(formatDuration(milliseconds)), milliseconds);
  }));
});
