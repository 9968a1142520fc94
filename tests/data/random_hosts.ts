/**
 * Random hosts with rules of others: any mix of what rules may ask and do, in every table at the hook.
 *
 * @module
 */
import fc from "fast-check";
import type { HostRules } from "./hosts.ts";

/** A part of a rule as iptables and as nft write it. */
type Words = readonly [iptables: string, nft: string];

/** What rules of one family are made of. */
interface Vocabulary {
  readonly ip: "ip" | "ip6";
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly addresses: readonly string[];
  readonly icmp: Words;
}

const VOCABULARIES: Readonly<Record<"IPv4" | "IPv6", Vocabulary>> = {
  IPv4: {
    ip: "ip",
    sources: ["10.244.1.0/24", "10.244.2.2/32", "10.244.0.0/16", "10.200.0.0/16"],
    destinations: ["203.0.113.0/25", "203.0.113.130/32", "10.99.0.0/17", "10.0.0.0/8"],
    addresses: ["198.51.100.30", "198.51.100.31-198.51.100.32"],
    icmp: ["-p icmp", "meta l4proto icmp"],
  },
  IPv6: {
    ip: "ip6",
    sources: ["fd00:244:1::/64", "fd00:244:2::2/128", "fd00:244::/32", "fd00:200::/32"],
    destinations: ["2001:db8:a::/48", "2001:db8:b::7/128", "fd00:99::/32", "fd00::/8"],
    addresses: ["2001:db8:5::30", "2001:db8:5::31-2001:db8:5::32"],
    icmp: ["-p ipv6-icmp", "meta l4proto ipv6-icmp"],
  },
};

const MARK = 0x4000;

/** Conditions of one kind each, so that no rule has two of a kind. */
function conditions({ ip, sources, destinations, icmp }: Vocabulary): fc.Arbitrary<Words[]> {
  const negated = (make: (not: string, nftNot: string) => Words) =>
    fc.boolean().map((is): Words => is ? make("! ", "!= ") : make("", ""));
  const address = (cidrs: readonly string[], option: string, field: string) =>
    fc.constantFrom(...cidrs).chain((cidr) =>
      negated((not, nftNot) => [`${not}${option} ${cidr}`, `${ip} ${field} ${nftNot}${cidr}`])
    );
  const kinds: fc.Arbitrary<Words>[] = [
    address(sources, "-s", "saddr"),
    address(destinations, "-d", "daddr"),
    fc.constantFrom("eth0", "wlan1", "eth", "w").chain((name) =>
      negated((not, nftNot) =>
        name.length > 3
          ? [`${not}-o ${name}`, `oifname ${nftNot}"${name}"`]
          : [`${not}-o ${name}+`, `oifname ${nftNot}"${name}*"`]
      )
    ),
    fc.oneof(
      fc.constantFrom<Words[]>(
        ["-p tcp", "meta l4proto tcp"],
        icmp,
        ["-p udp -m udp --dport 80:443", "udp dport 80-443"],
        ["-p tcp -m multiport --dports 80,443", "tcp dport { 80, 443 }"],
        ["-p sctp -m sctp ! --dport 9999", "sctp dport != 9999"],
        ["! -p udp", "meta l4proto != udp"],
      ),
    ),
    negated((not, nftNot) => [
      `-m mark ${not}--mark ${MARK}/${MARK}`,
      nftNot === "" ? `meta mark & ${MARK} == ${MARK}` : `meta mark & ${MARK} == 0`,
    ]),
    negated((not, nftNot) => [`-m addrtype ${not}--src-type LOCAL`, `fib saddr type ${nftNot}local`]),
    negated((not, nftNot) => [`-m addrtype ${not}--dst-type LOCAL`, `fib daddr type ${nftNot}local`]),
  ];
  const some = fc.shuffledSubarray(kinds, { minLength: 1, maxLength: 3 });
  return fc.oneof(
    { weight: 6, arbitrary: some.chain((chosen) => fc.tuple(...chosen) as fc.Arbitrary<Words[]>) },
    fc.constant<Words[]>([]),
  );
}

const VERDICTS: readonly Words[] = [
  ["-j ACCEPT", "accept"],
  ["-j RETURN", "return"],
  ["-j MASQUERADE", "masquerade"],
  [`-j MARK --set-xmark ${MARK}/0x0`, `meta mark set meta mark ^ ${MARK}`],
  ["", "counter"],
];

const CHAINS = ["A", "B", "C"];

/** The rules of POSTROUTING and of three chains, each of which leads to later ones only. */
function rules(words: Vocabulary): fc.Arbitrary<readonly (readonly Words[])[]> {
  return fc.tuple(...["", ...CHAINS].map((_, at) => {
    const later = CHAINS.slice(at);
    const verdict = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...VERDICTS) },
      fc.constantFrom(...words.addresses).map((
        to,
      ): Words => [`-j SNAT --to-source ${to}`, `snat ${words.ip} to ${to}`]),
      ...later.length === 0 ? [] : [
        {
          weight: 3,
          arbitrary: fc.constantFrom(...later).chain((name) =>
            fc.constantFrom<Words[]>([`-j ${name}`, `jump ${name}`], [`-g ${name}`, `goto ${name}`])
          ),
        },
      ],
    );
    const rule = fc.tuple(conditions(words), verdict).map(([parts, end]): Words => [
      [...parts.map(([it]) => it), end[0]].join(" "),
      [...parts.map(([, it]) => it), end[1]].join(" "),
    ]);
    return fc.array(rule, { maxLength: 4 });
  }));
}

/** A nat table of iptables; our jump is at `ours`, which is -1 for a table without it. */
function formatIptables(lists: readonly (readonly Words[])[], ours: number): string {
  const [first = [], ...others] = lists.map((list) => list.map(([it]) => it));
  const base = first.map((it) => `-A POSTROUTING ${it}`);
  if (ours !== -1) base.splice(ours, 0, "@ours");
  return [
    ...CHAINS.map((name) => `:${name} - [0:0]`),
    ...ours === -1 ? [] : [":IP-MASQ-AGENT - [0:0]"],
    ...base,
    ...others.flatMap((list, at) => list.map((it) => `-A ${CHAINS[at]} ${it}`)),
  ].join("\n");
}

function formatNft(
  lists: readonly (readonly Words[])[],
  name: string,
  { priority, policy }: { readonly priority: number; readonly policy: string },
): string {
  const [first = [], ...others] = lists.map((list) => list.map(([, it]) => `    ${it}`));
  return [
    `table ${name} {`,
    ...others.map((list, at) => [`  chain ${CHAINS[at]} {`, ...list, "  }"].join("\n")).toReversed(),
    "  chain post {",
    `    type nat hook postrouting priority ${priority}; policy ${policy};`,
    ...first,
    "  }",
    "}",
  ].join("\n");
}

/** Hosts with rules of both families. */
export const randomHosts: fc.Arbitrary<HostRules> = fc.record({
  backend: fc.constantFrom("iptables-nft", "iptables-nft", "iptables-legacy", "nftables"),
  nft: rules(VOCABULARIES.IPv4),
  nft6: rules(VOCABULARIES.IPv6),
  legacy: rules(VOCABULARIES.IPv4),
  hasLegacy: fc.constantFrom(true, false, false),
  ours: fc.nat({ max: 4 }),
  tables: fc.array(
    fc.record({
      lists: fc.oneof(
        fc.tuple(fc.constant("ip"), rules(VOCABULARIES.IPv4)),
        fc.tuple(fc.constant("ip6"), rules(VOCABULARIES.IPv6)),
        fc.tuple(fc.constant("inet"), rules(VOCABULARIES.IPv4)),
        fc.tuple(fc.constant("inet"), rules(VOCABULARIES.IPv6)),
      ),
      priority: fc.constantFrom(90, 100, 100, 110),
      policy: fc.constantFrom("accept", "accept", "accept", "drop"),
    }),
    { maxLength: 2 },
  ),
}).map(({ backend, nft, nft6, legacy, hasLegacy, ours, tables }) => ({
  name: "random",
  backend: backend as NonNullable<HostRules["backend"]>,
  mark: MARK,
  nft: formatIptables(nft, backend === "iptables-nft" ? ours : -1),
  nft6: formatIptables(nft6, backend === "iptables-nft" ? ours : -1),
  ...(hasLegacy || backend === "iptables-legacy") &&
    { legacy: formatIptables(legacy, backend === "iptables-legacy" ? ours : -1) },
  tables: tables.map(({ lists: [family, lists], ...hook }, at) =>
    formatNft(lists, `${family} other${at}`, hook)
  ).join("\n"),
}));
