/** The five scenarios of CCE's guide, with the example configs and real connections, for both variants. */
import { assertEquals } from "@std/assert";
import dualStack from "../../deploy/config/cce-dual-stack.yaml" with { type: "text" };
import insideVpc from "../../deploy/config/cce-inside-vpc.yaml" with { type: "text" };
import natGateway from "../../deploy/config/cce-nat-gateway.yaml" with { type: "text" };
import peering from "../../deploy/config/cce-peering.yaml" with { type: "text" };
import publicAddress from "../../deploy/config/cce-public-address.yaml" with { type: "text" };
import { ADDRESSES, Network } from "../sandbox/network.ts";
import { Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

/** Whose address a destination sees. */
type Seen = "pod" | "node";

interface Scenario {
  readonly name: string;
  readonly config: string;
  readonly flags?: readonly string[];
  readonly seen: Readonly<Record<string, Seen>>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: "one host inside of an exempt range sees the node, its neighbours see the pod",
    config: insideVpc,
    seen: {
      "10.10.10.9": "pod",
      "10.10.10.10": "node",
      "10.10.10.11": "pod",
      "10.10.11.10": "pod",
      "192.168.7.7": "pod",
    },
  },
  {
    name: "one host of a peered VPC sees the node, the others see the pod",
    config: peering,
    seen: { "192.168.7.6": "pod", "192.168.7.7": "node", "192.168.7.8": "pod", "10.10.10.10": "pod" },
  },
  {
    name: "with masqOutBound public destinations see the node",
    config: publicAddress,
    seen: { "203.0.113.10": "node", "198.51.100.7": "node", "10.99.0.1": "pod", "172.16.5.5": "pod" },
  },
  {
    name: "without masqOutBound all destinations see the pod",
    config: natGateway,
    flags: ["--enable-ipv6"],
    seen: { "203.0.113.10": "pod", "10.99.0.1": "pod", "2001:db8:99::1": "pod", "fd00:99::1": "pod" },
  },
  {
    name: "each family follows its own masqOutBound",
    config: dualStack,
    flags: ["--enable-ipv6"],
    seen: { "203.0.113.10": "node", "10.99.0.1": "pod", "2001:db8:99::1": "pod", "fd00:99::1": "pod" },
  },
];

for (const variant of VARIANTS) {
  Deno.test(`CCE's scenarios leave with the right addresses (${variant})`, async (t) => {
    await using sandbox = await Sandbox.create(variant);
    const destinations = [...new Set(SCENARIOS.flatMap(({ seen }) => Object.keys(seen)))];
    await using network = await Network.create(sandbox, destinations);
    for (const { name, config, flags = [], seen } of SCENARIOS) {
      await t.step(name, async () => {
        await sandbox.writeConfig(config);
        const { code, stderr } = await sandbox.agent("--once", ...flags);
        assertEquals(code, 0, stderr);
        const sources = await network.sourceAddresses(...Object.keys(seen));
        const wanted = Object.entries(seen).map(([destination, who]) => [
          destination,
          ADDRESSES[destination.includes(":") ? "IPv6" : "IPv4"][who],
        ]);
        assertEquals(sources, Object.fromEntries(wanted));
      });
    }
  });
}
