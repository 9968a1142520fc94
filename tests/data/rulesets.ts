/**
 * The rulesets whose listings are recorded.
 *
 * @module
 */
import type { IpFamily } from "../../lib/config/ip_address.ts";
import { parsePortRanges } from "../../lib/config/port_range.ts";
import { buildRuleset, type Ruleset } from "../../lib/rules/ruleset.ts";
import { configOf } from "../fakes/config.ts";

/** A config whose rules have every condition and every target. */
const WITH_RULES = {
  nonMasqueradeSrcCIDRs: ["10.1.0.0/16", "10.2.0.0/16", "fd00:1::/32"],
  rules: [
    { name: "node", from: "node", action: "keep" },
    {
      name: "billing.a-b_c",
      from: ["10.244.8.0/24", "10.244.9.0/24", "fd00:8::/64"],
      to: ["203.0.113.0/24", "2001:db8::/32"],
      via: ["eth1", "wlan+", "eth0"],
      action: "snat",
      address: ["198.51.100.7", "2001:db8:5::7"],
    },
    {
      protocols: ["tcp", "icmp"],
      action: "snat",
      address: ["198.51.100.8-198.51.100.9", "2001:db8:5::1-2001:db8:5::9"],
    },
    {
      from: "node",
      via: ["eth+"],
      protocols: ["sctp", "tcp", "udp"],
      ports: [80, "85-100", "81-84", 443],
      action: "masquerade",
    },
    { protocols: ["udp"], ports: ["5000-6000"], action: "keep" },
    { name: "ping", protocols: ["icmp"], action: "keep" },
  ],
};

/** Each with a config as a file has it, and what `--to-ports` and `--random-fully` say. */
const SOURCES = {
  "default": { settings: {}, toPorts: "", randomFully: true },
  "to-ports": { settings: {}, toPorts: "1024-29999,32768-65535", randomFully: true },
  "single-ports": { settings: {}, toPorts: "80-80,5000-6000,7-7", randomFully: false },
  "cidrs": {
    settings: {
      masqueradeCIDRs: ["10.9.0.0/16", "2001:db8:1::/48"],
      nonMasqueradeCIDRs: [
        "10.0.0.0/9",
        "10.128.0.0/9",
        "1.2.3.4/32",
        "255.255.255.255/32",
        "fd00::/8",
        "2001:db8::1/128",
        "2001:db8::2/127",
      ],
    },
    toPorts: "",
    randomFully: true,
  },
  "mixed": {
    settings: {
      nonMasqueradeCIDRs: ["10.0.0.0/9", "10.128.0.0/9", "1.2.3.4/32", "fd00::/8", "2001:db8::1/128"],
    },
    toPorts: "1024-29999,80-80",
    randomFully: true,
  },
  "rules": {
    settings: WITH_RULES,
    toPorts: "",
    randomFully: true,
  },
  "rules-and-ports": {
    settings: WITH_RULES,
    toPorts: "1024-29999,80",
    randomFully: false,
  },
  "everything": {
    settings: {
      nonMasqueradeCIDRs: ["0.0.0.0/0", "::/0"],
      masqLinkLocal: true,
      masqLinkLocalIPv6: true,
      masqOutBound: false,
      masqOutBoundIPv6: false,
    },
    toPorts: "",
    randomFully: true,
  },
} as const;

/** The name of one of them. */
export type RulesetName = keyof typeof SOURCES;

/** Their names. */
export const RULESET_NAMES = Object.keys(SOURCES) as readonly RulesetName[];

/** Makes the ruleset of that name for a family. */
export function rulesetOf(name: RulesetName, family: IpFamily): Ruleset {
  const { settings, toPorts, randomFully } = SOURCES[name];
  return buildRuleset(family, configOf(settings), { randomFully, toPorts: parsePortRanges(toPorts) });
}
