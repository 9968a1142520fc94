import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { buildNftTable, type NftTable } from "../../../lib/backends/nftables/nft_table.ts";
import { formatChange, formatDefinition, formatRemoval } from "../../../lib/backends/nftables/nft_text.ts";
import { cidrContainsAddress, parseCidr } from "../../../lib/config/cidr.ts";
import type { IpAddress, IpFamily } from "../../../lib/config/ip_address.ts";
import { parsePortRanges } from "../../../lib/config/port_range.ts";
import { decide } from "../../../lib/rules/decide.ts";
import { buildRuleset, type Target } from "../../../lib/rules/ruleset.ts";
import { configOf } from "../../fakes/config.ts";

function tableOf(
  settings: Record<string, unknown>,
  family: IpFamily = "IPv4",
  { randomFully = true, toPorts = "" } = {},
): NftTable {
  const masquerade = { randomFully, toPorts: parsePortRanges(toPorts) };
  return buildNftTable(buildRuleset(family, configOf(settings), masquerade));
}

const rulesOf = (table: NftTable) => table.rules.map(({ chain, text }) => `${chain} ${text}`);

Deno.test("formatDefinition() of the defaults is the table that docs/nftables.md shows", async (t) => {
  const text = formatDefinition(tableOf({}));
  await t.step("it is complete", () => {
    assertEquals(text.split("\n").slice(0, 6), [
      "# ip-masq-agent: decides which traffic leaves with the address of this host",
      "table ip ip-masq-agent {",
      "\tcounter linkLocal { }",
      "\tcounter nonMasqueradeCIDRs { }",
      "\tcounter outbound { }",
      "\t# link-local destinations, which keep the source address",
    ]);
  });
  const { default: docs } = await import("../../../docs/nftables.md", { with: { type: "text" } });
  await t.step("the page has it", () => assert(docs.includes(`\`\`\`\n${text}\`\`\`\n`)));
});

Deno.test("buildNftTable() asks the lists in their order, and translates what is left", () => {
  const table = tableOf({ masqueradeCIDRs: ["10.9.0.0/16"], nonMasqueradeCIDRs: ["10.0.0.0/8", "fd00::/8"] });
  assertEquals(table.sets.map(({ name, elements }) => [name, ...elements.map(({ text }) => text)]), [
    ["masqueradeCIDRs", "10.9.0.0/16"],
    ["linkLocal", "169.254.0.0/16"],
    ["nonMasqueradeCIDRs", "10.0.0.0/8"],
  ]);
  const local = "ip-masq-agent: local traffic is not subject to MASQUERADE";
  assertEquals(rulesOf(table), [
    'postrouting fib daddr type local return comment "ip-masq-agent: traffic to this host itself is not subject to MASQUERADE"',
    'postrouting ip daddr @masqueradeCIDRs counter name masqueradeCIDRs goto translate comment "ip-masq-agent: specific outbound traffic is subject to MASQUERADE"',
    `postrouting ip daddr @linkLocal counter name linkLocal return comment "${local}"`,
    `postrouting ip daddr @nonMasqueradeCIDRs counter name nonMasqueradeCIDRs return comment "${local}"`,
    'postrouting counter name outbound goto translate comment "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)"',
    'translate masquerade fully-random comment "ip-masq-agent: the source becomes this host\'s address"',
  ]);
});

Deno.test("buildNftTable() asks for sources behind the destinations", () => {
  const table = tableOf({ nonMasqueradeSrcCIDRs: ["10.1.0.0/16", "fd00::/8"] }, "IPv6");
  assertEquals(
    rulesOf(table).at(-3),
    "postrouting ip6 saddr @nonMasqueradeSrcCIDRs counter name nonMasqueradeSrcCIDRs return " +
      'comment "ip-masq-agent: traffic from this source is not subject to MASQUERADE"',
  );
  assert(formatDefinition(table).includes("\tset nonMasqueradeSrcCIDRs {\n\t\ttypeof ip6 saddr\n"));
});

Deno.test("buildNftTable() writes a rule for each entry of rules, with sets", () => {
  const rules = [
    {
      name: "a",
      from: ["10.0.0.0/8"],
      to: ["203.0.113.0/24"],
      via: ["eth1", "wlan+", "eth0"],
      protocols: ["tcp", "udp"],
      ports: [443, "80-90", "91-95"],
      action: "keep",
    },
    { from: "node", protocols: ["tcp"], ports: [443], action: "masquerade" },
    {
      protocols: ["icmp"],
      action: "snat",
      address: ["198.51.100.8-198.51.100.9", "2001:db8::1-2001:db8::3"],
    },
  ];
  const own = (table: NftTable) =>
    rulesOf(table).filter((rule) => rule.includes("ip-masq-agent: rule ")).map((rule) =>
      rule.replace(/^postrouting /, "").replace(/ comment .*/, "")
    );
  const table = tableOf({ rules });
  const start = "ip saddr @rule-a-from ip daddr @rule-a-to oifname";
  const end = "meta l4proto { tcp, udp } th dport { 80-95, 443 } counter name rule-a return";
  assertEquals(own(table), [
    `${start} { "eth0", "eth1" } ${end}`,
    `${start} "wlan*" ${end}`,
    "fib saddr type local tcp dport 443 counter name rule-1 goto translate",
    "meta l4proto icmp counter name rule-2 snat to 198.51.100.8-198.51.100.9 fully-random,persistent",
  ]);
  assertEquals(table.sets.map(({ name, field }) => [name, field]).slice(0, 2), [
    ["rule-a-from", "saddr"],
    ["rule-a-to", "daddr"],
  ]);
  assertEquals(table.counters.slice(0, 3), ["rule-a", "rule-1", "rule-2"]);
  const tcp = [{ protocols: ["tcp", "icmp"], action: "snat", address: "2001:db8::1-2001:db8::3" }];
  assertEquals(own(tableOf({ rules: tcp }, "IPv6", { toPorts: "5,7-8" })), [
    "meta l4proto tcp numgen random mod 3 < 1 counter name rule-0 snat to [2001:db8::1]-[2001:db8::3]:5 fully-random,persistent",
    "meta l4proto tcp counter name rule-0 snat to [2001:db8::1]-[2001:db8::3]:7-8 fully-random,persistent",
    "meta l4proto icmpv6 counter name rule-0 snat to 2001:db8::1-2001:db8::3 fully-random,persistent",
  ]);
  assertEquals(own(tableOf({ rules: rules.slice(0, 1) }, "IPv6")), []);
});

Deno.test("buildNftTable() writes no set and no rule for what the config leaves out", () => {
  const off = { nonMasqueradeCIDRs: [], masqLinkLocalIPv6: true, masqOutBoundIPv6: false };
  const table = tableOf(off, "IPv6");
  assertEquals([table.sets, table.counters], [[], []]);
  assertEquals(table.rules.filter(({ chain }) => chain === "postrouting").length, 1);
});

Deno.test("buildNftTable() gives each range of --to-ports its share, for each protocol that has ports", () => {
  const table = tableOf({}, "IPv6", { randomFully: false, toPorts: "1024-29999,32768-65535,80-80" });
  const translate = rulesOf(table).filter((rule) => rule.startsWith("translate "));
  const texts = translate.map((rule) => rule.replace(/^translate /, "").replace(/ comment .*/, ""));
  assertEquals(texts, [
    ...["tcp", "udp", "sctp"].flatMap((protocol) => [
      `meta l4proto ${protocol} numgen random mod 61745 < 28976 masquerade to :1024-29999`,
      `meta l4proto ${protocol} numgen random mod 32769 < 32768 masquerade to :32768-65535`,
      `meta l4proto ${protocol} masquerade to :80`,
    ]),
    "masquerade",
  ]);
});

Deno.test("an entry inside of another stays visible in the text and is no element", () => {
  const table = tableOf({ nonMasqueradeCIDRs: ["10.1.0.0/16", "10.0.0.0/8", "10.0.0.0/8", "11.0.0.0/8"] });
  assertEquals(table.sets.at(-1)!.elements.map(({ text }) => text), ["10.0.0.0/8", "11.0.0.0/8"]);
  const lines = formatDefinition(table).split("\n").filter((line) => /\t1[01]\.|# 10/.test(line));
  assertEquals(lines.map((line) => line.trim()), [
    "# 10.1.0.0/16 lies inside 10.0.0.0/8",
    "# 10.0.0.0/8 lies inside 10.0.0.0/8",
    "10.0.0.0/8,",
    "11.0.0.0/8,",
  ]);
});

Deno.test("formatChange() never adds a rule to rules that stand", () => {
  const table = tableOf({});
  const head = (text: string) => text.slice(0, text.indexOf("\n# ip-masq-agent: ")).split("\n");
  const update = { kind: "update", removeSets: ["linkLocal"], removeCounters: ["masqueradeCIDRs"] } as const;
  assertEquals(head(formatChange(table, update)), [
    "flush table ip ip-masq-agent",
    "delete set ip ip-masq-agent linkLocal",
    "delete counter ip ip-masq-agent masqueradeCIDRs",
    // nft 0.9.8 crashes without these two: tests/hosts has it.
    "add set ip ip-masq-agent linkLocal { typeof ip daddr; flags interval; }",
    "add set ip ip-masq-agent nonMasqueradeCIDRs { typeof ip daddr; flags interval; }",
  ]);
  assertEquals(head(formatChange(table, { kind: "replace" })), [
    "add table ip ip-masq-agent",
    "delete table ip ip-masq-agent",
  ]);
  assertEquals(formatRemoval({ family: "IPv6" }), "delete table ip6 ip-masq-agent\n");
});

/** Walks through the base chain as the kernel does. */
function verdictOf(table: NftTable, destination: IpAddress): Target {
  for (const { chain, text } of table.rules) {
    if (chain !== "postrouting" || text.startsWith("fib ")) continue;
    const [, name] = /daddr @(\w+)/.exec(text) ?? [];
    const set = table.sets.find((it) => it.name === name);
    const matches = name === undefined ||
      set!.elements.some((element) => cidrContainsAddress(element, destination));
    if (matches) return / goto translate /.test(text) ? "MASQUERADE" : "RETURN";
  }
  return "RETURN";
}

Deno.test("for every config and address, the table decides as the ruleset does", () => {
  // A small part of the address space, so that entries contain, touch and repeat each other.
  const cidr = fc.tuple(fc.nat(63), fc.integer({ min: 24, max: 32 })).map(([low, length]) => {
    const host = 32 - length;
    const address = ((0x0a000000 | low << 2) >>> host << host) >>> 0;
    const four = [24, 16, 8, 0].map((shift) => address >>> shift & 255).join(".");
    return [`${four}/${length}`, `fd00::${(address & 0xffff).toString(16)}/${96 + length}`];
  });
  const cidrs = fc.array(cidr, { maxLength: 12 }).map((all) => all.flat());
  const everything = fc.boolean().map((is) => is ? ["0.0.0.0/0", "::/0"] : []);
  fc.assert(
    fc.property(
      cidrs,
      fc.tuple(cidrs, everything).map((all) => all.flat()),
      fc.boolean(),
      fc.boolean(),
      fc.nat(300),
      fc.constantFrom("IPv4" as const, "IPv6" as const),
      (masqueradeCIDRs, nonMasqueradeCIDRs, link, outbound, low, family) => {
        const config = configOf({
          masqueradeCIDRs,
          nonMasqueradeCIDRs,
          masqLinkLocal: link,
          masqOutBound: outbound,
          masqOutBoundIPv6: outbound,
        });
        const ruleset = buildRuleset(family, config, { randomFully: true, toPorts: [] });
        const table = buildNftTable(ruleset);
        const first = parseCidr(family === "IPv4" ? "10.0.0.0/8" : "fd00::/8").address;
        const destination = { family, value: first + BigInt(low) };
        assertEquals(verdictOf(table, destination), decide(ruleset, { destination }).target);
        for (const { elements } of table.sets) {
          for (const [index, element] of elements.entries()) {
            const before = elements[index - 1];
            assert(
              before === undefined ||
                !cidrContainsAddress(before, { family, value: element.address }) &&
                  before.address < element.address,
            );
          }
        }
      },
    ),
  );
});
