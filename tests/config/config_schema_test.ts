/** The schema that editors use is made from the keys, and says no to nothing that the program takes. */
import { Ajv2020 } from "ajv";
import { assertEquals } from "@std/assert";
import { parse as parseYaml } from "@std/yaml/parse";
import fc from "fast-check";
import dualStack from "../../deploy/config/cce-dual-stack.yaml" with { type: "text" };
import insideVpc from "../../deploy/config/cce-inside-vpc.yaml" with { type: "text" };
import natGateway from "../../deploy/config/cce-nat-gateway.yaml" with { type: "text" };
import peering from "../../deploy/config/cce-peering.yaml" with { type: "text" };
import publicAddress from "../../deploy/config/cce-public-address.yaml" with { type: "text" };
import defaults from "../../deploy/config/ip-masq-agent.yaml" with { type: "text" };
import fixedAddress from "../../deploy/config/rules-fixed-address.yaml" with { type: "text" };
import notTheNode from "../../deploy/config/rules-not-the-node.yaml" with { type: "text" };
import oneInterface from "../../deploy/config/rules-one-interface.yaml" with { type: "text" };
import onlyPods from "../../deploy/config/rules-only-pods.yaml" with { type: "text" };
import publicPods from "../../deploy/config/rules-public-pods.yaml" with { type: "text" };
import schemaText from "../../deploy/config/schema.json" with { type: "text" };
import { CONFIG_KEYS, formatConfig } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
import { ConfigError } from "../../lib/config/problem.ts";
import type { TypeName } from "../../lib/config/value_types.ts";
import { randomRules, VOCABULARY } from "../data/random_rules.ts";
import { formatSchema } from "../../tools/config_schema.ts";

const EXAMPLES = {
  defaults,
  insideVpc,
  peering,
  publicAddress,
  natGateway,
  dualStack,
  fixedAddress,
  notTheNode,
  oneInterface,
  onlyPods,
  publicPods,
};
const OPTIONS = { enableIpv6: true, allReservedRanges: false };

/** IPv6 is on only where a config has something to say about it. */
const optionsFor = (text: string) => ({ ...OPTIONS, enableIpv6: /::/.test(text) });

const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(JSON.parse(schemaText));

function load(text: string): { isGood: boolean; warnings: number } {
  try {
    const { warnings } = loadConfig([{ name: "f", bytes: new TextEncoder().encode(text) }], optionsFor(text));
    return { isGood: true, warnings: warnings.length };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { isGood: false, warnings: 0 };
  }
}

Deno.test("deploy/config/schema.json is what `deno task schema` writes", () => {
  assertEquals(schemaText, formatSchema());
});

Deno.test("deploy/config/schema.json and the program take every example, without a warning", async (t) => {
  for (const [name, text] of Object.entries(EXAMPLES)) {
    await t.step(name, () => {
      assertEquals(validate(parseYaml(text)), true, JSON.stringify(validate.errors));
      assertEquals(load(text), { isGood: true, warnings: 0 });
    });
  }
});

Deno.test("deploy/config/ip-masq-agent.yaml says what no config says", () => {
  const configOf = (text: string) => {
    const { config } = loadConfig([{ name: "f", bytes: new TextEncoder().encode(text) }], OPTIONS);
    return formatConfig(config);
  };
  assertEquals(configOf(defaults), configOf(""));
});

Deno.test("deploy/config/schema.json has the defaults that the program has", () => {
  const settings = Object.fromEntries(CONFIG_KEYS.map(({ name, defaultValue }) => [name, defaultValue]));
  assertEquals(validate(settings), true, JSON.stringify(validate.errors));
  assertEquals(load(JSON.stringify(settings)), { isGood: true, warnings: 0 });
});

Deno.test("deploy/config/schema.json rejects common mistakes", async (t) => {
  const mistakes: Record<string, unknown> = {
    "a wrong key": { nonMasqueradCIDRs: [] },
    "a list instead of a mapping": ["10.0.0.0/8"],
    "a bare address": { nonMasqueradeCIDRs: ["10.0.0.0"] },
    "a leading zero": { nonMasqueradeCIDRs: ["010.0.0.0/8"] },
    "a name": { masqueradeCIDRs: ["example.com"] },
    "a text for a list": { masqueradeCIDRs: "10.0.0.0/8" },
    "a text for a boolean": { masqOutBound: "no" },
    "a number for a duration": { resyncInterval: 60 },
    "a duration without a unit": { resyncInterval: "60" },
    "a negative limit": { cidrLimit: -1 },
    "a rule without an action": { rules: [{ name: "a" }] },
    "a rule with an unknown key": { rules: [{ frm: ["10.0.0.0/8"], action: "keep" }] },
    "a rule with an empty list": { rules: [{ from: [], action: "keep" }] },
    "an address without snat": { rules: [{ action: "keep", address: "198.51.100.7" }] },
    "snat without an address": { rules: [{ action: "snat" }] },
    "ports without protocols": { rules: [{ ports: [80], action: "keep" }] },
    "ports of icmp": { rules: [{ protocols: ["icmp"], ports: [80], action: "keep" }] },
    "a port that is none": { rules: [{ protocols: ["tcp"], ports: [0], action: "keep" }] },
  };
  for (const [name, value] of Object.entries(mistakes)) {
    await t.step(name, () => assertEquals(validate(value), false));
  }
});

Deno.test("deploy/config/schema.json takes whatever the program takes without a warning", () => {
  const cidr = fc.constantFrom(
    "10.0.0.0/8",
    "10.0.0.1/8",
    "1.2.3.4/32",
    "0.0.0.0/0",
    "fd00::/8",
    "::/0",
    "::1/128",
    "1::2:3/127",
    "x",
    "10.0.0.0",
  );
  const duration = fc.stringMatching(
    /^[+-]?[0-9]{0,3}(\.[0-9]{0,2})?(ns|us|µs|ms|s|m|h|d)?([0-9]{1,2}(s|ms))?$/,
  );
  const values: Record<TypeName, fc.Arbitrary<unknown>> = {
    cidrs: fc.oneof(fc.array(cidr, { maxLength: 3 }), cidr),
    boolean: fc.oneof(fc.boolean(), cidr),
    count: fc.oneof(fc.nat(), fc.double()),
    interval: duration,
    rules: fc.oneof(randomRules(VOCABULARY, 3), cidr),
  };
  const settings = fc.array(
    fc.oneof(
      ...CONFIG_KEYS.map(({ name, type }) => fc.tuple(fc.constant(name), values[type.name])),
    ),
    { maxLength: 3 },
  );
  let good = 0;
  fc.assert(
    fc.property(settings.map((entries) => Object.fromEntries(entries)), (settings) => {
      const { isGood, warnings } = load(JSON.stringify(settings));
      if (!isGood || warnings > 0) return;
      good++;
      assertEquals(validate(settings), true, JSON.stringify(validate.errors));
    }),
    { numRuns: 3_000 },
  );
  assertEquals(good > 300, true, `only ${good} good configs`);
});
