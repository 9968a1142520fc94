import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { cidrContains, parseCidr } from "../../lib/config/cidr.ts";
import { formatIpAddress } from "../../lib/config/ip_address.ts";
import { parseConfig } from "../../lib/config/parse_config.ts";
import { formatProblem, UPSTREAM_REFUSES } from "../../lib/config/problem.ts";
import { resolveConfig } from "../../lib/config/resolve_config.ts";

function problemsOf(text: string, enableIpv6 = true): string[] {
  const { settings } = parseConfig(text, "f");
  return resolveConfig(settings, { enableIpv6, allReservedRanges: false }).problems.map(formatProblem);
}

Deno.test("resolveConfig() fills in the defaults, and none of them is a problem", () => {
  const { config, problems } = resolveConfig({}, { enableIpv6: false, allReservedRanges: true });
  assertEquals(problems, []);
  assertEquals(config.nonMasqueradeCIDRs.length, 11);
  assertEquals(
    [config.masqOutBound, config.masqOutBoundIPv6, config.masqLinkLocal, config.masqLinkLocalIPv6],
    [true, true, false, false],
  );
  assertEquals([config.cidrLimit, config.resyncInterval], [64, 60_000]);
  assertEquals(resolveConfig({ cidrLimit: 0 }, { enableIpv6: false, allReservedRanges: true }).problems, []);
});

Deno.test("resolveConfig() warns of entries that change nothing, and of no others", async (t) => {
  const cases: [text: string, ...problems: string[]][] = [
    ["nonMasqueradeCIDRs: [10.1.0.0/16, 10.2.0.0/16, fd00::/8]"],
    ["nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqueradeCIDRs: [10.10.10.10/32]"],
    [
      "nonMasqueradeCIDRs: [10.0.0.0/8, 10.0.0.0/8]",
      'f:1:34: warning: nonMasqueradeCIDRs[1]: "10.0.0.0/8" is there already: nonMasqueradeCIDRs[0] "10.0.0.0/8"',
    ],
    [
      "nonMasqueradeCIDRs: [10.1.0.0/16, 10.0.0.0/8]",
      'f:1:22: warning: nonMasqueradeCIDRs[0]: "10.1.0.0/16" changes nothing, since it lies inside nonMasqueradeCIDRs[1] "10.0.0.0/8"',
    ],
    [
      "masqueradeCIDRs: [0.0.0.0/0, 10.0.0.0/8]",
      'f:1:30: warning: masqueradeCIDRs[1]: "10.0.0.0/8" changes nothing, since it lies inside masqueradeCIDRs[0] "0.0.0.0/0"',
    ],
    [
      "nonMasqueradeCIDRs: [10.10.0.0/16]\nmasqueradeCIDRs: [10.0.0.0/8]",
      'f:1:22: warning: nonMasqueradeCIDRs[0]: "10.10.0.0/16" can never match, since this decides first: masqueradeCIDRs[0] "10.0.0.0/8"',
    ],
    [
      "nonMasqueradeCIDRs: [169.254.169.254/32, fe80::/64]",
      'f:1:22: warning: nonMasqueradeCIDRs[0]: "169.254.169.254/32" is exempt anyway: link-local destinations are, unless masqLinkLocal is true',
      'f:1:42: warning: nonMasqueradeCIDRs[1]: "fe80::/64" is exempt anyway: link-local destinations are, unless masqLinkLocalIPv6 is true',
    ],
    ["nonMasqueradeCIDRs: [169.254.169.254/32, fe80::/64]\nmasqLinkLocal: true\nmasqLinkLocalIPv6: true"],
    ["masqueradeCIDRs: [169.254.169.254/32]"],
    ["nonMasqueradeCIDRs: [10.0.0.0/8]\nrules: [{to: [10.0.0.0/8], via: [eth0], action: keep}]"],
    ["nonMasqueradeSrcCIDRs: [10.0.0.0/8]\nrules: [{to: [10.0.0.0/8], action: keep}]"],
    ['nonMasqueradeSrcCIDRs: ["fd00::/8"]\nrules: [{action: snat, address: 198.51.100.7}]'],
    [
      "masqueradeCIDRs: [10.1.0.0/16]\nrules: [{to: [10.0.0.0/8], action: keep}]",
      'f:1:19: warning: masqueradeCIDRs[0]: "10.1.0.0/16" can never match, since this decides first: rules[0].to[0] "10.0.0.0/8"',
    ],
    [
      'nonMasqueradeCIDRs: ["fd00::/8"]\nnonMasqueradeSrcCIDRs: [10.0.0.0/8]\nrules: [{action: keep}]',
      'f:1:22: warning: nonMasqueradeCIDRs[0]: "fd00::/8" can never match, since this decides first: rules[0] "::/0"',
      'f:2:25: warning: nonMasqueradeSrcCIDRs[0]: "10.0.0.0/8" can never match, since this decides first: rules[0] "0.0.0.0/0"',
    ],
    ["nonMasqueradeSrcCIDRs: [10.0.0.0/8, 169.254.1.0/24]\nmasqueradeCIDRs: [10.0.0.0/8]"],
    [
      "nonMasqueradeSrcCIDRs: [10.0.0.0/8, 10.1.0.0/16]",
      'f:1:37: warning: nonMasqueradeSrcCIDRs[1]: "10.1.0.0/16" changes nothing, since it lies inside nonMasqueradeSrcCIDRs[0] "10.0.0.0/8"',
    ],
  ];
  for (const [text, ...problems] of cases) {
    await t.step(JSON.stringify(text), () => assertEquals(problemsOf(text), problems));
  }
});

Deno.test("resolveConfig() warns once of an IPv6 entry while IPv6 is off", () => {
  assertEquals(problemsOf("nonMasqueradeCIDRs: [fd00::/8, 10.0.0.0/8]", false), [
    'f:1:22: warning: nonMasqueradeCIDRs[0]: "fd00::/8" is ignored while IPv6 is off: start the agent with --enable-ipv6; ' +
    UPSTREAM_REFUSES,
  ]);
});

Deno.test("resolveConfig() counts both families against cidrLimit, and names the first entry over it", () => {
  assertEquals(problemsOf("cidrLimit: 2\nnonMasqueradeCIDRs: [10.0.0.0/8, fd00::/8]"), []);
  assertEquals(problemsOf("cidrLimit: 2\nnonMasqueradeCIDRs: [10.0.0.0/8, fd00::/8, 11.0.0.0/8]"), [
    "f:2:44: nonMasqueradeCIDRs[2]: 3 entries are more than cidrLimit allows (2): every entry costs each new " +
    "connection time: join ranges, or raise cidrLimit",
  ]);
  const many = Array.from({ length: 65 }, (_, index) => `10.${index}.0.0/16`);
  assertEquals(problemsOf(`nonMasqueradeCIDRs: [${many}]`).length, 1);
  assertEquals(problemsOf(`masqueradeCIDRs: [${many}]`), []);
});

Deno.test("resolveConfig() finds covered entries as a naive comparison of all pairs does", () => {
  const cidr = fc.tuple(fc.nat(15), fc.integer({ min: 0, max: 4 })).map(([high, length]) => {
    const value = BigInt(high) << 28n >> BigInt(32 - length) << BigInt(32 - length);
    return `${formatIpAddress({ family: "IPv4", value })}/${length}`;
  });
  fc.assert(fc.property(fc.array(cidr, { maxLength: 12 }), (texts) => {
    const covered = texts.map((text, index) => {
      const others = texts.some((other, otherIndex) =>
        otherIndex !== index && cidrContains(parseCidr(other), parseCidr(text)) &&
        (other !== text || otherIndex < index)
      );
      return others ? index : -1;
    }).filter((index) => index >= 0);
    const { settings } = parseConfig(JSON.stringify({ masqueradeCIDRs: texts }), "f");
    const { problems } = resolveConfig(settings, { enableIpv6: true, allReservedRanges: false });
    assertEquals(problems.map(({ origin }) => Number(/\[(\d+)\]/.exec(origin.key)![1])), covered);
  }));
});

Deno.test("resolveConfig() warns of chains that are long for iptables, wherever it may be iptables", async (t) => {
  const cidrs = (count: number, net: string) =>
    Array.from(
      { length: count },
      (_, index) => net === "10" ? `10.${index >> 8}.${index & 255}.0/24` : `fd00:${index.toString(16)}::/32`,
    );
  const settings = (text: string) => parseConfig(text, "f").settings;
  const problems = (text: string, backend?: string, enableIpv6 = true) =>
    resolveConfig(settings(`cidrLimit: 5000\n${text}`), {
      enableIpv6,
      allReservedRanges: false,
      ...(backend !== undefined && { backend }),
    }).problems.map(formatProblem);
  const long =
    "rules of IPv4, of which each new connection asks one after the other in iptables: use --backend=nftables";
  await t.step(
    "1,000 are none too many",
    () => assertEquals(problems(`nonMasqueradeCIDRs: [${cidrs(1000, "10")}]`), []),
  );
  await t.step("1,001 are", () => {
    for (const backend of [undefined, "auto", "iptables", "iptables-legacy"]) {
      assertEquals(problems(`nonMasqueradeCIDRs: [${cidrs(1001, "10")}]`, backend), [
        `f:2:1: warning: nonMasqueradeCIDRs: 1001 ${long}`,
      ]);
    }
    assertEquals(problems(`nonMasqueradeCIDRs: [${cidrs(1001, "10")}]`, "nftables"), []);
  });
  await t.step("the lists of a rule are multiplied, and count in their family", () => {
    const rule = (from: readonly string[]) =>
      `nonMasqueradeCIDRs: []\nrules: [{from: [${from}], via: [a, b], protocols: [tcp, udp], action: keep}]`;
    assertEquals(problems(rule([...cidrs(250, "10"), "fd00::/8"])), []);
    assertEquals(problems(rule(cidrs(251, "10"))), [`f:3:1: warning: rules: 1004 ${long}`]);
  });
  await t.step("of IPv6 only where it is on", () => {
    const text = `masqueradeCIDRs: [${cidrs(1001, "fd")}]`;
    assertEquals(problems(text).filter((it) => it.includes("iptables")), [
      `f:2:1: warning: masqueradeCIDRs: 1001 ${long.replace("4", "6")}`,
    ]);
    assertEquals(problems(text, undefined, false).filter((it) => it.includes("iptables")), []);
  });
});
