/**
 * What is recorded of each iptables: what stands when `iptables-restore` is asked, and what it is asked.
 *
 * @module
 */
import {
  formatCountersText,
  formatInstallText,
  formatReadText,
  formatReferencesText,
  formatWriteText,
} from "../../lib/backends/iptables/restore_text.ts";
import { buildChains } from "../../lib/backends/iptables/chain_tree.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import type { IpFamily } from "../../lib/config/ip_address.ts";
import { RULESET_NAMES, type RulesetName, rulesetOf } from "./rulesets.ts";

/** The chain of all recordings. */
export const CHAIN = parseChainName("IP-MASQ-AGENT");

/** What iptables-restore is to do when its answer is recorded; `save` is iptables-save. */
export type IptablesRequest =
  | "read"
  | "references"
  | "count"
  | "install"
  | "write a bad rule"
  | "save";

/** One situation. */
export interface IptablesCase {
  /** Whose rules stand; nothing of ours where undefined. */
  readonly ruleset?: RulesetName;
  /** Lines that another program then gives to iptables-restore, in the table nat. */
  readonly others?: readonly string[];
  /** Whether that is the newest iptables: ip6tables-nft up to 1.8.9 writes no counters. */
  readonly isByNewest?: boolean;
  /** What is then given to `nft -f -`; only the nft variant can see it. */
  readonly native?: Readonly<Record<IpFamily, string>>;
  /** Whether somebody holds the lock, which only the legacy variant has. */
  readonly isLocked?: boolean;
  /** Whether it is run without any privileges. */
  readonly isUnprivileged?: boolean;
  readonly request: IptablesRequest;
}

/** A chain of the table nat that says more than iptables can. */
function nativeRule(family: string, header: string, chain = "POSTROUTING"): string {
  return `table ${family} nat {
  chain ${chain} {
    ${chain === "POSTROUTING" ? "type nat hook postrouting priority srcnat; policy accept;" : ""}
    ${header} daddr . meta l4proto { ${family === "ip" ? "192.0.2.1" : "2001:db8::1"} . tcp } masquerade
  }
}
`;
}

const RIGHT = "-m addrtype ! --dst-type LOCAL";

/** What an agent with another `--masq-chain` left. */
const STALE = [
  "-N OLD",
  '-A OLD -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN',
  '-I POSTROUTING 1 -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination ' +
  `traffic to our custom OLD chain" ${RIGHT} -j OLD`,
];

/** By name. */
export const IPTABLES_CASES: Readonly<Record<string, IptablesCase>> = {
  "nothing": { request: "read" },
  ...Object.fromEntries(
    RULESET_NAMES.map((ruleset): [string, IptablesCase] => [ruleset, { ruleset, request: "read" }]),
  ),
  "duplicate jumps": {
    ruleset: "default",
    others: [
      `-A POSTROUTING -m comment --comment "\\"ip-masq-agent: quoted twice\\"" ${RIGHT} -j ${CHAIN}`,
      `-A POSTROUTING ${RIGHT} -j ${CHAIN}`,
    ],
    request: "read",
  },
  "wrong jumps": {
    ruleset: "default",
    others: [
      `-A POSTROUTING -j ${CHAIN}`,
      `-A POSTROUTING -o eth0 ${RIGHT} -j ${CHAIN}`,
      `-A POSTROUTING ${RIGHT} -g ${CHAIN}`,
    ],
    request: "read",
  },
  "others' rules with odd comments": {
    ruleset: "default",
    others: [
      "-N OTHER",
      `-N ${CHAIN}-2`,
      `-A POSTROUTING -m comment --comment "it's \\"quoted\\", a \\\\ and -j ${CHAIN}" -j OTHER`,
      `-A POSTROUTING -m comment --comment ${CHAIN} -j ${CHAIN}-2`,
      "-A POSTROUTING -s 192.0.2.0/24 -o eth+ -j SNAT --to-source 192.0.2.1",
      `-A OTHER -j ${CHAIN}`,
    ],
    request: "read",
  },
  "rules too many": {
    ruleset: "default",
    others: [
      `-A ${CHAIN} -p tcp -m tcp --dport 80 -j ACCEPT`,
      `-A ${CHAIN} -m comment --comment "a \\"b\\" \\\\ c" -j RETURN`,
    ],
    request: "read",
  },
  "an empty chain": { others: [`-N ${CHAIN}`], request: "read" },
  "native rules of nft": {
    native: { IPv4: nativeRule("ip", "ip"), IPv6: nativeRule("ip6", "ip6") },
    request: "read",
  },
  "a native chain of our name": {
    native: { IPv4: nativeRule("ip", "ip", CHAIN), IPv6: nativeRule("ip6", "ip6", CHAIN) },
    request: "read",
  },
  "a jump of an earlier chain": { ruleset: "default", others: STALE, request: "read" },
  "references": { ruleset: "default", others: ["-N OTHER", `-A OTHER -j ${CHAIN}`], request: "references" },
  "save": { ruleset: "default", others: STALE, request: "save" },
  "save nothing": { request: "save" },
  "save a native chain of our name": {
    native: { IPv4: nativeRule("ip", "ip", CHAIN), IPv6: nativeRule("ip6", "ip6", CHAIN) },
    request: "save",
  },
  "counters": {
    ruleset: "default",
    others: [
      `-A ${CHAIN} -c 5 300 -j RETURN`,
      `-A ${CHAIN} -c 7 420 -j MASQUERADE`,
      `-A ${CHAIN} -c 4294967296 18446744073709551 -j MASQUERADE`,
    ],
    isByNewest: true,
    request: "count",
  },
  "counters of nothing": { request: "count" },
  "install": { request: "install" },
  "install where the chain stands": { ruleset: "default", request: "install" },
  "write a bad rule": { ruleset: "default", request: "write a bad rule" },
  "without privileges": { ruleset: "default", isUnprivileged: true, request: "read" },
  "another holds the lock": { ruleset: "default", isLocked: true, request: "read" },
};

/** The text with which our rules are written where nothing stands. */
export function installText(ruleset: RulesetName, family: IpFamily): string {
  return formatInstallText(CHAIN, buildChains(rulesetOf(ruleset, family), CHAIN));
}

/** The text of a request. */
export function requestText(request: IptablesRequest, family: IpFamily): string {
  const write = () => {
    const chains = buildChains(rulesetOf("default", family), CHAIN);
    return formatWriteText(CHAIN, { chains, removeJumps: [], insertJump: undefined, removeChains: [] });
  };
  switch (request) {
    case "read":
      return formatReadText([CHAIN]);
    case "references":
      return formatReferencesText(CHAIN);
    case "save":
      return "";
    case "count":
      return formatCountersText([CHAIN]);
    case "install":
      return installText("default", family);
    case "write a bad rule":
      return write().replace("-j RETURN", "-j NO-SUCH-CHAIN");
  }
}
