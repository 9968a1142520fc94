/** Many destinations: sub-chains decide about real packets as decide() does, and heal, and go when not needed. */
import { assert, assertEquals } from "@std/assert";
import { sumCounters } from "../../lib/backends/backend.ts";
import { IptablesBackend } from "../../lib/backends/iptables/iptables_backend.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { parseIpAddress } from "../../lib/config/ip_address.ts";
import type { CommandRunner } from "../../lib/ports.ts";
import { decide } from "../../lib/rules/decide.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { configOf } from "../fakes/config.ts";
import { ADDRESSES, Network } from "../sandbox/network.ts";
import { Sandbox, type Variant, VARIANTS } from "../sandbox/sandbox.ts";

const OPTIONS = { randomFully: true, toPorts: [] };
const PREFIXES = [16, 15, 14, 12, 10, 16, 13, 16];
/** Networks in both families, of all lengths and within each other, in an order that is not theirs. */
const network = (index: number) => {
  const length = PREFIXES[index % PREFIXES.length]!;
  const bits = index * 7919 & 0xffff << 16 - length & 0xffff;
  return [
    `203.0.${bits >> 8}.${bits & 255}/${16 + length}`,
    `2001:db8:${bits.toString(16)}::/${32 + length}`,
  ];
};
const POLICY = {
  masqueradeCIDRs: Array.from({ length: 40 }, (_, index) => network(7 * index)).flat(),
  nonMasqueradeCIDRs: [...Array(400).keys()].flatMap(network),
  cidrLimit: 2_000,
};
/** Where packets go to: one of every second network, or beside it. */
const DESTINATIONS = Array.from({ length: 60 }, (_, index) => {
  const bits = index * 2 * 7919 + index % 3 & 0xffff;
  return [`203.0.${bits >> 8}.${bits & 255}`, `2001:db8:${bits.toString(16)}::7`];
}).flat();

function forEachVariant(name: string, test: (sandbox: Sandbox, variant: Variant) => Promise<void>): void {
  for (const variant of VARIANTS) {
    Deno.test(`${name} (${variant})`, async () => {
      await using sandbox = await Sandbox.create(variant);
      await test(sandbox, variant);
    });
  }
}

/** Backends of both families, and the commands that they run. */
function backendsOf(sandbox: Sandbox, variant: Variant, chainName = "IP-MASQ-AGENT") {
  const commands: string[] = [];
  const runner: CommandRunner = {
    run: ({ name, args, input }) => {
      commands.push(name);
      return sandbox.run(name, args, input === undefined ? {} : { input });
    },
  };
  const [ipv4, ipv6] = (["IPv4", "IPv6"] as const).map((family) =>
    new IptablesBackend(family, parseChainName(chainName), runner, `iptables-${variant}`)
  );
  return { ipv4: ipv4!, ipv6: ipv6!, count: () => commands.splice(0).length };
}

const rulesetOf = (policy: Record<string, unknown>, family: "IPv4" | "IPv6" = "IPv4") =>
  buildRuleset(family, configOf(policy), OPTIONS);

const namesOfChains = async (sandbox: Sandbox) =>
  (await sandbox.sh("iptables-save -t nat")).match(/^:IP-MASQ-AGENT\S*/gm) ?? [];

forEachVariant("packets meet in sub-chains what decide() says", async (sandbox, variant) => {
  await using net = await Network.create(sandbox, [...new Set(DESTINATIONS)]);
  const { ipv4, ipv6, count } = backendsOf(sandbox, variant);
  const rulesets = [rulesetOf(POLICY), rulesetOf(POLICY, "IPv6")];
  for (const [index, backend] of [ipv4, ipv6].entries()) {
    assertEquals((await backend.sync(rulesets[index]!)).outcome, "applied");
    assertEquals(count(), 2, "one process writes, one looks");
    assertEquals((await backend.sync(rulesets[index]!)).outcome, "unchanged");
    assertEquals(count(), 1);
  }
  assert((await namesOfChains(sandbox)).length > 20);
  const seen = await net.sourceAddresses(...DESTINATIONS);
  const verdicts = DESTINATIONS.map((text) => {
    const destination = parseIpAddress(text);
    const { target } = decide(rulesets.find(({ family }) => family === destination.family)!, { destination });
    assertEquals(seen[text], ADDRESSES[destination.family][target === "RETURN" ? "pod" : "node"], text);
    return target;
  });
  assert(
    verdicts.filter((it) => it === "RETURN").length > 20,
    "packets that do one thing would prove little",
  );
  assert(verdicts.filter((it) => it === "MASQUERADE").length > 20);
  const { verdicts: counted } = sumCounters(await ipv4.counters());
  assert(counted.RETURN.packets > 10 && counted.MASQUERADE.packets > 10, JSON.stringify(counted));
});

forEachVariant("what others do to sub-chains is noticed and repaired", async (sandbox, variant) => {
  const { ipv4, count } = backendsOf(sandbox, variant);
  const ruleset = rulesetOf(POLICY);
  await ipv4.sync(ruleset);
  const good = await sandbox.sh("iptables -t nat -S");
  const cases: [script: string, said: RegExp][] = [
    ["iptables -t nat -D IP-MASQ-AGENT/3 1", /missing|order/],
    ["iptables -t nat -I IP-MASQ-AGENT/3 -p tcp -j ACCEPT", /1 foreign rule in chain IP-MASQ-AGENT\/3/],
    ["iptables -t nat -F IP-MASQ-AGENT/rest", /1 rule missing/],
    ["iptables -t nat -F IP-MASQ-AGENT", /chain IP-MASQ-AGENT is empty/],
    [
      "iptables -t nat -S | sed -n 's/^-A \\(.* -g IP-MASQ-AGENT.1\\)$/iptables -t nat -D \\1/p' | bash; " +
      "iptables -t nat -F IP-MASQ-AGENT/1; iptables -t nat -X IP-MASQ-AGENT/1",
      /missing|order/,
    ],
    [
      "iptables -t nat -N IP-MASQ-AGENT/999; iptables -t nat -I IP-MASQ-AGENT/1 -g IP-MASQ-AGENT/999",
      /order/,
    ],
  ];
  for (const [script, said] of cases) {
    await sandbox.sh(script);
    const result = await ipv4.sync(ruleset);
    assert(result.outcome === "applied", script);
    assert(said.test(result.drift[0]!.detail), `${script}: ${result.drift[0]!.detail}`);
    assertEquals(
      (await sandbox.sh("iptables -t nat -S")).split("\n").sort(),
      good.split("\n").sort(),
      script,
    );
    count();
    assertEquals((await ipv4.sync(ruleset)).outcome, "unchanged");
    assertEquals(count(), 1);
  }
});

forEachVariant("sub-chains go when the list gets short, and with our chain", async (sandbox, variant) => {
  const { ipv4 } = backendsOf(sandbox, variant);
  await ipv4.sync(rulesetOf({}));
  const flat = await sandbox.sh("iptables -t nat -S");
  for (const nonMasqueradeCIDRs of [POLICY.nonMasqueradeCIDRs, POLICY.nonMasqueradeCIDRs.slice(0, 700)]) {
    await ipv4.sync(rulesetOf({ nonMasqueradeCIDRs, cidrLimit: 2_000 }));
    assert((await namesOfChains(sandbox)).length > 1);
    assertEquals((await ipv4.plan(rulesetOf({ nonMasqueradeCIDRs, cidrLimit: 2_000 }))).drift, []);
  }
  await ipv4.sync(rulesetOf({}));
  assertEquals(await sandbox.sh("iptables -t nat -S"), flat);
  await ipv4.sync(rulesetOf(POLICY));
  await (await backendsOf(sandbox, variant).ipv4.removal())!.apply();
  assertEquals(await namesOfChains(sandbox), []);

  await ipv4.sync(rulesetOf(POLICY));
  await backendsOf(sandbox, variant, "NEW").ipv4.sync(rulesetOf({}));
  assertEquals(await namesOfChains(sandbox), [], "an earlier --masq-chain");
});

forEachVariant("cleanup finds sub-chains to which nothing leads any more", async (sandbox, variant) => {
  await backendsOf(sandbox, variant).ipv4.sync(rulesetOf(POLICY));
  await sandbox.sh(
    "iptables -t nat -F POSTROUTING; iptables -t nat -F IP-MASQ-AGENT; iptables -t nat -X IP-MASQ-AGENT",
  );
  const { code, stdout, stderr } = await sandbox.agent("cleanup");
  assertEquals(code, 0, stdout + stderr);
  assertEquals(await namesOfChains(sandbox), [], stdout + stderr);
  assert(/chain IP-MASQ-AGENT \(\d{3,} rules\)/.test(stdout), stdout);
});
