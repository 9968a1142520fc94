/**
 * What is recorded of each nft: what stands when our table is listed, or what `nft -f -` is given.
 *
 * @module
 */
import { buildNftTable } from "../../lib/backends/nftables/nft_table.ts";
import { formatChange } from "../../lib/backends/nftables/nft_text.ts";
import type { IpFamily } from "../../lib/config/ip_address.ts";
import { RULESET_NAMES, type RulesetName, rulesetOf } from "./rulesets.ts";

/** One situation. */
export interface NftCase {
  /** Whose table stands; none where undefined. */
  readonly ruleset?: RulesetName;
  /** What another program then gives to `nft -f -`, with T for our table and ADDRESS for a type of addresses. */
  readonly others?: string;
  /** Whether the sets are declared as this program once did, by the name of a type. */
  readonly isByType?: boolean;
  /** Whether the newest nft did all of this. */
  readonly isByNewest?: boolean;
  /** Whether nft is run without any privileges. */
  readonly isUnprivileged?: boolean;
  /** What is given to `nft -f -` when its answer is recorded; our table is listed where undefined. */
  readonly input?: string;
}

/** By name. */
export const NFT_CASES: Readonly<Record<string, NftCase>> = {
  "nothing": {},
  ...Object.fromEntries(RULESET_NAMES.map((ruleset): [string, NftCase] => [ruleset, { ruleset }])),
  "foreign rule": { ruleset: "default", others: "insert rule T postrouting meta l4proto tcp accept" },
  "foreign set": { ruleset: "default", others: "add set T mine { type ADDRESS; }" },
  "foreign map": { ruleset: "default", others: "add map T mine { type ADDRESS : verdict; }" },
  "foreign chain": {
    ruleset: "default",
    others: "add chain T mine { type filter hook forward priority 0; policy accept; }",
  },
  "flushed": { ruleset: "default", others: "flush set T linkLocal\nflush chain T translate" },
  "dormant": { ruleset: "default", others: "add table T { flags dormant; }" },
  "dormant and empty": { others: "add table T { flags dormant; }" },
  "sets of another kind": {
    ruleset: "default",
    others: "flush chain T postrouting\ndelete set T linkLocal\nadd set T linkLocal { type inet_service; }",
  },
  "sets declared by type": { ruleset: "default", isByType: true },
  "written by the newest nft": { ruleset: "default", isByNewest: true },
  "sets declared by type by the newest nft": { ruleset: "default", isByType: true, isByNewest: true },
  "without privileges": { ruleset: "default", isUnprivileged: true },
  "write a bad rule": { ruleset: "default", input: "add table T\n\nadd rule T postrouting nonsense\n" },
  "delete what is not there": { input: "delete table T\n" },
};

/** Names of our table and of the type of its addresses, filled in. */
export function fillIn(script: string, family: IpFamily): string {
  return script.replaceAll(/\bT\b/g, `${{ IPv4: "ip", IPv6: "ip6" }[family]} ip-masq-agent`)
    .replaceAll("ADDRESS", { IPv4: "ipv4_addr", IPv6: "ipv6_addr" }[family]);
}

/** The text with which our table is written where nothing stands. */
export function createText(ruleset: RulesetName, family: IpFamily, isByType = false): string {
  const text = formatChange(buildNftTable(rulesetOf(ruleset, family)), { kind: "replace" });
  return isByType ? text.replaceAll(/typeof ip6? daddr/g, `type ${fillIn("ADDRESS", family)}`) : text;
}
