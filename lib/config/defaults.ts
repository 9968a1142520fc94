/** What a config means where it says nothing. */
import { parseCidr } from "./cidr.ts";
import type { CidrEntry, ConfigOptions, ConfigSettings, MasqConfig } from "./config.ts";

/** The private ranges of RFC 1918. */
const PRIVATE_RANGES = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

/** Further reserved ranges (RFC 6598, 6890, 5737, 7526, 2544, 1112), which one flag adds to the default. */
const RESERVED_RANGES = [
  "100.64.0.0/10",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "240.0.0.0/4",
];

/** `nonMasqueradeCIDRs` where no config sets it; `allReservedRanges` is `--nomasq-all-reserved-ranges`. */
function defaultNonMasqueradeCidrs(allReservedRanges: boolean): readonly CidrEntry[] {
  const ranges = allReservedRanges ? [...PRIVATE_RANGES, ...RESERVED_RANGES] : PRIVATE_RANGES;
  return ranges.map((text) => ({ cidr: parseCidr(text), origin: { key: "nonMasqueradeCIDRs" } }));
}

/** Most entries of `nonMasqueradeCIDRs` where no config sets `cidrLimit`. */
export const DEFAULT_CIDR_LIMIT = 64;

/** Milliseconds between two checks where no config sets `resyncInterval`. */
export const DEFAULT_RESYNC_INTERVAL_MS = 60_000;

/** Puts defaults where `settings` has nothing. */
export function applyDefaults(settings: ConfigSettings, { allReservedRanges }: ConfigOptions): MasqConfig {
  return {
    nonMasqueradeCidrs: settings.nonMasqueradeCIDRs ?? defaultNonMasqueradeCidrs(allReservedRanges),
    masqueradeCidrs: settings.masqueradeCIDRs ?? [],
    masqOutbound: { IPv4: settings.masqOutBound ?? true, IPv6: settings.masqOutBoundIPv6 ?? true },
    masqLinkLocal: { IPv4: settings.masqLinkLocal ?? false, IPv6: settings.masqLinkLocalIPv6 ?? false },
    cidrLimit: settings.cidrLimit ?? DEFAULT_CIDR_LIMIT,
    resyncIntervalMs: settings.resyncInterval ?? DEFAULT_RESYNC_INTERVAL_MS,
    origins: settings.origins ?? new Map(),
  };
}
