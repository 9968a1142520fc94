/**
 * The keys of a config: ONE table, from which reading, merging, defaults, the types, the JSON schema, help and the
 * README's table come. Light, since a start without a config loads this, too: what reads files is elsewhere.
 */
import type { Origin } from "./problem.ts";
import { RULES } from "./rule_entry.ts";
import {
  BOOLEAN,
  type CidrEntry,
  CIDRS,
  COUNT,
  INTERVAL,
  type Place,
  type ValueType,
} from "./value_types.ts";

/** What flags say about the meaning of a config. */
export interface ConfigOptions {
  /** `--enable-ipv6`. */
  readonly enableIpv6: boolean;
  /** `--nomasq-all-reserved-ranges`. */
  readonly allReservedRanges: boolean;
  /** `--resync-interval`, in seconds, at least 1; undefined where it is not given. */
  readonly resyncSeconds?: number | undefined;
  /** `--backend`, where it is known. */
  readonly backend?: string;
}

/** What there is to know about one key. */
export interface KeyDefinition<Value, Written = unknown> {
  /** How its value is read and written. */
  readonly type: ValueType<Value, Written>;
  /** What holds where no file sets the key, as a config would write it. */
  readonly defaultValue: Written;
  /** What flags make of the default. */
  defaultByFlags?(defaultValue: Written, options: ConfigOptions): Written;
  /** What several files together mean; called with at least one value. */
  merge(values: readonly Value[]): Value;
  /** One sentence for a person who writes a config. */
  readonly description: string;
}

/** All keys, in the order in which they are documented. */
const KEYS = {
  nonMasqueradeCIDRs: key({
    type: CIDRS,
    // RFC 1918.
    defaultValue: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
    // RFC 6598, 6890, 5737, 7526, 2544, 1112.
    defaultByFlags: (ranges, { allReservedRanges }) =>
      allReservedRanges
        ? [
          ...ranges,
          "100.64.0.0/10",
          "192.0.0.0/24",
          "192.0.2.0/24",
          "192.88.99.0/24",
          "198.18.0.0/15",
          "198.51.100.0/24",
          "203.0.113.0/24",
          "240.0.0.0/4",
        ]
        : ranges,
    merge: unite,
    description: "Destinations that see the pod's own address. An empty list exempts nothing.",
  }),
  masqueradeCIDRs: key({
    type: CIDRS,
    defaultValue: [],
    merge: unite,
    description: "Destinations that always see the node's address, even inside nonMasqueradeCIDRs.",
  }),
  nonMasqueradeSrcCIDRs: key({
    type: CIDRS,
    defaultValue: [],
    merge: unite,
    description: "Sources that keep their address, to all destinations but those of masqueradeCIDRs.",
  }),
  rules: key({
    type: RULES,
    defaultValue: [],
    merge: (lists) => lists.flat(),
    description: "Rules of one's own, which decide before everything else; see below.",
  }),
  masqOutBound: key({
    type: BOOLEAN,
    defaultValue: true,
    merge: (values) => values.every(Boolean),
    description: "Whether IPv4 traffic to all other destinations is masqueraded.",
  }),
  masqOutBoundIPv6: key({
    type: BOOLEAN,
    defaultValue: true,
    merge: (values) => values.every(Boolean),
    description: "Whether IPv6 traffic to all other destinations is masqueraded.",
  }),
  masqLinkLocal: key({
    type: BOOLEAN,
    defaultValue: false,
    merge: (values) => values.some(Boolean),
    description: "Whether 169.254.0.0/16 loses its exemption.",
  }),
  masqLinkLocalIPv6: key({
    type: BOOLEAN,
    defaultValue: false,
    merge: (values) => values.some(Boolean),
    description: "Whether fe80::/10 loses its exemption.",
  }),
  cidrLimit: key({
    type: COUNT,
    defaultValue: 64,
    merge: (values) => Math.max(...values),
    description: "Most entries that nonMasqueradeCIDRs may have, both families together.",
  }),
  resyncInterval: key({
    type: INTERVAL,
    defaultValue: "60s",
    defaultByFlags: (interval, { resyncSeconds }) =>
      resyncSeconds === undefined ? interval : `${resyncSeconds}s`,
    merge: (values) => Math.min(...values),
    description: "Time between two checks of config and rules, at least 1s.",
  }),
};

/** Lets the compiler infer what kind of value the other fields are about. */
function key<Value, Written>(definition: KeyDefinition<Value, Written>): KeyDefinition<Value, Written> {
  return definition;
}

/** All entries in the order of the files, each once. */
function unite(lists: readonly (readonly CidrEntry[])[]): readonly CidrEntry[] {
  const byText = new Map<string, CidrEntry>();
  for (const entry of lists.flat()) {
    if (!byText.has(entry.cidr.text)) byText.set(entry.cidr.text, entry);
  }
  return [...byText.values()];
}

/** The name of a key. */
export type KeyName = keyof typeof KEYS;

/** The value of each key, in the type that its kind gives. */
type ConfigValues = {
  readonly [Name in KeyName]: (typeof KEYS)[Name] extends KeyDefinition<infer Value, infer _> ? Value : never;
};

/** A complete, valid config: a value for every key. */
export interface MasqConfig extends ConfigValues {
  /** Where each setting is made; a setting that is missing here has its default. */
  readonly origins: ReadonlyMap<KeyName, Origin>;
}

/** The settings that one file makes; what it leaves out is absent. */
export type ConfigSettings = Partial<MasqConfig>;

/** A key with its name, for code that treats all alike. */
export interface Key extends KeyDefinition<unknown> {
  readonly name: KeyName;
}

/** All keys as a list. */
export const CONFIG_KEYS: readonly Key[] = (Object.keys(KEYS) as KeyName[])
  .map((name) => ({ name, ...(KEYS[name] as KeyDefinition<unknown>) }));

/** The names of all keys. */
export const KEY_NAMES: readonly KeyName[] = CONFIG_KEYS.map(({ name }) => name);

/** The key that says whether a family's traffic to all other destinations is masqueraded. */
export const OUTBOUND_KEY = { IPv4: "masqOutBound", IPv6: "masqOutBoundIPv6" } as const;

/** The key that takes the exemption from a family's link-local destinations. */
export const LINK_LOCAL_KEY = { IPv4: "masqLinkLocal", IPv6: "masqLinkLocalIPv6" } as const;

/** Makes settings of the values that `valueOf` gives; undefined leaves a key out. */
export function makeSettings(valueOf: (key: Key) => unknown): ConfigSettings {
  const entries = CONFIG_KEYS.map((key) => [key.name, valueOf(key)]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** Puts defaults where `settings` has nothing. */
export function applyDefaults(settings: ConfigSettings, options: ConfigOptions): MasqConfig {
  const values = makeSettings((key) => settings[key.name] ?? defaultOf(key, options));
  return { ...values as ConfigValues, origins: settings.origins ?? new Map() };
}

function defaultOf({ name, type, defaultValue, defaultByFlags }: Key, options: ConfigOptions): unknown {
  const place: Place = {
    origin: { key: name },
    item: () => place,
    field: () => place,
    report: (message) => {
      throw new TypeError(`The default of ${name} is wrong: ${message}`);
    },
  };
  return type.parse(defaultByFlags?.(defaultValue, options) ?? defaultValue, place);
}

/** One line of JSON that gives the same config when it is read as a file, and is the same for the same config. */
export function formatConfig(config: MasqConfig): string {
  return JSON.stringify(makeSettings(({ name, type }) =>
    // Only a default may have more entries than cidrLimit allows: it can't be written.
    name === "nonMasqueradeCIDRs" && config[name].length > config.cidrLimit
      ? undefined
      : type.format(config[name])
  ));
}
