import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type ChainRule, expandRuleset, formatChainRule } from "../../../lib/backends/iptables/chain_rule.ts";
import { buildChains, isSubChain, subChainPrefix } from "../../../lib/backends/iptables/chain_tree.ts";
import { compare } from "../../../lib/backends/iptables/compare.ts";
import { parseListing } from "../../../lib/backends/iptables/listing.ts";
import { formatJump, formatWriteText } from "../../../lib/backends/iptables/restore_text.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { cidrContainsAddress } from "../../../lib/config/cidr.ts";
import { type IpAddress, type IpFamily, parseIpAddress } from "../../../lib/config/ip_address.ts";
import { buildRuleset } from "../../../lib/rules/ruleset.ts";
import { configOf } from "../../fakes/config.ts";

const CHAIN = parseChainName("MASQ");
const OPTIONS = { randomFully: true, toPorts: [] };
const SMALL = { threshold: 5, branches: 2, leaf: 2 };

const small = buildRuleset(
  "IPv4",
  configOf({
    masqLinkLocal: true,
    nonMasqueradeCIDRs: [
      "10.0.0.0/16",
      "10.1.0.0/16",
      "10.2.0.0/16",
      "20.0.0.0/16",
      "20.0.0.0/8",
      "20.1.0.0/16",
    ],
  }),
  OPTIONS,
);

Deno.test("buildChains() splits destinations by prefix, and each chain ends with what is left", () => {
  const lines = [...buildChains(small, CHAIN, SMALL)].flatMap(([name, rules]) =>
    rules.map((rule) => `${name} ${formatChainRule(rule)}`)
  );
  const tree = '-m comment --comment "ip-masq-agent: destinations are in sub-chains"';
  assertEquals(lines, [
    `MASQ -d 10.0.0.0/14 ${tree} -g MASQ/1`,
    `MASQ -d 20.0.0.0/8 ${tree} -g MASQ/3`,
    `MASQ ${tree} -g MASQ/rest`,
    "MASQ/1 -d 10.0.0.0/15 -g MASQ/2",
    "MASQ/1 -d 10.2.0.0/16 -j RETURN",
    "MASQ/1 -g MASQ/rest",
    "MASQ/2 -d 10.0.0.0/16 -j RETURN",
    "MASQ/2 -d 10.1.0.0/16 -j RETURN",
    "MASQ/2 -g MASQ/rest",
    "MASQ/3 -d 20.0.0.0/16 -j RETURN",
    "MASQ/3 -d 20.0.0.0/8 -j RETURN",
    'MASQ/rest -m comment --comment "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)" ' +
    "-j MASQUERADE --random-fully",
  ]);
});

Deno.test("buildChains() writes one chain below the threshold", () => {
  const flat = new Map([[CHAIN, expandRuleset(small)]]);
  assertEquals(buildChains(small, CHAIN, { ...SMALL, threshold: 7 }), flat);
  assertEquals(buildChains(small, CHAIN), flat);
});

Deno.test("names of sub-chains fit into the kernel's 28 characters, and belong to one chain", () => {
  for (const name of ["A", "A".repeat(21), "A".repeat(22), "A".repeat(28)].map(parseChainName)) {
    assert(`${subChainPrefix(name)}999999`.length <= 28, name);
    assert(isSubChain(`${subChainPrefix(name)}rest`, name) && isSubChain(`${subChainPrefix(name)}12`, name));
    assert(!isSubChain(name, name) && !isSubChain(`${subChainPrefix(name)}x`, name));
  }
  const [a, b] = ["A".repeat(27), `${"A".repeat(26)}B`].map(parseChainName);
  assert(subChainPrefix(a!) !== subChainPrefix(b!));
});

const NETWORKS = { IPv4: "203.0.", IPv6: "2001:db8:" } as const;
const numbers = fc.record({ high: fc.nat(31), low: fc.nat(31), length: fc.constantFrom(16, 11, 13, 15, 8) });

function addressOf(family: IpFamily, { high, low }: { high: number; low: number }): IpAddress {
  const { value } = parseIpAddress(`${NETWORKS[family]}${family === "IPv4" ? "0.0" : ":"}`);
  const shift = family === "IPv4" ? 0n : 80n;
  return { family, value: value | BigInt(high << 11 | low << 2) << shift };
}

/** A list of nested networks, as text. */
const networks = fc.array(numbers, { minLength: 8, maxLength: 60 }).map((list) =>
  list.flatMap(({ high, low, length }) => {
    const mask = 0xffff << 16 - length & 0xffff;
    const bits = (high << 11 | low << 2) & mask;
    return [
      `203.0.${bits >> 8}.${bits & 255}/${16 + length}`,
      `2001:db8:${bits.toString(16)}::/${32 + length}`,
    ];
  })
);

const configs = fc.record({
  nonMasqueradeCIDRs: networks,
  masqueradeCIDRs: fc.oneof(fc.constant([]), networks),
  rules: fc.array(
    fc.record({
      name: fc.constantFrom("a"),
      to: networks.map((list) => list.slice(0, 6)),
      action: fc.constant("keep"),
    }),
    { maxLength: 1 },
  ),
  masqOutBound: fc.boolean(),
});

/** What decides about a packet to `destination`, and how many rules it meets. */
function walk(
  chains: ReadonlyMap<string, readonly ChainRule[]>,
  destination: IpAddress,
): [string | undefined, number] {
  let [name, walked] = [CHAIN as string, 0];
  for (;;) {
    const rules = chains.get(name)!;
    const at = rules.findIndex((rule) =>
      rule.destination === undefined || cidrContainsAddress(rule.destination, destination)
    );
    if (at === -1) return [undefined, walked + rules.length];
    walked += at + 1;
    const { target } = rules[at]!;
    if (target.kind !== "GOTO") return [target.kind, walked];
    name = target.chain;
  }
}

Deno.test("a tree decides as the one chain does", () => {
  const shapes = fc.record({
    branches: fc.integer({ min: 2, max: 6 }),
    leaf: fc.integer({ min: 1, max: 5 }),
  });
  fc.assert(
    fc.property(
      configs,
      shapes,
      fc.array(numbers, { minLength: 30, maxLength: 30 }),
      fc.constantFrom("IPv4", "IPv6"),
      (config, shape, packets, family) => {
        const ruleset = buildRuleset(family, configOf(config), OPTIONS);
        const flat = new Map([[CHAIN, expandRuleset(ruleset)]]);
        const tree = buildChains(ruleset, CHAIN, { ...shape, threshold: 5 });
        for (const packet of packets) {
          const destination = addressOf(family, packet);
          assertEquals(walk(tree, destination)[0], walk(flat, destination)[0]);
        }
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("a packet walks tens of rules of 10,000", () => {
  const list = Array.from({ length: 10_000 }, (_, index) => {
    const block = index * 7919 % 16_384;
    return `198.${18 + (block >> 13)}.${block >> 5 & 255}.${(block & 31) * 8}/30`;
  });
  const ruleset = buildRuleset("IPv4", configOf({ nonMasqueradeCIDRs: list, cidrLimit: 10_000 }), OPTIONS);
  const chains = buildChains(ruleset, CHAIN);
  for (let packet = 0; packet < 500; packet++) {
    const value = 0xc6120000n + BigInt(packet * 104_729 % 0x20000);
    assert(walk(chains, { family: "IPv4", value })[1] <= 60);
  }
});

Deno.test("compare() sees what differs in a sub-chain, and removes those that nothing needs", async (t) => {
  const desired = buildChains(small, CHAIN, SMALL);
  const print = (
    name: string,
  ) => [`-N ${name}`, ...desired.get(name)!.map((it) => `-A ${name} ${formatChainRule(it)}`)];
  const lines = [
    "-P POSTROUTING ACCEPT",
    `-A POSTROUTING ${formatJump(CHAIN)}`,
    ...[...desired.keys()].flatMap(print),
  ];
  const drift = (text: readonly string[], wanted = desired) =>
    compare(parseListing(`${text.join("\n")}\n`, CHAIN), wanted, CHAIN);
  const cases: [name: string, text: string[], said: string | undefined][] = [
    ["nothing", lines, undefined],
    ["a rule less", lines.filter((line) => !line.includes("MASQ/2 -d 10.1")), "1 rule missing"],
    ["a foreign rule", [...lines, "-A MASQ/2 -j ACCEPT"], "1 foreign rule in chain MASQ/2"],
    [
      "a goto elsewhere",
      lines.map((line) => line.replace("-g MASQ/2", "-g OTHER")),
      "1 foreign rule in chain MASQ/1",
    ],
    ["a surplus chain", [...lines, "-N MASQ/9"], "order"],
  ];
  for (const [name, text, said] of cases) {
    await t.step(name, () => assertEquals(drift(text).drift[0]?.detail.includes(said ?? ""), said && true));
  }
  await t.step("from tree to chain", () => {
    const text = formatWriteText(CHAIN, drift(lines, buildChains(small, CHAIN)).changes);
    const names = ["MASQ/1", "MASQ/2", "MASQ/3", "MASQ/rest"];
    assertEquals(
      text.split("\n").filter((line) => /^(?::|-[FX])/.test(line)),
      [":MASQ - [0:0]", ...names.map((it) => `-F ${it}`), ...names.map((it) => `-X ${it}`)],
    );
  });
});
