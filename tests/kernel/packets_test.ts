/** Which source address real connections leave with. */
import { assert, assertEquals } from "@std/assert";
import { ADDRESSES, DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

for (const backend of ["iptables-nft", "iptables-legacy", "nftables"]) {
  Deno.test(`a pod's address stays for exempt destinations only, in both families (${backend})`, async () => {
    await using sandbox = await Sandbox.create();
    await using network = await Network.create(sandbox);
    await sandbox.writeConfig('nonMasqueradeCIDRs: ["10.0.0.0/8", "172.16.0.0/12", "fd00::/8"]');
    const all = Object.values(DESTINATIONS);
    const pod = { 4: ADDRESSES.IPv4.pod, 6: ADDRESSES.IPv6.pod };
    const before = await network.sourceAddresses(...all);
    for (const [destination, source] of Object.entries(before)) {
      assertEquals(source, pod[destination.includes(":") ? 6 : 4], "without rules nothing is masqueraded");
    }
    const { code, stderr } = await sandbox.agent("--once", `--backend=${backend}`, "--enable-ipv6");
    assertEquals(code, 0, stderr);
    assertEquals(await network.sourceAddresses(...all), {
      [DESTINATIONS.private10]: ADDRESSES.IPv4.pod,
      [DESTINATIONS.private172]: ADDRESSES.IPv4.pod,
      [DESTINATIONS.private192]: ADDRESSES.IPv4.node,
      [DESTINATIONS.public]: ADDRESSES.IPv4.node,
      [DESTINATIONS.publicIpv6]: ADDRESSES.IPv6.node,
      [DESTINATIONS.uniqueLocalIpv6]: ADDRESSES.IPv6.pod,
    });
  });

  Deno.test(`--to-ports decides the source ports of masqueraded connections (${backend})`, async () => {
    await using sandbox = await Sandbox.create();
    await using network = await Network.create(sandbox);
    const { code, stderr } = await sandbox.agent(
      "--once",
      `--backend=${backend}`,
      "--enable-ipv6",
      "--to-ports=2000-2099,3000-3099",
    );
    assertEquals(code, 0, stderr);
    const ranges = new Set<number>();
    for (let time = 0; time < 12; time++) {
      const seen = await network.connect(DESTINATIONS.public, DESTINATIONS.publicIpv6);
      for (const { address, port } of Object.values(seen)) {
        assert([ADDRESSES.IPv4.node, ADDRESSES.IPv6.node].includes(address as never), address);
        assert(port >= 2000 && port <= 2099 || port >= 3000 && port <= 3099, String(port));
        ranges.add(Math.floor(port / 1000));
      }
    }
    // 24 connections miss one of two equal ranges once in eight million runs.
    assertEquals([...ranges].sort(), [2, 3]);
  });
}

for (const backend of ["iptables-nft", "iptables-legacy", "nftables"]) {
  Deno.test(`a source that is exempt keeps its address, but to forced destinations (${backend})`, async () => {
    await using sandbox = await Sandbox.create();
    await using network = await Network.create(sandbox);
    const all = [DESTINATIONS.public, DESTINATIONS.private192, DESTINATIONS.publicIpv6];
    const sourcesWith = async (sources: string) => {
      await sandbox.writeConfig(
        `nonMasqueradeCIDRs: []\nmasqueradeCIDRs: [192.168.0.0/16]\nnonMasqueradeSrcCIDRs: [${sources}]`,
      );
      const { code, stderr } = await sandbox.agent("--once", `--backend=${backend}`, "--enable-ipv6");
      assertEquals(code, 0, stderr);
      return Object.values(await network.sourceAddresses(...all));
    };
    const { IPv4, IPv6 } = ADDRESSES;
    assertEquals(await sourcesWith('10.244.1.0/24, "fd00:244::/32"'), [IPv4.pod, IPv4.node, IPv6.pod]);
    assertEquals(await sourcesWith('10.244.2.0/24, "fd00:245::/32"'), [IPv4.node, IPv4.node, IPv6.node]);
  });
}
