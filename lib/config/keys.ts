/** The keys of a config: the one definition that parsing, help and the JSON schema share. */
import type { SettingName } from "./config.ts";

/** The kinds of value that a key takes. */
export type KeyType = "cidrs" | "boolean" | "count" | "duration";

/** One key of a config. */
export interface KeyDefinition {
  readonly name: SettingName;
  readonly type: KeyType;
  /** As a config would write it. */
  readonly defaultValue: string | number | boolean | readonly string[];
  /** One sentence for a person who writes a config. */
  readonly description: string;
}

/** All keys, in the order in which they are documented. Upstream matches them without regard to case, and so do we. */
export const CONFIG_KEYS: readonly KeyDefinition[] = [
  {
    name: "nonMasqueradeCIDRs",
    type: "cidrs",
    defaultValue: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
    description: "Destinations that see the pod's own address. An empty list exempts nothing.",
  },
  {
    name: "masqueradeCIDRs",
    type: "cidrs",
    defaultValue: [],
    description: "Destinations that always see the node's address, even inside nonMasqueradeCIDRs.",
  },
  {
    name: "masqOutBound",
    type: "boolean",
    defaultValue: true,
    description: "Whether IPv4 traffic to all other destinations is masqueraded.",
  },
  {
    name: "masqOutBoundIPv6",
    type: "boolean",
    defaultValue: true,
    description: "Whether IPv6 traffic to all other destinations is masqueraded.",
  },
  {
    name: "masqLinkLocal",
    type: "boolean",
    defaultValue: false,
    description: "Whether 169.254.0.0/16 loses its exemption.",
  },
  {
    name: "masqLinkLocalIPv6",
    type: "boolean",
    defaultValue: false,
    description: "Whether fe80::/10 loses its exemption.",
  },
  {
    name: "cidrLimit",
    type: "count",
    defaultValue: 64,
    description: "Most entries that nonMasqueradeCIDRs may have, both families together.",
  },
  {
    name: "resyncInterval",
    type: "duration",
    defaultValue: "60s",
    description: "Time between two checks of config and rules, at least 1s.",
  },
];
