import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { cidrCounts } from "../../lib/config/cidr_counts.ts";
import {
  applyDefaults,
  CONFIG_KEYS,
  type ConfigOptions,
  formatConfig,
  KEY_NAMES,
  type MasqConfig,
} from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
import { randomRules, VOCABULARY } from "../data/random_rules.ts";
import type { TypeName } from "../../lib/config/value_types.ts";

function load(text: string, options: ConfigOptions): MasqConfig {
  return loadConfig([{ name: "f", bytes: new TextEncoder().encode(text) }], options).config;
}

/** All that a config means: its values, without the places that they come from. */
function meaning(config: MasqConfig): string {
  return JSON.stringify(config, (key, value) => {
    if (key === "origin" || key === "origins") return undefined;
    return typeof value === "bigint" ? String(value) : value;
  });
}

Deno.test("formatConfig() writes every key as a config has it, on one line", () => {
  const options = { enableIpv6: true, allReservedRanges: false };
  const defaults = formatConfig(applyDefaults({}, options));
  assertMatch(
    defaults,
    /^{"nonMasqueradeCIDRs":\["10.0.0.0\/8","172.16.0.0\/12","192.168.0.0\/16"\],"masqueradeCIDRs":\[\],/,
  );
  assertMatch(defaults, /,"masqOutBound":true,.*,"masqLinkLocal":false,.*,"resyncInterval":"1m0s"}$/);
  assertEquals(Object.keys(JSON.parse(defaults)), [...KEY_NAMES]);
  const line = formatConfig(
    load("NonMasqueradeCIDRs: ['FD00::/8']\nmasqOutBound: false\nresyncInterval: 1500ms", options),
  );
  assertMatch(line, /^{"nonMasqueradeCIDRs":\["fd00::\/8"\],.*"masqOutBound":false,.*:"1.5s"}$/);
});

Deno.test("formatConfig() leaves out default ranges that cidrLimit would not allow in a file", () => {
  const options = { enableIpv6: false, allReservedRanges: true };
  const config = load("cidrLimit: 10", options);
  assertEquals(config.nonMasqueradeCIDRs.length, 11);
  assertMatch(formatConfig(config), /^\{"masqueradeCIDRs":\[\],.*"cidrLimit":10,/);
});

Deno.test("formatConfig() gives the same config when it is read again", () => {
  const cidrs = ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "FD00::/8", "::/0", "2001:db8:0:0:1::/80"];
  const nanoseconds = fc.bigInt({ min: 1_000_000_000n, max: 2n ** 63n - 1n });
  const values: Record<TypeName, fc.Arbitrary<unknown>> = {
    cidrs: fc.uniqueArray(fc.constantFrom(...cidrs), { maxLength: 4 }),
    boolean: fc.boolean(),
    rules: randomRules(VOCABULARY, 4),
    count: fc.oneof(fc.integer({ min: 4, max: 20 }), fc.integer({ min: 4, max: Number.MAX_SAFE_INTEGER })),
    interval: fc.oneof(
      fc.constantFrom("1s", "60s", "1h0.5s", "2562047h47m16.854775807s"),
      nanoseconds.map((number) => `${number}ns`),
    ),
  };
  const settings = fc.record(
    Object.fromEntries(CONFIG_KEYS.map(({ name, type }) => [name, values[type.name]])),
    { requiredKeys: [] },
  );
  // A limit that only the default ranges are over.
  const tight = fc.record({ cidrLimit: fc.nat(12) });
  fc.assert(
    fc.property(fc.oneof(settings, tight), fc.boolean(), fc.boolean(), (written, enableIpv6, all) => {
      const options = { enableIpv6, allReservedRanges: all };
      const config = load(JSON.stringify(written), options);
      const line = formatConfig(config);
      assertEquals(line.includes("\n"), false);
      const again = load(line, options);
      assertEquals(meaning(again), meaning(config));
      assertEquals(formatConfig(again), line);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("applyDefaults() has a value for every key, and what flags make of it", () => {
  const config = applyDefaults({}, { enableIpv6: false, allReservedRanges: true });
  assertEquals(Object.keys(config), [...KEY_NAMES, "origins"]);
  assertEquals(
    config.nonMasqueradeCIDRs.map(({ cidr, origin }) => [cidr.text, origin]),
    [
      "10.0.0.0/8",
      "172.16.0.0/12",
      "192.168.0.0/16",
      "100.64.0.0/10",
      "192.0.0.0/24",
      "192.0.2.0/24",
      "192.88.99.0/24",
      "198.18.0.0/15",
      "198.51.100.0/24",
      "203.0.113.0/24",
      "240.0.0.0/4",
    ].map((text) => [text, { key: "nonMasqueradeCIDRs" }]),
  );
});

Deno.test("cidrCounts() counts each list's entries of one family", () => {
  const text = 'nonMasqueradeCIDRs: [10.0.0.0/8, "fd00::/8", 11.0.0.0/8]\nmasqueradeCIDRs: ["::/0"]';
  const config = load(text, { enableIpv6: true, allReservedRanges: false });
  const counts = (["IPv4", "IPv6"] as const).map((family) => cidrCounts(config, family));
  assertEquals(counts.map((it) => [it["nonMasqueradeCIDRs"], it["masqueradeCIDRs"]]), [[2, 0], [1, 1]]);
  assertEquals(
    Object.keys(counts[0]!),
    CONFIG_KEYS.filter((it) => it.type.name === "cidrs").map((it) => it.name),
  );
});

Deno.test("--resync-interval is the default of resyncInterval, and a config beats it", () => {
  const options: ConfigOptions = { enableIpv6: false, allReservedRanges: false, resyncSeconds: 30 };
  assertEquals(load("", options).resyncInterval, 30_000);
  assertEquals(load("resyncInterval: 5s", options).resyncInterval, 5_000);
  assertEquals(load("", { ...options, resyncSeconds: undefined }).resyncInterval, 60_000);
});
