/** Which source address flows have that began under other rules, with real packets. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Daemon } from "../sandbox/daemon.ts";
import { ADDRESSES, DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const { IPv4: { pod, node }, IPv6: { pod: pod6, node: node6 } } = ADDRESSES;
const { public: outside, publicIpv6: outside6, private10: inside, uniqueLocalIpv6: inside6 } = DESTINATIONS;
const PORT = "7778";
const EXEMPT = '"10.0.0.0/8", "fd00::/8"';

/** One end of UDP flows. */
class UdpEnd implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(sandbox: Sandbox, netns: string | undefined, role: string, ...addresses: string[]) {
    const script = fromFileUrl(new URL("../sandbox/udp_echo.ts", import.meta.url));
    this.#child = sandbox.spawn(
      Deno.execPath(),
      ["run", "--no-config", "--quiet", "--allow-all", script, role, PORT, ...addresses],
      netns === undefined ? {} : { netns },
    );
    this.#writer = this.#child.stdin.getWriter();
    this.#reader = this.#child.stdout.getReader();
  }

  /** Waits for what it prints next. */
  async line(): Promise<string> {
    return new TextDecoder().decode((await this.#reader.read()).value);
  }

  /** Sends to each address and returns what was seen there. */
  async send(): Promise<Record<string, string | null>> {
    await this.#writer.write(new TextEncoder().encode("\n"));
    return JSON.parse(await this.line());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#reader.cancel();
    await this.#child.stderr.cancel();
    await this.#child.status;
  }
}

for (const backend of ["iptables-nft", "iptables-legacy", "nftables"]) {
  Deno.test(`--flush-flows: flows of UDP get the address that the rules say now, no other flow is touched (${backend})`, async (t) => {
    await using sandbox = await Sandbox.create();
    await using network = await Network.create(sandbox);
    // Else the kernel remembers no flow before the rules are there.
    await sandbox.sh(`
      nft add table inet tracks
      nft 'add chain inet tracks every { type filter hook prerouting priority 0; }'
      nft add rule inet tracks every ct state new counter
    `);
    await sandbox.writeConfig(`nonMasqueradeCIDRs: [${EXEMPT}]`);
    await using server = new UdpEnd(sandbox, "outside", "serve", outside, outside6, inside, inside6);
    await using local = new UdpEnd(sandbox, undefined, "serve", node, node6);
    assertEquals([await server.line(), await local.line()], ["listening\n", "listening\n"]);
    const all = [outside, outside6, inside, inside6, node, node6];
    await using client = new UdpEnd(sandbox, "pod", "send", ...all);

    const kept = { [inside]: pod, [inside6]: pod6, [node]: pod, [node6]: pod6 };
    const masqueraded = { ...kept, [outside]: node, [outside6]: node6 };
    const untouched = { ...kept, [outside]: pod, [outside6]: pod6 };
    /** The flows that are to stay, by the kernel's own numbers for them. */
    const identities = async () =>
      (await sandbox.sh("for family in ipv4 ipv6; do conntrack -L -f $family -o id 2>&1; done")).split("\n")
        .filter((line) => line.startsWith("tcp") || / dst=(\S+)/.exec(line)?.[1]! in kept)
        .map((line) => /\bid=\d+/.exec(line)?.[0]).sort();
    /** Sends every 50 ms until it is so. */
    const become = async (wanted: Record<string, string>) => {
      const start = performance.now();
      let seen = await client.send();
      while (JSON.stringify(seen) !== JSON.stringify(order(wanted)) && performance.now() - start < 20_000) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        seen = await client.send();
      }
      assertEquals(seen, wanted);
    };
    const order = (seen: Record<string, string>) =>
      Object.fromEntries(all.map((address) => [address, seen[address]]));

    /** Never empty: an empty file is a config too, and its rules would forget other flows. */
    const replaceConfig = async (text: string) => {
      await sandbox.write("/etc/config/new", text);
      await sandbox.sh("mv /etc/config/new /etc/config/ip-masq-agent");
    };

    await network.connect(outside, outside6);
    assertEquals(await client.send(), untouched);
    const before = await identities();
    assertEquals(before.length, 6);
    /** An answer that was under way may have made another flow. */
    const assertKept = async () => {
      const now = await identities();
      assertEquals(before.filter((id) => !now.includes(id)), []);
    };
    await using agent = new Daemon(sandbox, `--backend=${backend}`, "--enable-ipv6", "--flush-flows");

    await t.step("a flow from before the rules", async () => {
      await agent.line(/^IPv4: forgot 1 UDP flow/);
      await agent.line(/^IPv6: forgot 1 UDP flow/);
      await become(masqueraded);
      await assertKept();
    });

    await t.step("a destination that becomes exempt", async () => {
      await replaceConfig(
        `nonMasqueradeCIDRs: [${EXEMPT}, "203.0.113.0/24", "2001:db8:99::/64"]`,
      );
      await become(untouched);
      await assertKept();
    });

    await t.step("a fixed address", async () => {
      await sandbox.sh(`ip addr add 192.0.2.7/32 dev eth0; ip addr add 2001:db8:1::7/128 dev eth0 nodad`);
      await replaceConfig(
        `nonMasqueradeCIDRs: [${EXEMPT}]\n` +
          `rules: [{ to: ["${outside}/32", "${outside6}/128"], action: snat, address: [192.0.2.7, "2001:db8:1::7"] }]`,
      );
      await become({ ...kept, [outside]: "192.0.2.7", [outside6]: "2001:db8:1::7" });
      await assertKept();
    });
  });
}

Deno.test("without conntrack, --flush-flows is told once, and the rules stand all the same", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.sh("mount --bind /dev/null /usr/sbin/conntrack");
  await using agent = new Daemon(sandbox, "--flush-flows", "--backend=nftables", "--resync-interval=1");
  await agent.line(/^IPv4: cannot forget UDP flows: Cannot run .*conntrack/);
  await sandbox.sh("nft flush ruleset");
  await agent.line(/^IPv4: repaired drift/);
  await sandbox.sh("nft flush ruleset");
  await agent.line(/repeated 1 time/);
  assertEquals(agent.lines.filter((line) => line.includes("conntrack")).length, 1);
});
