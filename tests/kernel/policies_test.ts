/** Random policies: decide(), both variants of iptables and nftables do the same with real packets. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { BackendName } from "../../lib/backends/backend_name.ts";
import { createBackend } from "../../lib/backends/create_backend.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { type IpFamily, parseIpAddress } from "../../lib/config/ip_address.ts";
import { PROTOCOLS } from "../../lib/config/rule_entry.ts";
import type { CommandRunner } from "../../lib/ports.ts";
import { decide, type Decision } from "../../lib/rules/decide.ts";
import { buildRuleset, type Ruleset } from "../../lib/rules/ruleset.ts";
import { randomRules, type Vocabulary } from "../data/random_rules.ts";
import { configOf } from "../fakes/config.ts";
import { Crossroads, SENDERS, type SentPacket, WAYS } from "../sandbox/crossroads.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

/** How many policies, and from which seed: `make policies` tries more. */
const [POLICIES = 300, SEED = 1] = (Deno.env.get("POLICIES") ?? "").split(" ").filter(Boolean).map(Number);

const BACKENDS: readonly BackendName[] = ["iptables-nft", "iptables-legacy", "nftables"];
const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];
const PACKETS_PER_FAMILY = 20;

const WORDS: Vocabulary = {
  from: [
    "10.244.1.0/24",
    "10.244.2.2/32",
    "10.244.0.0/16",
    "10.200.0.0/16",
    "0.0.0.0/0",
    "fd00:244:1::/64",
    "fd00:244:2::2/128",
    "fd00:200::/32",
    "fd00::/8",
  ],
  to: [
    "203.0.113.0/25",
    "203.0.113.130/32",
    "10.99.0.0/16",
    "10.0.0.0/8",
    "2001:db8:a::/48",
    "2001:db8:b::7/128",
    "fd00:99::/32",
    "::/0",
  ],
  via: ["eth0", "wlan1", "eth+", "w+", "eth", "wlan1x"],
  ports: [80, "80-90", "85-443", 443, "1-65535", 9999],
  addresses: [
    { IPv4: "198.51.100.7", IPv6: "2001:db8:5::7" },
    { IPv4: "198.51.100.8-198.51.100.9", IPv6: "2001:db8:5::1-2001:db8:5::ff" },
    { IPv4: "198.51.100.20-198.51.100.29", IPv6: "2001:db8:5::8-2001:db8:5::b" },
  ],
};

const policies = fc.record({
  rules: randomRules(WORDS, 5),
  nonMasqueradeCIDRs: fc.uniqueArray(fc.constantFrom(...WORDS.to), { maxLength: 3 }),
  masqueradeCIDRs: fc.uniqueArray(fc.constantFrom(...WORDS.to), { maxLength: 1 }),
  nonMasqueradeSrcCIDRs: fc.uniqueArray(fc.constantFrom(...WORDS.from), { maxLength: 2 }),
  masqOutBound: fc.boolean(),
  masqOutBoundIPv6: fc.boolean(),
});

/** Every kind of packet that there is. */
const KINDS = SENDERS.flatMap((sender) =>
  WAYS.flatMap((way) =>
    ([0, 1] as const).flatMap((index) =>
      PROTOCOLS.flatMap((protocol) =>
        [80, 90, 443, 9999].map((port) => ({ sender, way, index, protocol, port }))
      )
    )
  )
);

/** A packet with all that a rule may ask of it. */
interface Probe {
  readonly packet: SentPacket;
  readonly family: IpFamily;
  readonly interface: string;
  readonly node: string;
}

let connections = 0;

/**
 * Packets of one family, in the order of `kinds`, but for each rule in turn one that it decides about: a rule of which
 * few packets are is tried, too.
 */
function probesOf(kinds: typeof KINDS, ruleset: Ruleset): Probe[] {
  const { family } = ruleset;
  const probes = kinds.map(({ sender, way, index, protocol, port }): Probe => ({
    family,
    interface: way.interface,
    node: way[family].node,
    packet: {
      netns: sender.netns,
      source: sender[family],
      destination: way[family].to[index],
      protocol,
      sourcePort: 0,
      port,
      payload: 0,
    },
  }));
  const queues = [...Map.groupBy(probes, (probe) => decision(ruleset, probe).rule).values()];
  const chosen: Probe[] = [];
  for (let turn = 0; chosen.length < PACKETS_PER_FAMILY; turn++) {
    chosen.push(...queues.map((queue) => queue[turn]).filter((probe) => probe !== undefined));
  }
  return chosen.slice(0, PACKETS_PER_FAMILY).map(({ packet, ...probe }, number) => ({
    ...probe,
    // The headers of protocols differ by less than the payloads, so that no two packets have one length.
    packet: { ...packet, sourcePort: 1024 + connections++ % 60_000, payload: 32 * number },
  }));
}

function decision(ruleset: Ruleset, { packet, interface: name }: Probe): Decision {
  return decide(ruleset, {
    destination: parseIpAddress(packet.destination),
    source: parseIpAddress(packet.source),
    isFromNode: packet.netns === "",
    interface: name,
    protocol: packet.protocol,
    port: packet.port,
  });
}

/** What the outside is to see: an address, or all that a range has. */
function expected(ruleset: Ruleset, probe: Probe): string {
  const { packet, node } = probe;
  const { target } = decision(ruleset, probe);
  if (target === "RETURN") return packet.source;
  return target === "MASQUERADE" ? node : `${target.address.first}-${target.address.last}`;
}

/** What was seen, in the words of {@linkcode expected}. */
function inWordsOf(wanted: string, seen: string | undefined): string | undefined {
  const [first, last] = /^(\d+)-(\d+)$/.exec(wanted)?.slice(1).map(BigInt) ?? [];
  if (seen === undefined || first === undefined || last === undefined) return seen;
  const { value } = parseIpAddress(seen);
  return first <= value && value <= last ? wanted : seen;
}

/** A host on which one backend rules. */
interface TestHost {
  readonly name: BackendName;
  /** Puts rules in force, finds them standing, and returns which source each packet got. */
  send(
    rulesets: ReadonlyMap<IpFamily, Ruleset>,
    packets: readonly SentPacket[],
  ): Promise<(string | undefined)[]>;
}

async function createTestHost(name: BackendName, stack: AsyncDisposableStack): Promise<TestHost> {
  const sandbox = stack.use(await Sandbox.create());
  const crossroads = stack.use(await Crossroads.create(sandbox));
  const runner: CommandRunner = {
    run: ({ name, args, input }) => sandbox.run(name, args, input === undefined ? {} : { input }),
  };
  const backends = await Promise.all(
    FAMILIES.map((family) => createBackend(name, family, parseChainName("IP-MASQ-AGENT"), runner)),
  );
  return {
    name,
    send: async (rulesets, packets) => {
      for (const backend of backends) {
        const ruleset = rulesets.get(backend.family)!;
        await backend.sync(ruleset);
        assertEquals((await backend.plan(ruleset)).drift, [], `${name} takes its own rules for others`);
      }
      return await crossroads.send(packets);
    },
  };
}

Deno.test(`${POLICIES} random policies do with real packets what decide() says, with every backend`, async () => {
  await using stack = new AsyncDisposableStack();
  const hosts = await Promise.all(BACKENDS.map((name) => createTestHost(name, stack)));
  const samples = fc.sample(
    fc.tuple(policies, fc.shuffledSubarray(KINDS, { minLength: KINDS.length })),
    { numRuns: POLICIES, seed: SEED },
  );
  const outcomes = { kept: 0, masqueraded: 0, translated: 0 };
  for (const [policy, kinds] of samples) {
    const config = configOf(policy);
    const rulesets = new Map(
      FAMILIES.map((family) => [family, buildRuleset(family, config, { randomFully: true, toPorts: [] })]),
    );
    const probes = [...rulesets.values()].flatMap((ruleset) => probesOf(kinds, ruleset));
    const packets = probes.map(({ packet }) => packet);
    const wanted = probes.map((probe) => expected(rulesets.get(probe.family)!, probe));
    const results = await Promise.all(hosts.map((host) => host.send(rulesets, packets)));
    for (const [index, seen] of results.entries()) {
      assertEquals(
        packets.map((packet, at) => ({ ...packet, seen: inWordsOf(wanted[at]!, seen[at]) })),
        packets.map((packet, at) => ({ ...packet, seen: wanted[at] })),
        `${hosts[index]!.name} with ${JSON.stringify(policy)}`,
      );
    }
    for (const [at, it] of wanted.entries()) {
      const { packet, node } = probes[at]!;
      outcomes[it === packet.source ? "kept" : it === node ? "masqueraded" : "translated"]++;
    }
  }
  // Policies that mostly do one thing would prove little.
  for (const [outcome, times] of Object.entries(outcomes)) {
    assertEquals(times > POLICIES * PACKETS_PER_FAMILY * 2 / 10, true, `${outcome}: ${times} packets`);
  }
});
