import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  type ChainRule,
  expandRuleset,
  formatChainRule,
  quoteWord,
  sameChainRule,
} from "../../../lib/backends/iptables/chain_rule.ts";
import { BackendError } from "../../../lib/backends/backend.ts";
import { parseListing } from "../../../lib/backends/iptables/listing.ts";
import { splitWords } from "../../../lib/backends/iptables/nat_table.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { parseCidr } from "../../../lib/config/cidr.ts";
import type { IpFamily } from "../../../lib/config/ip_address.ts";
import { parseInterfacePattern } from "../../../lib/config/interface_name.ts";
import { parsePortRanges, type PortRange, portRangeSize } from "../../../lib/config/port_range.ts";
import { PORT_PROTOCOLS } from "../../../lib/config/rule_entry.ts";
import { parseSourceAddress } from "../../../lib/config/source_address.ts";
import { buildRuleset } from "../../../lib/rules/ruleset.ts";
import { configOf } from "../../fakes/config.ts";

const CONFIG = configOf({ nonMasqueradeCIDRs: ["10.0.0.0/8"] });

/** The lines that a config with one exempt range gives. */
function lines(toPorts: string, randomFully = true): string[] {
  const ruleset = buildRuleset("IPv4", CONFIG, { randomFully, toPorts: parsePortRanges(toPorts) });
  return expandRuleset(ruleset).map(formatChainRule);
}

const LOCAL = '-m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN';
const OUTBOUND =
  '-m comment --comment "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)"';

Deno.test("expandRuleset() writes a rule a line", () => {
  assertEquals(lines(""), [
    `-d 169.254.0.0/16 ${LOCAL}`,
    `-d 10.0.0.0/8 ${LOCAL}`,
    `${OUTBOUND} -j MASQUERADE --random-fully`,
  ]);
});

Deno.test("expandRuleset() leaves out --random-fully when told, or when iptables is too old", () => {
  assertEquals(lines("", false).at(-1), `${OUTBOUND} -j MASQUERADE`);
});

Deno.test("expandRuleset() writes a rule per protocol and port range before each MASQUERADE rule", () => {
  const share = "-m statistic --mode random --probability 0.469292562840114";
  assertEquals(lines("1024-29999,32768-65535").slice(2), [
    ...PORT_PROTOCOLS.flatMap((protocol) => [
      `-p ${protocol} ${OUTBOUND} ${share} -j MASQUERADE --to-ports 1024-29999 --random-fully`,
      `-p ${protocol} ${OUTBOUND} -j MASQUERADE --to-ports 32768-65535 --random-fully`,
    ]),
    `${OUTBOUND} -j MASQUERADE --random-fully`,
  ]);
});

Deno.test("expandRuleset() writes the port rules for each of masqueradeCIDRs, with its destination", () => {
  const config = configOf({
    masqueradeCIDRs: ["10.1.0.0/16"],
    nonMasqueradeCIDRs: [],
    masqOutBound: false,
    masqLinkLocal: true,
  });
  const ruleset = buildRuleset("IPv4", config, { randomFully: false, toPorts: parsePortRanges("1024-2047") });
  const comment = '-m comment --comment "ip-masq-agent: specific outbound traffic is subject to MASQUERADE"';
  assertEquals(expandRuleset(ruleset).map(formatChainRule), [
    ...PORT_PROTOCOLS.map((it) => `-d 10.1.0.0/16 -p ${it} ${comment} -j MASQUERADE --to-ports 1024-2047`),
    `-d 10.1.0.0/16 ${comment} -j MASQUERADE`,
  ]);
});

Deno.test("expandRuleset() writes a source as iptables prints it", () => {
  const config = configOf({ nonMasqueradeCIDRs: [], nonMasqueradeSrcCIDRs: ["10.1.0.0/16"] });
  const ruleset = buildRuleset("IPv4", config, { randomFully: true, toPorts: [] });
  assertEquals(
    expandRuleset(ruleset).map(formatChainRule)[1],
    '-s 10.1.0.0/16 -m comment --comment "ip-masq-agent: traffic from this source is not subject to ' +
      'MASQUERADE" -j RETURN',
  );
});

Deno.test("expandRuleset() multiplies the lists of a rule", () => {
  const expand = (rule: Record<string, unknown>, family: IpFamily, toPorts = "") => {
    const config = configOf({ rules: [{ name: "x", ...rule }] });
    const ruleset = buildRuleset(family, config, { randomFully: true, toPorts: parsePortRanges(toPorts) });
    const comment = '-m comment --comment "ip-masq-agent: rule x" ';
    return expandRuleset(ruleset).map(formatChainRule).filter((line) => line.includes(comment))
      .map((line) => line.replace(comment, ""));
  };
  const lists = { to: ["203.0.113.0/24"], via: ["eth0", "eth+"], protocols: ["tcp"], ports: [80, "81-90"] };
  assertEquals(expand({ from: ["10.0.0.0/8"], ...lists, action: "keep" }, "IPv4"), [
    "-s 10.0.0.0/8 -d 203.0.113.0/24 -o eth0 -p tcp -m multiport --dports 80 -j RETURN",
    "-s 10.0.0.0/8 -d 203.0.113.0/24 -o eth0 -p tcp -m multiport --dports 81:90 -j RETURN",
    "-s 10.0.0.0/8 -d 203.0.113.0/24 -o eth+ -p tcp -m multiport --dports 80 -j RETURN",
    "-s 10.0.0.0/8 -d 203.0.113.0/24 -o eth+ -p tcp -m multiport --dports 81:90 -j RETURN",
  ]);
  const ping = {
    from: "node",
    protocols: ["icmp"],
    action: "snat",
    address: ["198.51.100.7", "2001:db8::7"],
  };
  const snat = "-m addrtype --src-type LOCAL -j SNAT --to-source";
  assertEquals(expand(ping, "IPv4", "5-6"), [`-p icmp ${snat} 198.51.100.7 --random-fully`]);
  assertEquals(expand(ping, "IPv6", "5-6"), [`-p ipv6-icmp ${snat} 2001:db8::7 --random-fully`]);
  const range = {
    protocols: ["udp"],
    action: "snat",
    address: ["1.2.3.4-1.2.3.5", "2001:db8::1-2001:db8::2"],
  };
  const end = "--random-fully --persistent";
  assertEquals(expand(range, "IPv4", "5,7-8"), [
    `-p udp -m statistic --mode random --probability 0.333333333333333 -j SNAT --to-source 1.2.3.4-1.2.3.5:5 ${end}`,
    `-p udp -j SNAT --to-source 1.2.3.4-1.2.3.5:7-8 ${end}`,
  ]);
  assertEquals(expand(range, "IPv6", "5"), [
    `-p udp -j SNAT --to-source [2001:db8::1-2001:db8::2]:5 ${end}`,
  ]);
  assertEquals(expand({ action: "masquerade" }, "IPv4", "5").length, 4);
});

Deno.test("expandRuleset() refuses rules that become more than 4096 lines", () => {
  const list = (length: number, start: string) => Array.from({ length }, (_, at) => `${start}.${at}/32`);
  const expand = (length: number, action: Record<string, unknown>, toPorts = "") => {
    const config = configOf({ rules: [{ from: list(64, "10.0.0"), to: list(length, "11.0.0"), ...action }] });
    return expandRuleset(
      buildRuleset("IPv4", config, { randomFully: true, toPorts: parsePortRanges(toPorts) }),
    );
  };
  assertEquals(expand(64, { action: "keep" }).length, 4096 + 5);
  assertThrows(() => expand(65, { action: "keep" }), BackendError, "4160 rules, more than 4096");
  assertThrows(() => expand(64, { action: "masquerade" }, "5"), BackendError, "--backend=nftables");
});

Deno.test("expandRuleset() gives every port range its share of the packets", () => {
  const ranges = fc.uniqueArray(fc.integer({ min: 1, max: 65535 }), { minLength: 2, maxLength: 10 }).map(
    (ports) => {
      const sorted = ports.sort((a, b) => a - b);
      const texts: string[] = [];
      for (let at = 0; at + 1 < sorted.length; at += 2) texts.push(`${sorted[at]}-${sorted[at + 1]}`);
      return parsePortRanges(texts.join(","));
    },
  );
  fc.assert(fc.property(ranges, (toPorts) => {
    const ruleset = buildRuleset("IPv4", CONFIG, { randomFully: true, toPorts });
    const tcp = expandRuleset(ruleset).filter(({ protocol }) => protocol === "tcp");
    const total = toPorts.reduce((sum, range) => sum + portRangeSize(range), 0);
    let left = 1;
    for (const [index, { probability, target }] of tcp.entries()) {
      assert(target.kind === "MASQUERADE");
      assertEquals<PortRange | undefined>(target.toPorts, toPorts[index]);
      const share = left * (probability ?? 1);
      assert(Math.abs(share - portRangeSize(toPorts[index]!) / total) < 1e-9);
      left -= share;
    }
    assert(Math.abs(left) < 1e-9);
  }));
});

Deno.test("quoteWord() writes what splitWords() reads", () => {
  const word = fc.string({ minLength: 1 }).filter((text) => !/[\n\r\0]/.test(text));
  fc.assert(fc.property(fc.array(word), (words) => {
    assertEquals(splitWords(words.map(quoteWord).join(" ")), words);
  }));
});

Deno.test("quoteWord() refuses what would become a second line", () => {
  for (const word of ["a\nb", "a\rb", "a\0b"]) assertThrows(() => quoteWord(word), TypeError);
});

/** Any rule that our chain can have. */
const chainRule: fc.Arbitrary<ChainRule> = fc.record({
  source: fc.constantFrom("10.0.0.0/8", "fd00::/8").map(parseCidr),
  destination: fc.constantFrom("10.0.0.0/8", "203.0.113.7/32", "fd00::/8").map(parseCidr),
  interface: fc.constantFrom("eth0", "eth+").map(parseInterfacePattern),
  protocol: fc.constantFrom(...PORT_PROTOCOLS, "icmp", "ipv6-icmp"),
  port: fc.constantFrom("80", "80-90").map((text) => parsePortRanges(text)[0]!),
  isFromNode: fc.constant(true),
  comment: fc.constantFrom("x", 'ip-masq-agent: it\'s a "quoted" one', "\\", "-j"),
  probability: fc.double({ min: 0.0001, max: 0.9999, noNaN: true }),
  target: fc.oneof(
    fc.constant({ kind: "RETURN" as const }),
    fc.record({ kind: fc.constant("MASQUERADE" as const), randomFully: fc.boolean() }),
    fc.record({
      kind: fc.constant("MASQUERADE" as const),
      randomFully: fc.boolean(),
      toPorts: fc.constantFrom("1-65535", "5-5").map((text) => parsePortRanges(text)[0]!),
    }),
    fc.record({
      kind: fc.constant("SNAT" as const),
      randomFully: fc.boolean(),
      address: fc.constantFrom(
        "198.51.100.7",
        "198.51.100.7-198.51.100.9",
        "2001:db8::1",
        "2001:db8::1-2001:db8::9",
      )
        .map(parseSourceAddress),
      toPorts: fc.constantFrom("1-65535", "5-5").map((text) => parsePortRanges(text)[0]!),
    }, { requiredKeys: ["kind", "randomFully", "address"] }),
  ),
}, { requiredKeys: ["target"] }).map(({ port, ...rule }) => {
  const hasPorts = port !== undefined && PORT_PROTOCOLS.some((it) => it === rule.protocol);
  return hasPorts ? { ...rule, port } : rule;
});

Deno.test("parseListing() reads back what formatChainRule() writes, and sameChainRule() tells rules apart", () => {
  fc.assert(fc.property(chainRule, chainRule, (a, b) => {
    const read = parseListing(
      `-P POSTROUTING ACCEPT\n-N C\n-A C ${formatChainRule(a)}\n`,
      parseChainName("C"),
    ).chains.get("C")?.[0]?.rule;
    assert(read !== undefined && sameChainRule(read, a));
    assertEquals(sameChainRule(a, b), formatChainRule(a) === formatChainRule(b));
  }));
});

Deno.test("sameChainRule() takes a probability as iptables prints it, and all addresses for no destination", () => {
  const base = { target: { kind: "RETURN" as const } };
  assert(sameChainRule({ ...base, probability: 0.469292562840114 }, { ...base, probability: 0.46929256292 }));
  assert(sameChainRule({ ...base, probability: 0.5 }, { ...base, probability: 0.5 + 2 ** -31 }));
  assert(!sameChainRule({ ...base, probability: 0.5 }, { ...base, probability: 0.5 + 2 ** -30 }));
  assert(!sameChainRule({ ...base, probability: 0.4692 }, { ...base, probability: 0.4693 }));
  assert(!sameChainRule({ ...base, probability: 0.5 }, base));
  assert(sameChainRule({ ...base, destination: parseCidr("0.0.0.0/0") }, base));
});
