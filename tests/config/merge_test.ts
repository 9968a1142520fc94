import { assertEquals } from "@std/assert";
import type { ConfigSettings } from "../../lib/config/config.ts";
import { mergeSettings } from "../../lib/config/load_config.ts";
import { parseConfig } from "../../lib/config/parse_config.ts";

function settingsOf(...texts: readonly string[]): ConfigSettings[] {
  return texts.map((text, index) => parseConfig(text, `file${index}`).settings);
}

function merged(...texts: readonly string[]): Record<string, unknown> {
  const { origins: _, nonMasqueradeCIDRs, masqueradeCIDRs, ...others } = mergeSettings(settingsOf(...texts));
  return {
    ...others,
    ...(nonMasqueradeCIDRs && { nonMasqueradeCIDRs: nonMasqueradeCIDRs.map(({ cidr }) => cidr.text) }),
    ...(masqueradeCIDRs && { masqueradeCIDRs: masqueradeCIDRs.map(({ cidr }) => cidr.text) }),
  };
}

Deno.test("mergeSettings() follows the rule of each key", async (t) => {
  const cases: [name: string, files: string[], result: Record<string, unknown>][] = [
    ["no file", [], {}],
    ["files that set nothing", ["", "# nothing"], {}],
    ["one file", ["masqOutBound: true"], { masqOutBound: true }],
    [
      "lists are united in order, without repetitions",
      [
        "nonMasqueradeCIDRs: [11.0.0.0/8, 10.0.0.0/8]",
        "nonMasqueradeCIDRs: [10.0.0.0/8, fd00::/8, 11.0.0.0/8]",
      ],
      { nonMasqueradeCIDRs: ["11.0.0.0/8", "10.0.0.0/8", "fd00::/8"] },
    ],
    [
      "an empty list adds nothing, but is no default",
      ["nonMasqueradeCIDRs: []", "cidrLimit: 3"],
      { nonMasqueradeCIDRs: [], cidrLimit: 3 },
    ],
    [
      "forced destinations are united, too",
      ["masqueradeCIDRs: [10.0.0.1/32]", "masqueradeCIDRs: [10.0.0.2/32, 10.0.0.1/32]"],
      { masqueradeCIDRs: ["10.0.0.1/32", "10.0.0.2/32"] },
    ],
    ["a false of masqOutBound wins first", ["masqOutBound: false", "masqOutBound: true"], {
      masqOutBound: false,
    }],
    ["a false of masqOutBound wins last", ["masqOutBound: true", "masqOutBound: false"], {
      masqOutBound: false,
    }],
    ["masqOutBound stays true", ["masqOutBound: true", "masqOutBound: true"], { masqOutBound: true }],
    [
      "a false of masqOutBoundIPv6 wins",
      ["masqOutBoundIPv6: true", "", "masqOutBoundIPv6: false"],
      { masqOutBoundIPv6: false },
    ],
    ["masqLinkLocal is ORed", ["masqLinkLocal: true", "masqLinkLocal: false"], { masqLinkLocal: true }],
    [
      "masqLinkLocalIPv6 is ORed",
      ["masqLinkLocalIPv6: false", "masqLinkLocalIPv6: false"],
      { masqLinkLocalIPv6: false },
    ],
    ["the largest cidrLimit", ["cidrLimit: 3", "cidrLimit: 70", "cidrLimit: 5"], { cidrLimit: 70 }],
    ["the smallest resyncInterval", ["resyncInterval: 5m", "resyncInterval: 30s"], {
      resyncInterval: 30_000,
    }],
  ];
  for (const [name, files, result] of cases) await t.step(name, () => assertEquals(merged(...files), result));
});

Deno.test("mergeSettings() remembers the place that decides", () => {
  const { origins } = mergeSettings(
    settingsOf("masqOutBound: true\ncidrLimit: 5", "cidrLimit: 9\nmasqOutBound: false", "resyncInterval: 5s"),
  );
  const files = ["masqOutBound", "cidrLimit", "resyncInterval"] as const;
  assertEquals(files.map((key) => origins?.get(key)?.file), ["file1", "file1", "file2"]);
  assertEquals(origins?.get("masqLinkLocal"), undefined);
  const lists = mergeSettings(settingsOf("masqueradeCIDRs: [10.0.0.0/8]", "masqueradeCIDRs: [11.0.0.0/8]"));
  assertEquals(lists.origins?.get("masqueradeCIDRs")?.file, "file0");
});
