import { assert, assertEquals } from "@std/assert";
import { KEY_NAMES } from "../../lib/config/config.ts";
import { nearest, nearestKey } from "../../lib/config/nearest.ts";

Deno.test("nearest() finds the word that was meant, and none where nothing is near", async (t) => {
  const cases: [word: string, meant: string | undefined][] = [
    ["nonMasqueradCIDRs", "nonMasqueradeCIDRs"],
    ["nonMasqueradeCIDR", "nonMasqueradeCIDRs"],
    ["noMasqueradeCIDRs", "nonMasqueradeCIDRs"],
    ["masqueradeCIDR", "masqueradeCIDRs"],
    ["masqOutbuond", "masqOutBound"],
    ["masqLinkLocalIpv4", "masqLinkLocalIPv6"],
    ["resync", undefined],
    ["resyncIntervall", "resyncInterval"],
    ["cidrlimits", "cidrLimit"],
    ["kind", undefined],
    ["", undefined],
    ["x".repeat(100_000), undefined],
  ];
  for (const [word, meant] of cases) {
    await t.step(word.slice(0, 30), () => assertEquals(nearest(word, KEY_NAMES), meant));
  }
});

Deno.test("nearest() counts letters that are missing, too many, others or swapped, up to a third of the word's", async (t) => {
  const cases: [word: string, candidate: string, isNear: boolean][] = [
    ["abcdefghi", "abcdefghi", true],
    ["abcdef", "abcdefghi", true],
    ["abcde", "abcdefghi", false],
    ["xyzabcdefghi", "abcdefghi", true],
    ["abcdefghixyz", "abcdefghi", true],
    ["wxyzabcdefghi", "abcdefghi", false],
    ["xbcdxfghx", "abcdefghi", true],
    ["xbxdxfghx", "abcdefghi", false],
    ["badcef", "abcdef", true],
    ["badcfe", "abcdef", false],
    ["bacdxf", "abcdef", true],
    ["xbcdfe", "abcdef", true],
    // Swapped letters with others between them are two changes, and so is a letter that moved.
    ["cbadxf", "abcdef", false],
    ["ba", "ab", true],
    ["ac", "ab", true],
    ["", "a", false],
    ["ABCDEF", "abcdef", true],
    ["abcdef", "ABCDEF", true],
  ];
  for (const [word, candidate, isNear] of cases) {
    await t.step(`${word} ${candidate}`, () => {
      assertEquals(nearest(word, [candidate]), isNear ? candidate : undefined);
    });
  }
});

Deno.test("nearest() takes the nearest of several, and the first of those that are equally near", () => {
  assertEquals(nearest("abcdex", ["abxdey", "abcdef", "abcdeg"]), "abcdef");
  assertEquals(nearest("abcdex", ["abxdey", "abcdeg", "abcdef"]), "abcdeg");
});

Deno.test("nearest() looks at no word that is far too long", () => {
  const start = performance.now();
  assertEquals(nearest("x".repeat(5_000_000), KEY_NAMES), undefined);
  assert(performance.now() - start < 5_000);
});

Deno.test("nearestKey() never takes a key for one that is about something else", async (t) => {
  const cases: [word: string, meant: string | undefined][] = [
    ["nonMasqueradCIDRs", "nonMasqueradeCIDRs"],
    ["onMasqueradeCIDRs", "nonMasqueradeCIDRs"],
    ["noMasqueradeCIDRs", "nonMasqueradeCIDRs"],
    ["NONMASQUERADECIDR", "nonMasqueradeCIDRs"],
    ["nonMasqueradeDstCIDRs", "nonMasqueradeCIDRs"],
    ["nonMasqueradeSourceCIDRs", "nonMasqueradeSrcCIDRs"],
    ["nonMasqueradeSrcCIDR", "nonMasqueradeSrcCIDRs"],
    ["forceMasqueradeCIDRs", "masqueradeCIDRs"],
    ["masqueradeCIDR", "masqueradeCIDRs"],
    ["masqueradeSrcCIDRs", undefined],
    ["skipMasqueradeCIDRs", "nonMasqueradeCIDRs"],
    ["nonMasqLinkLocal", undefined],
    ["masqLinkLocalIPv4", "masqLinkLocal"],
    ["masqLinklocalIpv6", "masqLinkLocalIPv6"],
    ["masqOutbond", "masqOutBound"],
    ["cidr_limit", "cidrLimit"],
    ["resync", undefined],
  ];
  for (const [word, meant] of cases) {
    await t.step(word, () => assertEquals(nearestKey(word, KEY_NAMES), meant));
  }
  assertEquals(nearestKey("sports", ["from", "to", "ports"]), undefined);
});
