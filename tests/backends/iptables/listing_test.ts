import { assertEquals, assertThrows } from "@std/assert";
import { parseListing } from "../../../lib/backends/iptables/listing.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";

const CHAIN = parseChainName("IP-MASQ-AGENT");
const RIGHT = "-m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT";

/** What these lines say of ours, as iptables would list them. */
const listing = (lines: string) => parseListing(`-P POSTROUTING ACCEPT\n${lines}`, CHAIN);

Deno.test("parseListing() refuses what is cut off", () => {
  for (const text of ["", "-A POSTROUTING -j IP-MASQ-AGENT\n", "-P POSTROUTING ACCEPT\n-N IP-MAS"]) {
    assertThrows(() => parseListing(text, CHAIN), SyntaxError, "The listing is cut off", text);
  }
});

Deno.test("parseListing() tells a chain that is absent from one that is empty", () => {
  assertEquals(parseListing("-P POSTROUTING ACCEPT\n", CHAIN), {
    chains: new Map(),
    jumps: [],
    staleJumps: [],
  });
  assertEquals(parseListing("-P POSTROUTING ACCEPT\n-N IP-MASQ-AGENT\n", CHAIN), {
    chains: new Map([[CHAIN, []]]),
    jumps: [],
    staleJumps: [],
  });
});

Deno.test("parseListing() knows a jump by its target and judges its condition", async (t) => {
  const cases: [line: string, right: boolean | undefined][] = [
    [RIGHT, true],
    [`-m comment --comment "anything at all" ${RIGHT}`, true],
    [`-m comment --comment "\\"ip-masq-agent: quoted twice\\"" ${RIGHT}`, true],
    ["-m addrtype ! --dst-type LOCAL -m comment --comment behind -j IP-MASQ-AGENT", true],
    ["-j IP-MASQ-AGENT", false],
    ["-m addrtype --dst-type LOCAL -j IP-MASQ-AGENT", false],
    ["-o eth0 -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT", false],
    ["-m addrtype ! --dst-type LOCAL --limit-iface-out -j IP-MASQ-AGENT", false],
    ["-m addrtype ! --dst-type LOCAL -g IP-MASQ-AGENT", false],
    ["-m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT-2", undefined],
    ["-m comment --comment IP-MASQ-AGENT -j OTHER", undefined],
    ["-j MASQUERADE", undefined],
  ];
  for (const [line, right] of cases) {
    await t.step(line, () => {
      const { jumps } = listing(`-A POSTROUTING ${line}\n`);
      assertEquals(
        jumps.map(({ hasRightCondition }) => hasRightCondition),
        right === undefined ? [] : [right],
      );
    });
  }
});

Deno.test("parseListing() passes over other chains' rules", () => {
  const text = "-N OTHER\n-A OTHER -j IP-MASQ-AGENT\n-A PREROUTING -j IP-MASQ-AGENT\n-N IP-MASQ-AGENT-2\n";
  assertEquals(listing(text), { chains: new Map(), jumps: [], staleJumps: [] });
});

Deno.test("parseListing() calls foreign what we would not write", async (t) => {
  const lines = [
    "! -s 10.0.0.0/8 -j RETURN",
    "! -d 10.0.0.0/8 -j RETURN",
    "-d 10.0.0.0/8 ! -o eth0 -j RETURN",
    "-d 10.0.0.0/8 -i eth0 -j RETURN",
    "-o + -j RETURN",
    "-m addrtype --src-type UNICAST -j RETURN",
    "-m addrtype --dst-type LOCAL -j RETURN",
    "-j SNAT",
    "-j SNAT --to-source 198.51.100.7 --persistent",
    "-j SNAT --to-source 198.51.100.7-198.51.100.9",
    "-j SNAT --to-source :80",
    "-j RETURN --persistent",
    "-d 10.0.0.0/8 -j ACCEPT",
    "-d 10.0.0.0/8",
    "-j MASQUERADE --random",
    "-j RETURN --random-fully",
    "-p esp -j MASQUERADE",
    "-p tcp -m tcp --sport 80 -j MASQUERADE",
    "-p tcp -m tcp ! --dport 80 -j MASQUERADE",
    "-p tcp -m multiport --dports 80,90 -j MASQUERADE",
    "-p tcp -m multiport --sports 80 -j MASQUERADE",
    "-p tcp -m tcp --dport 80 -j MASQUERADE",
    "-m statistic --mode nth --every 2 --packet 0 -j RETURN",
    "-d ::ffff:10.0.0.0/104 -j RETURN",
  ];
  for (const line of lines) {
    await t.step(line, () => {
      assertEquals(listing(`-A IP-MASQ-AGENT ${line}\n`).chains.get(CHAIN)?.map(({ rule }) => rule), [
        undefined,
      ]);
    });
  }
});

Deno.test("parseListing() reads protocols by number, which is how iptables prints what it has no name for", () => {
  for (const [number, protocol] of [["6", "tcp"], ["17", "udp"], ["132", "sctp"]]) {
    const { chains } = listing(`-A IP-MASQ-AGENT -p ${number} -j MASQUERADE\n`);
    assertEquals(chains.get(CHAIN)?.[0]?.rule?.protocol as string, protocol);
  }
});
