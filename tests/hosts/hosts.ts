/**
 * A network namespace with a host of every suite in it, as a node has containers of several distributions.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { Host, type Suite, SUITES } from "../sandbox/host.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

/** The backends that every suite has. */
export const BACKENDS = ["iptables-nft", "iptables-legacy", "nftables"] as const;

/** One of them. */
export type HostBackend = typeof BACKENDS[number];

/** Both families, with prefixes of all kinds of lengths. */
export const CONFIG = `
nonMasqueradeCIDRs: ["10.0.0.0/9", "10.128.0.0/9", "192.0.2.1/32", "fd00::/8", "2001:db8::1/128"]
masqueradeCIDRs: ["10.9.0.0/16", "2001:db8:1::/48"]
`;

/** Another one, with rules of one's own: an update adds sets and takes others away. */
export const OTHER_CONFIG = `
nonMasqueradeCIDRs: ["172.16.0.0/12", "2001:db8::/32"]
rules:
  - name: billing
    from: ["10.244.8.0/24", "fd00:8::/64"]
    to: ["203.0.113.0/24", "2001:db8:2::/48"]
    via: [eth0, eth1, wlan+]
    action: snat
    address: [198.51.100.7, "2001:db8:5::7"]
  - protocols: [tcp, udp]
    ports: [80, 5000-6000]
    action: snat
    address: [198.51.100.8-198.51.100.9, "2001:db8:5::1-2001:db8:5::9"]
  - protocols: [icmp]
    action: keep
  - from: node
    action: masquerade
`;

/** So many destinations of both families that iptables has them in sub-chains. */
export const LONG_CONFIG = JSON.stringify({
  nonMasqueradeCIDRs: [...Array(300).keys()].flatMap((index) => [
    `10.${index >> 3}.${index * 31 & 255}.0/24`,
    `fd00:${index}::/32`,
  ]),
  cidrLimit: 1_000,
});

/** With and without ports, always for both families. */
export const FLAGS: readonly (readonly string[])[] = [
  ["--enable-ipv6"],
  ["--enable-ipv6", "--to-ports=1024-29999,32768-65535,80-80"],
];

/** What a run says of each family where there was nothing to do. */
const STANDS = /^IPv[46]: the rules are up to date/gm;

/** All of them; disposing of them takes the namespace away. */
export class Hosts implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #hosts = new Map<Suite, Host>();

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Makes the namespace, with a config on each host. */
  static async create(): Promise<Hosts> {
    const hosts = new Hosts(await Sandbox.create());
    for (const suite of SUITES) {
      const host = await Host.create(hosts.#sandbox, suite);
      hosts.#hosts.set(suite, host);
      await host.writeConfig(CONFIG);
    }
    return hosts;
  }

  /** The host of a suite. */
  of(suite: Suite): Host {
    return this.#hosts.get(suite)!;
  }

  /** Runs the agent once on a host, which is to write something, and checks that every nft can read what stands. */
  async write(suite: Suite, backend: HostBackend, ...flags: readonly string[]): Promise<string> {
    const said = await this.#once(suite, backend, flags);
    assertEquals(said.match(STANDS), null, `${suite} was to write: ${said}`);
    await this.assertEveryNftWorks();
    return said;
  }

  /** Runs the agent once on a host, which is to find nothing to do and to write nothing; `diff` has to agree. */
  async assertStands(suite: Suite, backend: HostBackend, ...flags: readonly string[]): Promise<void> {
    const before = await this.rules();
    const said = await this.#once(suite, backend, flags);
    assertEquals(said.match(STANDS)?.length, 2, `${suite} was to write nothing: ${said}`);
    const { code, stdout, stderr } = await this.of(suite).agent("diff", `--backend=${backend}`, ...flags);
    const warnings = stderr.split("\n").filter((line) => !line.includes("no IPv6 range is exempt"));
    assertEquals([code, stdout + warnings.join("\n")], [0, ""], `diff on ${suite}`);
    assertEquals(await this.rules(), before);
  }

  /** Removes our rules with the tools of a suite, and checks that none is left. */
  async cleanup(suite: Suite): Promise<void> {
    const { code, stdout, stderr } = await this.of(suite).agent("cleanup");
    assertEquals(code, 0, stdout + stderr);
    assertEquals((await this.rules()).match(/.*masq.*/gi), null);
    await this.assertEveryNftWorks();
  }

  /** Checks that nft of every suite can list everything: a version may crash at what another one wrote. */
  async assertEveryNftWorks(): Promise<void> {
    const codes = await Promise.all(SUITES.map(async (suite) => {
      const { code, stderr } = await this.of(suite).run("nft", ["list", "ruleset"]);
      return code === 0 ? "" : `${suite}: nft list ruleset: exit code ${code}: ${stderr}`;
    }));
    assertEquals(codes.filter((it) => it !== ""), []);
  }

  /** All rules, without counts; handles of nft show what was written again. Reading makes no table of legacy. */
  async rules(): Promise<string> {
    const text = await this.of("sid").sh("nft -a list ruleset; iptables-legacy-save; ip6tables-legacy-save");
    return text.replaceAll(/^#.*\n/gm, "").replaceAll(/packets \d+ bytes \d+|\[\d+:\d+\]/g, "");
  }

  async #once(suite: Suite, backend: HostBackend, flags: readonly string[]): Promise<string> {
    const args = ["--once", "--skip_headers", `--backend=${backend}`, ...flags];
    const { code, stderr } = await this.of(suite).agent(...args);
    assertEquals(code, 0, `${suite}, ${backend}: ${stderr}`);
    return stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sandbox[Symbol.asyncDispose]();
  }
}
