/**
 * Writes deploy/config/schema.json, from which editors complete and check a config: `deno task schema`.
 *
 * @module
 */
import { CONFIG_KEYS } from "../lib/config/config.ts";
import { formatDuration } from "../lib/config/duration.ts";
import { PORT_PROTOCOLS, PROTOCOLS, type WrittenRule } from "../lib/config/rule_entry.ts";
import { SHORTEST_INTERVAL_MS, type TypeName } from "../lib/config/value_types.ts";

const OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

/** The schema of each kind of value. What a pattern can't tell (alignment, for one) is left to the program. */
const TYPE_SCHEMAS: Readonly<Record<TypeName, Record<string, unknown>>> = {
  cidrs: { type: ["array", "null"], items: { $ref: "#/$defs/cidr" } },
  boolean: { type: "boolean" },
  count: { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
  interval: { $ref: "#/$defs/duration" },
  rules: { type: ["array", "null"], items: { $ref: "#/$defs/rule" } },
};

const TEXT_LIST = { type: "array", minItems: 1, items: { type: "string" } };
const CIDR_LIST = { type: "array", minItems: 1, items: { $ref: "#/$defs/cidr" } };

/** The schema of each key of a rule. */
const RULE_FIELDS: Readonly<Record<keyof WrittenRule, Record<string, unknown>>> = {
  name: {
    description: "For comments of rules, explain and metrics; the place in the list by default.",
    type: "string",
    pattern: "^[A-Za-z0-9_.-]{1,40}$",
  },
  from: {
    description: 'Sources, or "node" for traffic of this host itself; all by default.',
    anyOf: [CIDR_LIST, { const: "node" }],
  },
  to: { description: "Destinations; all by default.", ...CIDR_LIST },
  via: {
    description: 'Interfaces that it leaves by, with "+" at the end for all that start so; all by default.',
    ...TEXT_LIST,
  },
  protocols: {
    description: "Protocols; all by default. icmp is ICMPv6 in IPv6.",
    type: "array",
    minItems: 1,
    items: { enum: PROTOCOLS },
  },
  ports: {
    description: "Destination ports and ranges A-B of them; all by default.",
    type: "array",
    minItems: 1,
    items: {
      anyOf: [
        { type: "integer", minimum: 1, maximum: 65535 },
        { type: "string", pattern: "^[0-9]+(-[0-9]+)?$" },
      ],
    },
  },
  action: {
    description: "Leave the source as it is, or make it the node's address, or the one of `address`.",
    enum: ["keep", "masquerade", "snat"],
  },
  address: {
    description: "Only with snat: the new source, an address or a range A-B, one of each family.",
    anyOf: [{ type: "string" }, { ...TEXT_LIST, maxItems: 2 }],
  },
};

/** The whole schema: JSON Schema 2020-12. */
export function configSchema(): Record<string, unknown> {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Config of ip-masq-agent",
    description: "Which destinations see a pod's own address, and which see the node's.",
    type: ["object", "null"],
    additionalProperties: false,
    properties: {
      $schema: { description: "Where editors find this schema. Means nothing to the agent.", type: "string" },
      ...Object.fromEntries(
        CONFIG_KEYS.map(({ name, type, defaultValue, description }) => [
          name,
          { description, default: defaultValue, ...TYPE_SCHEMAS[type.name] },
        ]),
      ),
    },
    $defs: {
      cidr: {
        description: "A prefix whose bits behind the length are zero, such as 10.0.0.0/8 or fd00::/8.",
        type: "string",
        anyOf: [
          { pattern: `^(${OCTET}\\.){3}${OCTET}/(3[0-2]|[12]?[0-9])$` },
          { pattern: "^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9])$" },
        ],
      },
      rule: {
        description: "A rule; of several that match, the first decides.",
        type: "object",
        additionalProperties: false,
        required: ["action"],
        properties: RULE_FIELDS,
        dependentSchemas: {
          ports: {
            required: ["protocols"],
            properties: { protocols: { type: "array", items: { enum: PORT_PROTOCOLS } } },
          },
        },
        if: { properties: { action: { const: "snat" } } },
        then: { required: ["address"], properties: { address: true } },
        else: { properties: { address: false } },
      },
      duration: {
        description: `A duration as Go writes it, such as 60s or 1m30s; at least ${
          formatDuration(SHORTEST_INTERVAL_MS)
        }.`,
        type: "string",
        pattern:
          "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$",
      },
    },
  };
}

/** The file's text. */
export function formatSchema(): string {
  return `${JSON.stringify(configSchema(), null, 2)}\n`;
}

if (import.meta.main) {
  const file = new URL("../deploy/config/schema.json", import.meta.url);
  await Deno.writeTextFile(file, formatSchema());
}
