import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ADDRESSES, DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox } from "../sandbox/sandbox.ts";
import { CAPABILITIES, runContainer, RunningContainer } from "./container.ts";

const { private10, public: publicIpv4, publicIpv6, uniqueLocalIpv6 } = DESTINATIONS;
const PROBED = [private10, publicIpv4, publicIpv6, uniqueLocalIpv6];

/** What the pod's connections look like on the outside before there is any rule. */
const UNTOUCHED = {
  [private10]: ADDRESSES.IPv4.pod,
  [publicIpv4]: ADDRESSES.IPv4.pod,
  [publicIpv6]: ADDRESSES.IPv6.pod,
  [uniqueLocalIpv6]: ADDRESSES.IPv6.pod,
};

/** Lays out a ConfigMap as the kubelet mounts one, in /run/volume: files are links through `..data`. */
async function writeVolume(sandbox: Sandbox, version: number, config: string): Promise<void> {
  await sandbox.write(`/run/volume/..${version}/ip-masq-agent`, config);
  await sandbox.sh(`
    cd /run/volume
    ln -s ..${version} ..data_tmp
    mv -T ..data_tmp ..data
    ln -sfn ..data/ip-masq-agent ip-masq-agent
    rm -rf ..${version - 1}
  `);
}

/** Each backend, with what the image needs for it: the raw socket of the legacy variant is what NET_RAW is for. */
const BACKENDS = [
  { backend: "iptables-nft", variant: "nft", needed: ["NET_ADMIN"] },
  { backend: "iptables-legacy", variant: "legacy", needed: CAPABILITIES },
  { backend: "nftables", variant: "nft", needed: ["NET_ADMIN"] },
] as const;

for (const { backend, variant, needed } of BACKENDS) {
  Deno.test(`image with ${backend}: masquerades, follows its ConfigMap, and stops as process 1`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await using network = await Network.create(sandbox);
    assertEquals(await network.sourceAddresses(...PROBED), UNTOUCHED);

    await writeVolume(sandbox, 1, 'nonMasqueradeCIDRs: [10.0.0.0/8, "fd00::/8"]\nresyncInterval: 1s\n');
    const options = { backend, podman: ["--volume=/run/volume:/etc/config:ro"] };
    await using agent = await RunningContainer.start(sandbox, options, "--enable-ipv6", "-v=2");
    await agent.waitForLog(/IPv6: installed/);
    assertEquals(await network.sourceAddresses(...PROBED), {
      ...UNTOUCHED,
      [publicIpv4]: ADDRESSES.IPv4.node,
      [publicIpv6]: ADDRESSES.IPv6.node,
    });

    // What the kubelet does on the node.
    const probe =
      "exec 3<>/dev/tcp/127.0.0.1/10264; printf 'GET /readyz HTTP/1.0\\r\\n\\r\\n' >&3; head -n 1 <&3";
    assertMatch(await sandbox.sh(probe), /^HTTP\/1\.[01] 200 /);

    const updated = async () => {
      for (const family of ["IPv4", "IPv6"]) {
        await agent.waitForLog(new RegExp(`${family}: updated the rules`));
      }
      agent.log = "";
    };
    await writeVolume(sandbox, 2, "nonMasqueradeCIDRs: []\nresyncInterval: 1s\n");
    await updated();
    await writeVolume(sandbox, 3, "masqOutBoundIPv6: false\nresyncInterval: 1s\n");
    await updated();
    assertEquals(await network.sourceAddresses(...PROBED), {
      ...UNTOUCHED,
      [publicIpv4]: ADDRESSES.IPv4.node,
    });

    const started = performance.now();
    await agent.signal("TERM");
    assertEquals(await agent.exitCode(), 0);
    // The kubelet kills it after 30 s.
    assertEquals(performance.now() - started < 20_000, true, "the agent took over 20 s to stop");
    assertMatch(agent.log, /Stopped: the rules stay in place/);
    assertEquals(await network.sourceAddresses(publicIpv4), { [publicIpv4]: ADDRESSES.IPv4.node });
  });

  Deno.test(`image with ${backend}: names the capabilities where one is missing`, async (t) => {
    await using sandbox = await Sandbox.create(variant);
    for (const missing of CAPABILITIES) {
      await t.step(`without ${missing}`, async () => {
        const capabilities = CAPABILITIES.filter((it) => it !== missing);
        const { code, stderr } = await runContainer(sandbox, { backend, capabilities }, "--once");
        if (!([...needed] as string[]).includes(missing)) {
          return assertEquals({ code, stderr }, { code: 0, stderr });
        }
        assertEquals(code, 1);
        assertStringIncludes(stderr, missing);
        assertMatch(stderr, /capabilit/);
      });
    }
  });
}

Deno.test("image with iptables-legacy: waits for the lock that a program of the host holds", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await sandbox.sh("touch /run/xtables.lock");
  const holder = sandbox.spawn("flock", ["/run/xtables.lock", "sh", "-c", "echo held; sleep 2"]);
  await holder.stdout.getReader().read();
  const started = performance.now();
  const { code, stderr } = await runContainer(sandbox, { backend: "iptables-legacy" }, "--once");
  assertEquals({ code, stderr }, { code: 0, stderr });
  assertEquals(performance.now() - started > 1_500, true, "the agent did not wait for the lock");
  await holder.stdin.close();
  await holder.stderr.cancel();
  await holder.status;
});

Deno.test("image with --flush-flows: forgets a flow with NET_ADMIN only", async () => {
  await using sandbox = await Sandbox.create();
  const flow = (destination: string) =>
    `conntrack -I -p udp -t 100 -s 10.244.1.2 -d ${destination} -r ${destination} -q 10.244.1.2 ` +
    "--sport 5000 --dport 53 --reply-port-src 53 --reply-port-dst 5000";
  await sandbox.sh(`${flow(publicIpv4)}; ${flow(private10)}`);
  const options = { backend: "nftables", capabilities: ["NET_ADMIN"] };
  const { code, stderr } = await runContainer(sandbox, options, "--once", "--flush-flows");
  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "IPv4: forgot 1 UDP flow");
  const left = await sandbox.sh("conntrack -L -p udp");
  assertEquals([...left.matchAll(/dst=(\S+) sport=5000/g)].map((match) => match[1]), [private10]);
});

Deno.test("image refuses a bad flag with exit code 2 and one line", async () => {
  await using sandbox = await Sandbox.create();
  const { code, stderr } = await runContainer(sandbox, {}, "--enable-ipv7");
  assertEquals({ code, lines: stderr.trim().split("\n").length }, { code: 2, lines: 1 });
});

Deno.test("image prints the versions of everything inside of it", async () => {
  await using sandbox = await Sandbox.create();
  const { code, stdout } = await runContainer(sandbox, { capabilities: [] }, "--version");
  assertEquals(code, 0);
  for (
    const line of [
      /^ip-masq-agent \d+\.\d+\.\d+$/m,
      /^ +commit +[0-9a-f]{12}/m,
      /^ +Deno +\d/m,
      /^ +iptables-nft-restore +v\d.* \(nf_tables\)$/m,
      /^ +iptables-legacy-restore +v\d.* \(legacy\)$/m,
      /^ +nft +v\d/m,
    ]
  ) assertMatch(stdout, line);
});
