/**
 * Three hosts in a sandbox: a pod behind the node, the node (the sandbox's own namespace), and the outside, which has
 * an address of every kind. Real connections show which source address the outside sees.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import type { Sandbox } from "./sandbox.ts";

/** The addresses of the hosts, and one destination of each kind on the outside. */
export const ADDRESSES = {
  IPv4: { pod: "10.244.1.2", node: "192.0.2.1", outside: "192.0.2.2" },
  IPv6: { pod: "fd00:244:1::2", node: "2001:db8:1::1", outside: "2001:db8:1::2" },
} as const;

/** Destinations that the outside answers on unless told otherwise: private, public and link-local-free ones. */
export const DESTINATIONS = {
  private10: "10.99.0.1",
  private172: "172.16.5.5",
  private192: "192.168.7.7",
  public: "203.0.113.10",
  publicIpv6: "2001:db8:99::1",
  uniqueLocalIpv6: "fd00:99::1",
} as const;

/** What the outside saw of one connection. */
export interface Seen {
  readonly address: string;
  readonly port: number;
}

const PORT = 7777;
const SETUP = `
ip netns add pod
ip netns add outside
ip link add pod0 type veth peer name eth0 netns pod
ip link add eth0 type veth peer name eth0 netns outside
ip addr add 10.244.1.1/24 dev pod0
ip addr add fd00:244:1::1/64 dev pod0 nodad
ip addr add ${ADDRESSES.IPv4.node}/24 dev eth0
ip addr add ${ADDRESSES.IPv6.node}/64 dev eth0 nodad
ip link set pod0 up
ip link set eth0 up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
ip netns exec pod bash -euc '
  ip link set lo up
  ip addr add ${ADDRESSES.IPv4.pod}/24 dev eth0
  ip addr add ${ADDRESSES.IPv6.pod}/64 dev eth0 nodad
  ip link set eth0 up
  ip route add default via 10.244.1.1
  ip -6 route add default via fd00:244:1::1
'
ip netns exec outside bash -euc '
  ip link set lo up
  ip addr add ${ADDRESSES.IPv4.outside}/24 dev eth0
  ip addr add ${ADDRESSES.IPv6.outside}/64 dev eth0 nodad
  ip link set eth0 up
  ip route add 10.244.1.0/24 via ${ADDRESSES.IPv4.node}
  ip -6 route add fd00:244:1::/64 via ${ADDRESSES.IPv6.node}
'
ip route add default via ${ADDRESSES.IPv4.outside}
ip -6 route add default via ${ADDRESSES.IPv6.outside}
`;

/** Makes the hosts in `sandbox`, with nothing that runs on them. */
export async function createHosts(sandbox: Sandbox): Promise<void> {
  await sandbox.sh(SETUP);
}

/** The hosts, with a server on the outside that tells every client which address it came from. */
export class Network implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #server: Deno.ChildProcess;

  private constructor(sandbox: Sandbox, server: Deno.ChildProcess) {
    this.#sandbox = sandbox;
    this.#server = server;
  }

  /** Makes the hosts in `sandbox`; the outside answers on `destinations`. */
  static async create(
    sandbox: Sandbox,
    destinations: readonly string[] = Object.values(DESTINATIONS),
  ): Promise<Network> {
    const own = destinations.map((address) =>
      `ip addr add ${address} dev lo${address.includes(":") ? " nodad" : ""}`
    );
    await createHosts(sandbox);
    await sandbox.sh(own.join("\n"), "outside");
    const server = sandbox.spawn(Deno.execPath(), scriptArgs("echo_server.ts", String(PORT)), {
      netns: "outside",
    });
    const reader = server.stdout.getReader();
    await reader.read(); // The server prints a line once it listens.
    reader.releaseLock();
    return new Network(sandbox, server);
  }

  /** Connects from the pod to each destination and returns what the outside saw, by destination. */
  async connect(...destinations: string[]): Promise<Record<string, Seen>> {
    const { code, stdout, stderr } = await this.#sandbox.run(
      Deno.execPath(),
      scriptArgs("echo_client.ts", String(PORT), ...destinations),
      { netns: "pod" },
    );
    if (code !== 0) throw new Error(`The pod cannot connect: ${stderr}`);
    return JSON.parse(stdout);
  }

  /** Like {@linkcode connect}, with only the addresses. */
  async sourceAddresses(...destinations: string[]): Promise<Record<string, string>> {
    const seen = await this.connect(...destinations);
    return Object.fromEntries(
      Object.entries(seen).map(([destination, { address }]) => [destination, address]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stdin.close();
    await this.#server.stdout.cancel();
    await this.#server.stderr.cancel();
    await this.#server.status;
  }
}

function scriptArgs(script: string, ...args: string[]): string[] {
  return [
    "run",
    "--no-config",
    "--quiet",
    "--allow-net",
    fromFileUrl(new URL(script, import.meta.url)),
    ...args,
  ];
}
