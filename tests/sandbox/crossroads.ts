/**
 * A node between two pods and an outside that it reaches by two interfaces, all in a sandbox. The outside notes the
 * source address of every packet, by its length, and drops it.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { parseIpAddress } from "../../lib/config/ip_address.ts";
import { bytesOf, lengthInHeader, packetBytes, type RawPacket } from "./raw_packet.ts";
import type { Sandbox } from "./sandbox.ts";

/** Who sends, with the name of its namespace, and the address that it sends from. */
export const SENDERS = [
  { netns: "pod1", IPv4: "10.244.1.2", IPv6: "fd00:244:1::2" },
  { netns: "pod2", IPv4: "10.244.2.2", IPv6: "fd00:244:2::2" },
  { netns: "", IPv4: "10.200.0.9", IPv6: "fd00:200::9" },
] as const;

/** The interfaces to the outside, with the node's address on each, and destinations behind it. */
export const WAYS = [
  {
    interface: "eth0",
    IPv4: { node: "192.0.2.1", gateway: "192.0.2.2", to: ["203.0.113.7", "10.99.0.7"] },
    IPv6: { node: "2001:db8:1::1", gateway: "2001:db8:1::2", to: ["2001:db8:a::7", "fd00:99::7"] },
  },
  {
    interface: "wlan1",
    IPv4: { node: "198.18.1.1", gateway: "198.18.1.2", to: ["203.0.113.130", "10.99.128.7"] },
    IPv6: { node: "2001:db8:2::1", gateway: "2001:db8:2::2", to: ["2001:db8:b::7", "fd00:98::7"] },
  },
] as const;

const MAC = (end: number) => `02:00:00:00:00:${end.toString(16).padStart(2, "0")}`;

/** A link between the node and a namespace, whose ends know each other without asking. */
function link(name: string, netns: string, inner: string, index: number): string {
  return `
ip link add ${name} address ${MAC(index)} type veth peer name ${inner} address ${
    MAC(index + 1)
  } netns ${netns}
ip link set ${name} up
ip -n ${netns} link set ${inner} up`;
}

const SETUP = `
ip netns add outside
${
  SENDERS.filter(({ netns }) => netns !== "").map(({ netns, IPv4, IPv6 }, index) => {
    const gateway = { IPv4: IPv4.replace(/2$/, "1"), IPv6: IPv6.replace(/2$/, "1") };
    return `
ip netns add ${netns}
${link(netns, netns, "eth0", 16 * (index + 1))}
ip addr add ${gateway.IPv4}/24 dev ${netns}
ip addr add ${gateway.IPv6}/64 dev ${netns} nodad
ip -n ${netns} addr add ${IPv4}/24 dev eth0
ip -n ${netns} addr add ${IPv6}/64 dev eth0 nodad
ip -n ${netns} neigh add ${gateway.IPv4} lladdr ${MAC(16 * (index + 1))} dev eth0
ip -n ${netns} neigh add ${gateway.IPv6} lladdr ${MAC(16 * (index + 1))} dev eth0
ip -n ${netns} route add default via ${gateway.IPv4}
ip -n ${netns} -6 route add default via ${gateway.IPv6}`;
  }).join("\n")
}
${
  WAYS.map((way, index) =>
    [
      link(way.interface, "outside", way.interface, 16 * (index + 5)),
      ...([way.IPv4, way.IPv6].map(({ node, gateway, to }) => {
        const isIpv6 = node.includes(":");
        return `
ip addr add ${node}/${isIpv6 ? "64" : "24"} dev ${way.interface} ${isIpv6 ? "nodad" : ""}
ip neigh add ${gateway} lladdr ${MAC(16 * (index + 5) + 1)} dev ${way.interface}
${to.map((it) => `ip ${isIpv6 ? "-6" : ""} route add ${it} via ${gateway}`).join("\n")}`;
      })),
    ].join("\n")
  ).join("\n")
}
ip addr add ${SENDERS[2].IPv4}/32 dev lo
ip addr add ${SENDERS[2].IPv6}/128 dev lo nodad
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ip netns exec outside nft -f - <<'NFT'
table inet seen {
  set four { typeof ip length . ip saddr; size 65535; flags dynamic; }
  set six { typeof ip6 length . ip6 saddr; size 65535; flags dynamic; }
  chain prerouting {
    type filter hook prerouting priority raw; policy drop;
    ip daddr { ${WAYS.flatMap(({ IPv4 }) => IPv4.to).join(", ")} } add @four { ip length . ip saddr }
    ip6 daddr { ${WAYS.flatMap(({ IPv6 }) => IPv6.to).join(", ")} } add @six { ip6 length . ip6 saddr }
  }
}
NFT
`;

/** A packet and who sends it. */
export interface SentPacket extends RawPacket {
  readonly netns: string;
}

/** The hosts, ready to send. */
export class Crossroads implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #sender: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  private constructor(sandbox: Sandbox, sender: Deno.ChildProcess) {
    this.#sandbox = sandbox;
    this.#sender = sender;
    this.#writer = sender.stdin.getWriter();
    this.#reader = sender.stdout.getReader();
  }

  /** Makes the hosts in `sandbox`. */
  static async create(sandbox: Sandbox): Promise<Crossroads> {
    await sandbox.sh(SETUP);
    const script = fromFileUrl(new URL("raw_sender.ts", import.meta.url));
    const namespaces = SENDERS.map(({ netns }) => netns).filter((netns) => netns !== "");
    const options = ["run", "--no-config", "--quiet", "--allow-ffi", script, ...namespaces];
    const crossroads = new Crossroads(sandbox, sandbox.spawn(Deno.execPath(), options));
    const { done } = await crossroads.#reader.read(); // It prints a line once it can send.
    if (done) throw await crossroads.#failure();
    return crossroads;
  }

  /**
   * Sends packets whose lengths differ within a family, of which so many should arrive, and returns which source the
   * outside saw of each.
   */
  async send(packets: readonly SentPacket[], arriving = packets.length): Promise<(string | undefined)[]> {
    const line = packets.map((packet) => [
      packet.netns,
      bytesOf(parseIpAddress(packet.destination)).toHex(),
      packetBytes(packet).toHex(),
    ]);
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(line)}\n`));
    const { done } = await this.#reader.read();
    if (done) throw await this.#failure();
    let seen = new Map<string, string>();
    for (let time = 0; time < 20 && seen.size < arriving; time++) seen = await this.#readSeen();
    await this.#sandbox.sh("nft 'flush set inet seen four; flush set inet seen six'", "outside");
    return packets.map((packet) => {
      const family = packet.source.includes(":") ? "six" : "four";
      return seen.get(`${family} ${lengthInHeader(packet)}`);
    });
  }

  async #readSeen(): Promise<Map<string, string>> {
    const { nftables } = JSON.parse(await this.#sandbox.sh("nft -j list table inet seen", "outside"));
    const seen = new Map<string, string>();
    for (const { set } of nftables) {
      for (const { concat: [length, address] } of set?.elem ?? []) {
        seen.set(`${set.name} ${length}`, address);
      }
    }
    return seen;
  }

  async #failure(): Promise<Error> {
    return new Error(`Cannot send: ${await new Response(this.#sender.stderr).text()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#sender.stderr.cancel();
    await this.#sender.status;
  }
}
