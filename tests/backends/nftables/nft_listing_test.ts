import { assertEquals } from "@std/assert";
import { canonicalExpr, isWithTypeof } from "../../../lib/backends/nftables/nft_listing.ts";

Deno.test("isWithTypeof() is true from nft 1.1.3 on", async (t) => {
  const cases: [version: string, expected: boolean][] = [
    ["0.9.8", false],
    ["1.0.9", false],
    ["1.1", false],
    ["1.1.2", false],
    ["1.1.3", true],
    ["1.1.10", true],
    ["1.2", true],
    ["2", true],
    ["", false],
  ];
  for (const [version, expected] of cases) {
    await t.step(version, () => assertEquals(isWithTypeof(version), expected));
  }
});

Deno.test("canonicalExpr() is the same for what says the same, and for nothing else", async (t) => {
  const cases: [a: unknown, b: unknown, isSame: boolean][] = [
    [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
    [{ x: { c: 1, a: { e: 1, d: 2 }, b: 3 } }, { x: { b: 3, a: { d: 2, e: 1 }, c: 1 } }, true],
    [["a"], "a", true],
    [[{ flags: ["daddr"] }], { flags: "daddr" }, true],
    [{ return: null }, { return: null }, true],
    [["a", "b"], ["b", "a"], false],
    [{ a: 1 }, { a: 2 }, false],
    [{ a: 1 }, { b: 1 }, false],
    [{ a: null }, {}, false],
    [[], "", false],
  ];
  for (const [a, b, isSame] of cases) {
    await t.step(`${JSON.stringify(a)} ${JSON.stringify(b)}`, () => {
      assertEquals(canonicalExpr(a) === canonicalExpr(b), isSame);
    });
  }
});
