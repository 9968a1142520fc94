/** The examples of `rules` in deploy/config with real packets, for every backend. */
import { assertEquals } from "@std/assert";
import { sumCounters } from "../../lib/backends/backend.ts";
import fixedAddress from "../../deploy/config/rules-fixed-address.yaml" with { type: "text" };
import notTheNode from "../../deploy/config/rules-not-the-node.yaml" with { type: "text" };
import oneInterface from "../../deploy/config/rules-one-interface.yaml" with { type: "text" };
import onlyPods from "../../deploy/config/rules-only-pods.yaml" with { type: "text" };
import publicPods from "../../deploy/config/rules-public-pods.yaml" with { type: "text" };
import type { BackendName } from "../../lib/backends/backend_name.ts";
import { createBackend } from "../../lib/backends/create_backend.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import type { CommandRunner } from "../../lib/ports.ts";
import { Crossroads, SENDERS, type SentPacket, WAYS } from "../sandbox/crossroads.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const [POD, OTHER_POD, NODE] = SENDERS;
const [ETH0, WLAN1] = WAYS;
const [PUBLIC, PRIVATE] = ETH0.IPv4.to;

/** A source that a sender may also use, and what it is in the example. */
type Sender = { readonly netns: string; readonly source: string };

const sender = ({ netns, IPv4 }: typeof SENDERS[number], source: string = IPv4): Sender => ({
  netns,
  source,
});

interface Example {
  readonly name: string;
  readonly config: string;
  /** Who sends where, and which source the outside sees. */
  readonly seen: readonly (readonly [from: Sender, to: string, source: string])[];
}

const EXAMPLES: readonly Example[] = [
  {
    name: "pods with public addresses keep them",
    config: publicPods,
    seen: [
      [sender(POD, "198.51.100.9"), PUBLIC, "198.51.100.9"],
      [sender(POD, "198.51.100.9"), PRIVATE, "198.51.100.9"],
      [sender(POD), PUBLIC, ETH0.IPv4.node],
      [sender(POD), PRIVATE, POD.IPv4],
    ],
  },
  {
    name: "one pool is seen with a fixed address, by the partner only",
    config: fixedAddress,
    seen: [
      [sender(POD, "10.244.8.9"), PUBLIC, "198.51.100.7"],
      [sender(POD, "10.244.8.9"), PRIVATE, "10.244.8.9"],
      [sender(POD), PUBLIC, ETH0.IPv4.node],
    ],
  },
  {
    name: "only what leaves by eth0 is masqueraded",
    config: oneInterface,
    seen: [
      [sender(POD), PUBLIC, ETH0.IPv4.node],
      [sender(POD), WLAN1.IPv4.to[0], POD.IPv4],
      [sender(NODE), PRIVATE, ETH0.IPv4.node],
    ],
  },
  {
    name: "only pods are masqueraded",
    config: onlyPods,
    seen: [
      [sender(POD), PUBLIC, ETH0.IPv4.node],
      [sender(OTHER_POD), WLAN1.IPv4.to[0], WLAN1.IPv4.node],
      [sender(POD), PRIVATE, POD.IPv4],
      [sender(POD, "172.16.0.9"), PUBLIC, "172.16.0.9"],
      [sender(NODE), PUBLIC, NODE.IPv4],
    ],
  },
  {
    name: "the node's own traffic is left alone",
    config: notTheNode,
    seen: [
      [sender(NODE), PUBLIC, NODE.IPv4],
      [sender(POD), PUBLIC, ETH0.IPv4.node],
    ],
  },
];

const CHAIN = parseChainName("IP-MASQ-AGENT");
const BACKENDS: readonly BackendName[] = ["iptables-nft", "iptables-legacy", "nftables"];

for (const backend of BACKENDS) {
  Deno.test(`the examples of rules do what they say (${backend})`, async (t) => {
    await using sandbox = await Sandbox.create();
    await using crossroads = await Crossroads.create(sandbox);
    let sourcePort = 2000;
    for (const { name, config, seen } of EXAMPLES) {
      await t.step(name, async () => {
        await sandbox.writeConfig(config);
        const { code, stderr } = await sandbox.agent("--once", `--backend=${backend}`, "--enable-ipv6");
        assertEquals(code, 0, stderr);
        const packets = seen.map(([from, destination], index): SentPacket => ({
          ...from,
          destination,
          protocol: "udp",
          sourcePort: sourcePort++,
          port: 443,
          payload: 32 * index,
        }));
        assertEquals(await crossroads.send(packets), seen.map(([, , source]) => source));
      });
    }
    await t.step("connections are counted by the name of their rule, and by verdict", async () => {
      const runner: CommandRunner = {
        run: ({ name, args, input }) => sandbox.run(name, args, input === undefined ? {} : { input }),
      };
      await sandbox.writeConfig(fixedAddress);
      // Counters of nftables survive a change of the rules.
      await sandbox.agent("cleanup");
      await sandbox.agent("--once", `--backend=${backend}`);
      const packets = [sender(POD, "10.244.8.9"), sender(OTHER_POD)].map((from): SentPacket => ({
        ...from,
        destination: PUBLIC,
        protocol: "udp",
        sourcePort: sourcePort++,
        port: 443,
        payload: from.source === OTHER_POD.IPv4 ? 0 : 64,
      }));
      await crossroads.send(packets);
      const { rules, verdicts } = sumCounters(
        await (await createBackend(backend, "IPv4", CHAIN, runner)).counters(),
      );
      // 20 bytes of IP, 8 of UDP.
      const billing = { packets: 1, bytes: 28 + 64 };
      assertEquals([...rules], [["billing", billing]]);
      assertEquals([verdicts.SNAT, verdicts.MASQUERADE], [billing, { packets: 1, bytes: 28 }]);
    });
  });
}
