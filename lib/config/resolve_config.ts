/** Settings of the files -> one complete config, with what is odd about it. */
import { ADDRESS_BITS } from "./ip_address.ts";
import { type Cidr, cidrContains } from "./cidr.ts";
import {
  type CidrEntry,
  type ConfigSettings,
  DEFAULT_CIDR_LIMIT,
  DEFAULT_RESYNC_INTERVAL_MS,
  defaultNonMasqueradeCidrs,
  type MasqConfig,
} from "./config.ts";
import type { ConfigProblem } from "./problem.ts";
import { LINK_LOCAL } from "./link_local.ts";

/** What flags say about the meaning of a config. */
export interface ConfigOptions {
  /** `--enable-ipv6`. */
  readonly enableIpv6: boolean;
  /** `--nomasq-all-reserved-ranges`. */
  readonly allReservedRanges: boolean;
}

/** A complete config, to be used only where no problem is an error. */
export interface ResolvedConfig {
  readonly config: MasqConfig;
  readonly problems: readonly ConfigProblem[];
}

/** Puts defaults where `settings` has nothing, and checks what one key alone can't tell. */
export function resolveConfig(settings: ConfigSettings, options: ConfigOptions): ResolvedConfig {
  const config: MasqConfig = {
    nonMasqueradeCidrs: settings.nonMasqueradeCIDRs ?? defaultNonMasqueradeCidrs(options.allReservedRanges),
    masqueradeCidrs: settings.masqueradeCIDRs ?? [],
    masqOutbound: { IPv4: settings.masqOutBound ?? true, IPv6: settings.masqOutBoundIPv6 ?? true },
    masqLinkLocal: { IPv4: settings.masqLinkLocal ?? false, IPv6: settings.masqLinkLocalIPv6 ?? false },
    cidrLimit: settings.cidrLimit ?? DEFAULT_CIDR_LIMIT,
    resyncIntervalMs: settings.resyncInterval ?? DEFAULT_RESYNC_INTERVAL_MS,
  };
  return { config, problems: [...limitErrors(config), ...coverageWarnings(config, options)] };
}

function* limitErrors({ nonMasqueradeCidrs, cidrLimit }: MasqConfig): Iterable<ConfigProblem> {
  const [firstOver] = nonMasqueradeCidrs.slice(cidrLimit);
  if (firstOver === undefined || firstOver.origin.file === undefined) return;
  yield {
    severity: "error",
    origin: firstOver.origin,
    message: `${nonMasqueradeCidrs.length} entries are more than cidrLimit allows (${cidrLimit}): ` +
      `every entry costs each new connection time: join ranges, or raise cidrLimit`,
  };
}

/** Entries that change nothing, because the family is off or an earlier rule always decides. */
function* coverageWarnings(config: MasqConfig, { enableIpv6 }: ConfigOptions): Iterable<ConfigProblem> {
  const warning = ({ origin, cidr }: CidrEntry, message: string): ConfigProblem => ({
    severity: "warning",
    origin,
    message: `"${cidr.text}" ${message}`,
  });
  const masquerade = new CoverIndex(config.masqueradeCidrs);
  const nonMasquerade = new CoverIndex(config.nonMasqueradeCidrs);
  const lists = [
    { entries: config.masqueradeCidrs, own: masquerade, earlier: undefined },
    { entries: config.nonMasqueradeCidrs, own: nonMasquerade, earlier: masquerade },
  ];
  for (const { entries, own, earlier } of lists) {
    for (const entry of entries) {
      const { cidr, origin } = entry;
      if (origin.file === undefined) continue;
      if (cidr.family === "IPv6" && !enableIpv6) {
        yield warning(entry, "is ignored while IPv6 is off: start the agent with --enable-ipv6");
        continue;
      }
      const linkLocal = LINK_LOCAL[cidr.family];
      const hidden = earlier?.cover(entry) ??
        (earlier && !config.masqLinkLocal[cidr.family] && cidrContains(linkLocal, cidr)
          ? "link-local"
          : undefined);
      if (hidden === "link-local") {
        yield warning(entry, `is exempt anyway: link-local destinations are, unless masqLinkLocal is set`);
      } else if (hidden !== undefined) {
        yield warning(entry, `can never match: ${hidden.origin.key} "${hidden.cidr.text}" decides first`);
      } else {
        const cover = own.cover(entry);
        if (cover?.cidr.text === cidr.text) yield warning(entry, `is there already, as ${cover.origin.key}`);
        else if (cover !== undefined) {
          yield warning(entry, `lies inside ${cover.origin.key} "${cover.cidr.text}" and changes nothing`);
        }
      }
    }
  }
}

/** Finds a list's entry that contains another one, in time that does not grow with the list. */
class CoverIndex {
  readonly #byPrefix = new Map<string, CidrEntry>();
  readonly #lengths: number[];

  constructor(entries: readonly CidrEntry[]) {
    for (const entry of entries) {
      const key = prefixKey(entry.cidr);
      if (!this.#byPrefix.has(key)) this.#byPrefix.set(key, entry);
    }
    this.#lengths = [...new Set(entries.map(({ cidr }) => cidr.prefixLength))].sort((a, b) => a - b);
  }

  /** The widest entry, other than `entry` itself, that contains it. */
  cover(entry: CidrEntry): CidrEntry | undefined {
    for (const length of this.#lengths) {
      if (length > entry.cidr.prefixLength) return undefined;
      const found = this.#byPrefix.get(prefixKey(entry.cidr, length));
      if (found !== undefined && found !== entry) return found;
    }
    return undefined;
  }
}

function prefixKey({ family, address, prefixLength }: Cidr, length = prefixLength): string {
  return `${family} ${length} ${address >> BigInt(ADDRESS_BITS[family] - length)}`;
}
