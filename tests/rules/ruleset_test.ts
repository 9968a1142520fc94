import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { cidrContainsAddress, parseCidr } from "../../lib/config/cidr.ts";
import { LINK_LOCAL_KEY, type MasqConfig, OUTBOUND_KEY } from "../../lib/config/config.ts";
import {
  formatIpAddress,
  type IpAddress,
  type IpFamily,
  parseIpAddress,
} from "../../lib/config/ip_address.ts";
import { resolveConfig } from "../../lib/config/resolve_config.ts";
import { decide, type Packet } from "../../lib/rules/decide.ts";
import { buildRuleset, type Ruleset, verdictOf } from "../../lib/rules/ruleset.ts";
import { configOf } from "../fakes/config.ts";

const MASQUERADE = { randomFully: true, toPorts: [] };
const OPTIONS = { enableIpv6: true, allReservedRanges: false };

/** A ruleset in short: `10.0.0.0/8 RETURN`. */
function short({ rules }: Ruleset): string[] {
  return rules.map(({ match, target }) =>
    `${match.sources ? "from " : ""}${(match.destinations ?? match.sources)?.[0]?.text ?? "*"} ${target}`
  );
}

Deno.test("buildRuleset() of the defaults exempts link-local and private destinations", () => {
  const { config } = resolveConfig({}, OPTIONS);
  assertEquals(short(buildRuleset("IPv4", config, MASQUERADE)), [
    "169.254.0.0/16 RETURN",
    "10.0.0.0/8 RETURN",
    "172.16.0.0/12 RETURN",
    "192.168.0.0/16 RETURN",
    "* MASQUERADE",
  ]);
  assertEquals(short(buildRuleset("IPv6", config, MASQUERADE)), ["fe80::/10 RETURN", "* MASQUERADE"]);
});

Deno.test("buildRuleset() adds the reserved ranges behind the private ones when asked", () => {
  const { config } = resolveConfig({}, { ...OPTIONS, allReservedRanges: true });
  assertEquals(short(buildRuleset("IPv4", config, MASQUERADE)).slice(4, -1), [
    "100.64.0.0/10 RETURN",
    "192.0.0.0/24 RETURN",
    "192.0.2.0/24 RETURN",
    "192.88.99.0/24 RETURN",
    "198.18.0.0/15 RETURN",
    "198.51.100.0/24 RETURN",
    "203.0.113.0/24 RETURN",
    "240.0.0.0/4 RETURN",
  ]);
});

Deno.test("buildRuleset() keeps the order of the lists and of the file, family by family", () => {
  const config = configOf({
    nonMasqueradeCIDRs: ["192.168.0.0/16", "fd00::/8", "10.0.0.0/8"],
    masqueradeCIDRs: ["10.1.0.0/16", "fd00:1::/32"],
    masqLinkLocal: true,
    masqOutBoundIPv6: false,
  });
  assertEquals(short(buildRuleset("IPv4", config, MASQUERADE)), [
    "10.1.0.0/16 MASQUERADE",
    "192.168.0.0/16 RETURN",
    "10.0.0.0/8 RETURN",
    "* MASQUERADE",
  ]);
  assertEquals(short(buildRuleset("IPv6", config, MASQUERADE)), [
    "fd00:1::/32 MASQUERADE",
    "fe80::/10 RETURN",
    "fd00::/8 RETURN",
  ]);
});

Deno.test("buildRuleset() gives every rule the comment that other tools search for", () => {
  const config = configOf({ nonMasqueradeCIDRs: ["10.0.0.0/8"], masqueradeCIDRs: ["10.1.0.0/16"] });
  assertEquals(buildRuleset("IPv4", config, MASQUERADE).rules.map(({ comment }) => comment), [
    "ip-masq-agent: specific outbound traffic is subject to MASQUERADE",
    "ip-masq-agent: local traffic is not subject to MASQUERADE",
    "ip-masq-agent: local traffic is not subject to MASQUERADE",
    "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)",
  ]);
});

Deno.test("buildRuleset() asks for exempt sources behind all destinations, and before everything else", () => {
  const config = configOf({
    nonMasqueradeCIDRs: ["10.0.0.0/8"],
    nonMasqueradeSrcCIDRs: ["10.1.0.0/16", "fd00::/8", "10.2.0.0/16"],
  });
  const { rules } = buildRuleset("IPv4", config, MASQUERADE);
  assertEquals(short({ family: "IPv4", rules, masquerade: MASQUERADE }), [
    "169.254.0.0/16 RETURN",
    "10.0.0.0/8 RETURN",
    "from 10.1.0.0/16 RETURN",
    "from 10.2.0.0/16 RETURN",
    "* MASQUERADE",
  ]);
  assertEquals(rules[2]!.comment, "ip-masq-agent: traffic from this source is not subject to MASQUERADE");
  assertEquals(short(buildRuleset("IPv6", config, MASQUERADE))[1], "from fd00::/8 RETURN");
});

Deno.test("buildRuleset() puts rules of one's own first, each in the families of its lists", () => {
  const config = configOf({
    rules: [
      { action: "masquerade", protocols: ["icmp"] },
      { name: "both", from: ["10.0.0.0/8", "fd00::/8"], action: "keep" },
      { name: "four", from: ["10.0.0.0/8"], to: ["fd00::/8", "11.0.0.0/8"], action: "keep" },
      { name: "none", from: ["10.0.0.0/8"], to: ["fd00::/8"], action: "keep" },
      { name: "six", from: "node", action: "snat", address: "2001:db8::1" },
      { name: "node", from: "node", via: ["eth0", "eth0"], action: "keep" },
    ],
  });
  const rulesOf = (family: IpFamily) =>
    buildRuleset(family, config, MASQUERADE).rules.filter(({ name }) => name !== undefined);
  assertEquals(rulesOf("IPv4").map(({ name }) => name as string), ["0", "both", "four", "node"]);
  assertEquals(rulesOf("IPv6").map(({ name }) => name as string), ["0", "both", "six", "node"]);
  const [, both, four, node] = rulesOf("IPv4");
  assertEquals(both!.match.sources?.map(({ text }) => text), ["10.0.0.0/8"]);
  assertEquals(four!.match.destinations?.map(({ text }) => text), ["11.0.0.0/8"]);
  assertEquals([node!.match.isFromNode, node!.match.interfaces as unknown], [true, ["eth0"]]);
  assertEquals(both!.comment, "ip-masq-agent: rule both");
});

Deno.test("decide() looks at every condition of a rule", async (t) => {
  const config = configOf({
    nonMasqueradeCIDRs: [],
    masqOutBound: false,
    rules: [{
      from: ["10.0.0.0/8"],
      to: ["203.0.113.0/24"],
      via: ["eth0", "wlan+"],
      protocols: ["tcp", "udp"],
      ports: ["80-90", 443],
      action: "masquerade",
    }, {
      name: "ping",
      from: "node",
      protocols: ["icmp"],
      action: "snat",
      address: ["198.51.100.7", "2001:db8::7"],
    }],
  });
  const [source, destination] = ["10.1.2.3", "203.0.113.1"].map(parseIpAddress);
  const packet = { source, destination, interface: "wlan7", protocol: "udp", port: 90, isFromNode: false };
  const cases: [name: string, changes: Record<string, unknown>, target: string][] = [
    ["all hold", {}, "MASQUERADE"],
    ["another port of the list", { port: 443 }, "MASQUERADE"],
    ["a whole name", { interface: "eth0" }, "MASQUERADE"],
    ["another source", { source: parseIpAddress("11.0.0.1") }, "RETURN"],
    ["another destination", { destination: parseIpAddress("203.0.114.1") }, "RETURN"],
    ["another interface", { interface: "eth01" }, "RETURN"],
    ["another protocol", { protocol: "sctp" }, "RETURN"],
    ["another port", { port: 91 }, "RETURN"],
    ["a protocol without ports", { protocol: "icmp" }, "RETURN"],
    ["the node's ping", { protocol: "icmp", isFromNode: true }, "SNAT"],
    ["nothing is known of the port", { port: undefined }, "RETURN"],
  ];
  for (const [name, changes, target] of cases) {
    await t.step(name, () => {
      const decision = decide(buildRuleset("IPv4", config, MASQUERADE), { ...packet, ...changes } as Packet);
      assertEquals(verdictOf(decision.target), target);
    });
  }
  await t.step("icmp is ICMPv6 in IPv6", () => {
    const six = { destination: parseIpAddress("2001:db8::1"), protocol: "icmpv6", isFromNode: true };
    assertEquals(verdictOf(decide(buildRuleset("IPv6", config, MASQUERADE), six).target), "SNAT");
  });
});

Deno.test("decide() agrees with a naive reading of the config", () => {
  const ipv4 = fc.tuple(
    fc.constantFrom(10, 11, 169, 172, 203),
    fc.constantFrom(0, 1, 254),
    fc.constantFrom(0, 7),
  )
    .map(([a, b, c]) => `${a}.${b}.${c}.9`);
  const ipv6 = fc.tuple(fc.constantFrom("fd00", "fe80", "2001"), fc.constantFrom("", "1:", "2:"))
    .map(([a, b]) => `${a}:${b}:9`);
  const prefix = fc.tuple(fc.oneof(ipv4, ipv6), fc.integer({ min: 0, max: 32 }))
    .map(([text, length]) => cidrAround(parseIpAddress(text), length));
  const settings = fc.record({
    nonMasqueradeCIDRs: fc.array(prefix, { maxLength: 5 }),
    masqueradeCIDRs: fc.array(prefix, { maxLength: 3 }),
    nonMasqueradeSrcCIDRs: fc.array(prefix, { maxLength: 3 }),
    masqOutBound: fc.boolean(),
    masqOutBoundIPv6: fc.boolean(),
    masqLinkLocal: fc.boolean(),
    masqLinkLocalIPv6: fc.boolean(),
  });
  const addresses = fc.oneof(fc.tuple(ipv4, ipv4), fc.tuple(ipv6, ipv6)).map((texts) =>
    texts.map(parseIpAddress)
  );
  fc.assert(
    fc.property(settings, addresses, (it, [source, destination]) => {
      const config = configOf(it);
      const ruleset = buildRuleset(destination!.family, config, MASQUERADE);
      const decision = decide(ruleset, { destination: destination!, source: source! });
      assertEquals(decision.target === "MASQUERADE", isMasqueraded(config, destination!, source!));
    }),
    { numRuns: 2_000 },
  );
});

function cidrAround(address: IpAddress, length: number): string {
  const host = BigInt((address.family === "IPv4" ? 32 : 128) - length);
  return `${formatIpAddress({ ...address, value: address.value >> host << host })}/${length}`;
}

/** The config in words: forced, else link-local, else exempt, else as masqOutBound says. */
function isMasqueraded(config: MasqConfig, address: IpAddress, source: IpAddress): boolean {
  const inList = (entries: MasqConfig["masqueradeCIDRs"], it = address) =>
    entries.some(({ cidr }) => cidrContainsAddress(cidr, it));
  const linkLocal: Record<IpFamily, string> = { IPv4: "169.254.0.0/16", IPv6: "fe80::/10" };
  if (inList(config.masqueradeCIDRs)) return true;
  if (
    !config[LINK_LOCAL_KEY[address.family]] &&
    cidrContainsAddress(parseCidr(linkLocal[address.family]), address)
  ) {
    return false;
  }
  if (inList(config.nonMasqueradeCIDRs) || inList(config.nonMasqueradeSrcCIDRs, source)) return false;
  return config[OUTBOUND_KEY[address.family]];
}
