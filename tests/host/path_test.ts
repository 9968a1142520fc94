import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseNatTable } from "../../lib/backends/iptables/nat_table.ts";
import { type IpAddress, parseIpAddress } from "../../lib/config/ip_address.ts";
import { toPathRule } from "../../lib/host/iptables_path.ts";
import {
  type Assumption,
  type BaseChain,
  type Case,
  type Path,
  type PathPacket,
  walkPath,
} from "../../lib/host/path.ts";
import { randomHosts } from "../data/random_hosts.ts";

/** A base chain of what iptables-restore reads, but for changes of marks. */
function baseChain(text: string, policy: BaseChain["policy"] = "accept"): BaseChain {
  const lines = text.split("\n").filter((line) => !line.includes("--set-xmark") && line !== "@ours");
  const table = parseNatTable(lines.join("\n"));
  const chains = new Map([...table].map(([name, rules]) => [name, rules.map(toPathRule)]));
  return {
    table: "nat",
    priority: 0,
    policy,
    rules: chains.get("POSTROUTING") ?? [],
    chains,
    hasOurs: false,
  };
}

/** Whether an assumption is right of a packet of which all is known. */
function holds(assumption: Assumption, packet: PathPacket): boolean {
  if ("notAll" in assumption) return !assumption.notAll.every((it) => holds(it, packet));
  return assumption.all.every(({ test }) => {
    const result = test(packet);
    assert(result !== undefined);
    return result;
  });
}

/** The case that decides about a packet of which all is known, found in a walk with a packet of which less is. */
function decisive(path: Path, known: PathPacket, packet: PathPacket): Case | undefined {
  const { cases, isFinal } = walkPath(path, known);
  const found = cases.find(({ kind, assumptions }) =>
    ["translate", "drop", "unknown"].includes(kind) && assumptions.every((it) => holds(it, packet))
  );
  if (isFinal) assert(found !== undefined);
  return found;
}

const addresses = (...texts: string[]): fc.Arbitrary<IpAddress> =>
  fc.constantFrom(...texts.map(parseIpAddress));

const packets: fc.Arbitrary<PathPacket> = fc.record({
  destination: addresses("203.0.113.7", "203.0.113.130", "10.99.0.7", "10.99.128.7"),
  source: addresses("10.244.1.2", "10.244.2.2", "10.200.0.9"),
  isFromNode: fc.boolean(),
  interface: fc.constantFrom("eth0", "wlan1"),
  protocol: fc.constantFrom("tcp", "udp", "sctp", "icmp"),
  port: fc.constantFrom(80, 443, 9999),
  mark: fc.constantFrom(0, 0x4000),
});

const FIELDS = ["destination", "source", "isFromNode", "interface", "protocol", "port", "mark"] as const;

Deno.test("walkPath() says of a packet of which less is known what it says where all is, in one of its cases", () => {
  let [open, all] = [0, 0];
  fc.assert(
    fc.property(randomHosts, packets, fc.subarray([...FIELDS]), (host, packet, fields) => {
      const path = [
        baseChain(host.nft!, host.backend === "nftables" ? "drop" : "accept"),
        baseChain(host.legacy ?? ""),
      ];
      const known: PathPacket = Object.fromEntries(fields.map((name) => [name, packet[name]]));
      const [some, whole] = [decisive(path, known, packet), decisive(path, packet, packet)];
      assertEquals([some?.rule.text, some?.from.text], [whole?.rule.text, whole?.from.text]);
      open += (some?.assumptions.length ?? 0) > 0 ? 1 : 0;
      all++;
    }),
    { numRuns: 3_000, seed: 1 },
  );
  assert(open > all / 10, `${open} of ${all} depend on what is not known`);
});
