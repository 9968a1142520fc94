/** What a config means once it is parsed. */
import type { Cidr } from "./cidr.ts";
import type { IpFamily } from "./ip_address.ts";

/** Where a setting comes from: a place in a config file, or a default of the agent. */
export interface Origin {
  /** The file as the user named it; undefined for a default. */
  readonly file?: string;
  /** Line and column, both from 1, where they are known. */
  readonly line?: number;
  readonly column?: number;
  /** The key with its index, such as `nonMasqueradeCIDRs[3]`. */
  readonly key: string;
}

/** One entry of a list of CIDRs. */
export interface CidrEntry {
  readonly cidr: Cidr;
  readonly origin: Origin;
}

/** A complete, valid config. */
export interface MasqConfig {
  /** Destinations that keep the source address, in the order of the file. */
  readonly nonMasqueradeCidrs: readonly CidrEntry[];
  /** Destinations that are masqueraded whatever the other lists say. */
  readonly masqueradeCidrs: readonly CidrEntry[];
  /** Whether traffic to all other destinations is masqueraded. */
  readonly masqOutbound: Readonly<Record<IpFamily, boolean>>;
  /** Whether link-local destinations lose their exemption. */
  readonly masqLinkLocal: Readonly<Record<IpFamily, boolean>>;
  /** Most entries that `nonMasqueradeCidrs` may have, both families together. */
  readonly cidrLimit: number;
  /** Milliseconds between two checks of the rules. */
  readonly resyncIntervalMs: number;
  /** Where each setting is made; a setting that is missing here has its default. */
  readonly origins?: ReadonlyMap<SettingName, Origin>;
}

/** The settings that one file makes; what it leaves out is absent. */
export interface ConfigSettings {
  readonly nonMasqueradeCIDRs?: readonly CidrEntry[];
  readonly masqueradeCIDRs?: readonly CidrEntry[];
  readonly masqOutBound?: boolean;
  readonly masqOutBoundIPv6?: boolean;
  readonly masqLinkLocal?: boolean;
  readonly masqLinkLocalIPv6?: boolean;
  readonly cidrLimit?: number;
  /** Milliseconds. */
  readonly resyncInterval?: number;
  /** Where the file makes each of these. */
  readonly origins?: ReadonlyMap<SettingName, Origin>;
}

/** What flags say about the meaning of a config. */
export interface ConfigOptions {
  /** `--enable-ipv6`. */
  readonly enableIpv6: boolean;
  /** `--nomasq-all-reserved-ranges`. */
  readonly allReservedRanges: boolean;
}

/** The keys of a config. */
export type SettingName = Exclude<keyof ConfigSettings, "origins">;

/** How many entries of each list are of `family`, by the list's key. */
export function cidrCounts(config: MasqConfig, family: IpFamily): Readonly<Record<string, number>> {
  const count = (entries: readonly CidrEntry[]) =>
    entries.filter(({ cidr }) => cidr.family === family).length;
  return {
    nonMasqueradeCIDRs: count(config.nonMasqueradeCidrs),
    masqueradeCIDRs: count(config.masqueradeCidrs),
  };
}

/** The shortest `resyncInterval`, in milliseconds: below it the agent would do little else. */
export const SHORTEST_RESYNC_INTERVAL_MS = 1_000;
