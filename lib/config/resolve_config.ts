/** Settings of the files -> one complete config, with what is odd about it. */
import { cidrContains, LINK_LOCAL } from "./cidr.ts";
import {
  applyDefaults,
  type ConfigOptions,
  type ConfigSettings,
  type KeyName,
  LINK_LOCAL_KEY,
  type MasqConfig,
} from "./config.ts";
import { cidrCounts } from "./cidr_counts.ts";
import { CoverIndex, name } from "./cover_index.ts";
import type { IpFamily } from "./ip_address.ts";
import { type ConfigProblem, ProblemList, UPSTREAM_REFUSES } from "./problem.ts";
import { existsIn, type RuleEntry } from "./rule_entry.ts";
import { destinationsOf, reportRules } from "./rule_problems.ts";
import type { CidrEntry } from "./value_types.ts";

/** A complete config, to be used only where no problem is an error. */
export interface ResolvedConfig {
  readonly config: MasqConfig;
  readonly problems: readonly ConfigProblem[];
}

/** Puts defaults where `settings` has nothing, and checks what one key alone can't tell. */
export function resolveConfig(settings: ConfigSettings, options: ConfigOptions): ResolvedConfig {
  const config = applyDefaults(settings, options);
  const problems = new ProblemList();
  reportLimit(config, problems);
  reportCovered(config, options, problems);
  reportRules(config, options, problems);
  reportChains(config, options, problems);
  return { config, problems: problems.list() };
}

function reportLimit({ nonMasqueradeCIDRs, cidrLimit, origins }: MasqConfig, problems: ProblemList): void {
  const firstOver = nonMasqueradeCIDRs[cidrLimit];
  if (firstOver === undefined) return;
  if (firstOver.origin.file === undefined) {
    const origin = origins.get("cidrLimit");
    const message = `is less than the default of nonMasqueradeCIDRs has (${nonMasqueradeCIDRs.length})`;
    if (origin !== undefined) problems.add(origin, `${message}; ${UPSTREAM_REFUSES}`, "warning");
    return;
  }
  problems.add(
    firstOver.origin,
    `${nonMasqueradeCIDRs.length} entries are more than cidrLimit allows (${cidrLimit}): ` +
      `every entry costs each new connection time: join ranges, or raise cidrLimit`,
  );
}

/** Rules that a chain of iptables may have without a warning. */
const LONG_CHAIN = 1_000;

function reportChains(
  config: MasqConfig,
  { enableIpv6, backend }: ConfigOptions,
  problems: ProblemList,
): void {
  if (backend === "nftables") return;
  for (const family of ["IPv4", "IPv6"] satisfies IpFamily[]) {
    if (family === "IPv6" && !enableIpv6) continue;
    const counts = { ...cidrCounts(config, family), rules: countRules(config, family) };
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    if (total <= LONG_CHAIN) continue;
    const [[longest = ""] = []] = Object.entries(counts).toSorted(([, a], [, b]) => b - a);
    problems.add(
      config.origins.get(longest as KeyName) ?? { key: longest },
      `${total} rules of ${family}, of which each new connection asks one after the other in iptables: ` +
        "use --backend=nftables",
      "warning",
    );
  }
}

/** How many rules `rules` become in iptables. */
function countRules({ rules }: MasqConfig, family: IpFamily): number {
  const count = (list: RuleEntry["from"] | readonly unknown[]) =>
    list === undefined || list === "node"
      ? 1
      : (list as readonly Partial<CidrEntry>[]).filter(({ cidr }) => (cidr?.family ?? family) === family)
        .length;
  return rules.filter((rule) => existsIn(rule, family)).reduce(
    (sum, { from, to, via, protocols, ports }) =>
      sum + [from, to, via, protocols, ports].reduce((product, list) => product * count(list), 1),
    0,
  );
}

/** Reports entries that change nothing, because the family is off or another rule always decides. */
function reportCovered(config: MasqConfig, { enableIpv6 }: ConfigOptions, problems: ProblemList): void {
  const masquerade = new CoverIndex(config.masqueradeCIDRs);
  const nonMasquerade = new CoverIndex(config.nonMasqueradeCIDRs);
  const ownRules = new CoverIndex(destinationsOf(config.rules));
  const lists = [
    { entries: config.masqueradeCIDRs, own: masquerade, earlier: [ownRules] },
    { entries: config.nonMasqueradeCIDRs, own: nonMasquerade, earlier: [ownRules, masquerade] },
    {
      entries: config.nonMasqueradeSrcCIDRs,
      own: new CoverIndex(config.nonMasqueradeSrcCIDRs),
      // Sources and destinations don't cover each other, but a rule for everything covers both.
      earlier: [new CoverIndex(destinationsOf(config.rules.filter(({ to }) => to === undefined)))],
    },
  ];
  for (const { entries, own, earlier } of lists) {
    for (const entry of entries) {
      const { cidr, origin } = entry;
      if (origin.file === undefined) continue;
      const warn = (message: string, by?: CidrEntry) =>
        problems.add(
          origin,
          () => `"${cidr.text}" ${message}${by === undefined ? "" : `${name(by, origin)} "${by.cidr.text}"`}`,
          "warning",
        );
      const first = earlier.map((index) => index.cover(entry)).find((it) => it !== undefined);
      const linkLocal = own === nonMasquerade && !config[LINK_LOCAL_KEY[cidr.family]] &&
        cidrContains(LINK_LOCAL[cidr.family], cidr);
      const cover = own.cover(entry);
      if (cidr.family === "IPv6" && !enableIpv6) {
        const rollback = entries === config.nonMasqueradeCIDRs ? `; ${UPSTREAM_REFUSES}` : "";
        warn(`is ignored while IPv6 is off: start the agent with --enable-ipv6${rollback}`);
      } else if (first !== undefined) warn("can never match, since this decides first: ", first);
      else if (linkLocal) {
        const key = LINK_LOCAL_KEY[cidr.family];
        warn(`is exempt anyway: link-local destinations are, unless ${key} is true`);
      } else if (cover?.cidr.text === cidr.text) warn("is there already: ", cover);
      else if (cover !== undefined) warn("changes nothing, since it lies inside ", cover);
    }
  }
}
