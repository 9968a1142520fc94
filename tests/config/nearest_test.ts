import { assertEquals } from "@std/assert";
import { KEY_NAMES } from "../../lib/config/config.ts";
import { nearest } from "../../lib/config/nearest.ts";

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
