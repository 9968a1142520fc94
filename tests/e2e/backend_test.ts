/** `--backend` of the compiled program: what auto finds on real hosts, and changes from one backend to another. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ADDRESSES, createHosts, DESTINATIONS, Network } from "../sandbox/network.ts";
import { fromFileUrl } from "@std/path";
import { Sandbox } from "../sandbox/sandbox.ts";

async function once(sandbox: Sandbox, ...flags: string[]): Promise<string> {
  const { code, stderr } = await sandbox.agent("--once", "--skip_headers", ...flags);
  assertEquals(code, 0, stderr);
  return stderr;
}

/** Lets files of /usr/sbin vanish or change in the sandbox only. */
function change(sandbox: Sandbox, script: string): Promise<string> {
  return sandbox.sh(`
mkdir -p /run/sbin/upper /run/sbin/work
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/sbin/upper,workdir=/run/sbin/work /usr/sbin
cd /usr/sbin
${script}
`);
}

/** A command that answers as on a kernel without what it needs. */
const fail = (name: string, said: string) =>
  `rm ${name}; printf '#!/bin/sh\\necho "${said}" >&2; exit 3' >${name}; chmod +x ${name}`;

const everything = (sandbox: Sandbox) =>
  sandbox.sh(
    "nft list ruleset; cat /proc/net/ip_tables_names; { iptables-legacy-save; ip6tables-legacy-save; } | sed '/^#/d'",
  );

Deno.test("--backend=auto finds what the host uses", async (t) => {
  const hosts: [name: string, script: string, said: RegExp][] = [
    [
      "a kubelet with nft",
      "iptables-nft -t mangle -N KUBE-KUBELET-CANARY; iptables-legacy -A INPUT -j ACCEPT",
      /^Backend iptables-nft: the kubelet uses it: KUBE-KUBELET-CANARY is in its mangle table$/m,
    ],
    [
      "a kubelet with legacy",
      "iptables-legacy -t mangle -N KUBE-IPTABLES-HINT; iptables-nft -A INPUT -j ACCEPT",
      /^Backend iptables-legacy: the kubelet uses it: KUBE-IPTABLES-HINT/m,
    ],
    [
      "more rules in legacy",
      "iptables-legacy -A INPUT -j ACCEPT; iptables-legacy -A INPUT -j DROP; iptables-nft -A INPUT -j DROP",
      /^Backend iptables-legacy: it has more rules than iptables-nft: 2, not 1$/m,
    ],
    [
      "no rules in legacy",
      "iptables-nft -t nat -A PREROUTING -j ACCEPT",
      /^Backend iptables-nft: it is what iptables is here, and iptables-legacy has no rules$/m,
    ],
    [
      "rules in nft, and a name that says legacy",
      "iptables-nft -t nat -A PREROUTING -j ACCEPT; ln -sfn /usr/sbin/iptables-legacy-restore /etc/alternatives/iptables-restore",
      /^Backend iptables-nft: it has rules, iptables-legacy none$/m,
    ],
    [
      "nothing but a name",
      "ln -sfn /usr/sbin/iptables-legacy-restore /etc/alternatives/iptables-restore",
      /^Backend iptables-legacy: .*what iptables is here$/m,
    ],
    [
      "no iptables",
      "rm -f /usr/sbin/*iptables* /usr/sbin/*ip6tables* /usr/sbin/xtables*",
      /^Backend nftables: iptables is not installed$/m,
    ],
    [
      "no nat table for either variant",
      `${
        fail("iptables-nft-restore", "iptables-nft-restore: Failed to initialize nft: Protocol not supported")
      }
       ${fail("iptables-legacy-restore", "cannot initialize table nat: Table does not exist")}`,
      /^Backend nftables: iptables-nft cannot work: .*Protocol not supported; iptables-legacy cannot work: .*does not exist$/m,
    ],
  ];
  for (const [name, script, said] of hosts) {
    await t.step(name, async () => {
      await using sandbox = await Sandbox.create();
      await change(sandbox, script);
      const log = await once(sandbox);
      assertMatch(log, said);
      assertEquals(log.match(/^Backend /gm)?.length, 1);
    });
  }
});

Deno.test("beside a nat table that only nft can read, auto takes nftables, and that is what packets meet", async () => {
  await using sandbox = await Sandbox.create();
  await using network = await Network.create(sandbox);
  for (const [family, mine] of [["ip", "10.99.0.9"], ["ip6", "fd00:99::9"]] as const) {
    const { code, stderr } = await sandbox.run("nft", ["-f", "-"], {
      input: `table ${family} nat {
  set mine { typeof ${family} daddr; elements = { ${mine} }; }
  chain POSTROUTING {
    type nat hook postrouting priority 100; policy accept;
    ${family} daddr @mine meta l4proto { tcp, udp } masquerade
  }
}
`,
    });
    assertEquals(code, 0, stderr);
  }
  await sandbox.writeConfig('nonMasqueradeCIDRs: ["10.0.0.0/8", "fd00::/8"]\n');
  assertMatch(
    await once(sandbox, "--enable-ipv6"),
    /^Backend nftables: iptables-nft cannot work: chain `POSTROUTING' in table `nat' is incompatible/m,
  );
  const { private10, public: publicIpv4, uniqueLocalIpv6, publicIpv6 } = DESTINATIONS;
  assertEquals(await network.sourceAddresses(private10, publicIpv4, uniqueLocalIpv6, publicIpv6), {
    [private10]: ADDRESSES.IPv4.pod,
    [publicIpv4]: ADDRESSES.IPv4.node,
    [uniqueLocalIpv6]: ADDRESSES.IPv6.pod,
    [publicIpv6]: ADDRESSES.IPv6.node,
  });
});

Deno.test("--backend=auto says what to do where nothing works, exits 1, and leaves nothing", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  await sandbox.sh("iptables-legacy -t nat -A POSTROUTING -j ACCEPT");
  const before = await everything(sandbox);
  await change(
    sandbox,
    `${fail("iptables-nft-restore", "no nf_tables")}\n${fail("iptables-legacy-restore", "no ip_tables")}\n${
      fail("nft", "Error: not here")
    }`,
  );
  const { code, stderr } = await sandbox.agent("--once", "--skip_headers");
  await sandbox.sh("umount /usr/sbin");
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^IPv4: No backend works here: iptables-nft cannot work: no nf_tables; iptables-legacy cannot work: no ip_tables; nftables cannot work: nft cannot write the rules: exit code 3: Error: not here: install /m,
  );
  assertEquals(await everything(sandbox), before);
});

Deno.test("the search for a backend leaves nothing behind", async () => {
  for (const script of ["true", "iptables-legacy -A INPUT -j DROP", "iptables-nft -A INPUT -j DROP"]) {
    await using sandbox = await Sandbox.create();
    await sandbox.sh(script);
    const before = await everything(sandbox);
    await once(sandbox);
    await sandbox.sh(`
for command in iptables-nft iptables-legacy; do
  if $command-save 2>/dev/null | grep -q :IP-MASQ-AGENT; then
    $command -t nat -D POSTROUTING 1; $command -t nat -F IP-MASQ-AGENT; $command -t nat -X IP-MASQ-AGENT
  fi
done`);
    // What is left is the nat table that the rules were in, with nothing in it.
    const emptyTables = [
      /table ip nat \{\n\tchain POSTROUTING \{\n.*\n\t\}\n\}\n/,
      /^nat\n/m,
      /\*nat\n(?::.*\n)*COMMIT\n/,
    ];
    const left = emptyTables.reduce((text, table) => text.replace(table, ""), await everything(sandbox));
    assertEquals(left, before, script);
  }
});

Deno.test("a bad config keeps auto from looking at the host at all", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("nonMasqueradeCIDRs: [10]\n");
  const { code, stderr } = await sandbox.agent("--once", "--skip_headers");
  assertEquals([code, stderr.includes("Backend ")], [2, false]);
});

Deno.test("during 50 changes of the backend no flow leaves with a wrong source, and nothing is left behind", async () => {
  await using sandbox = await Sandbox.create();
  await createHosts(sandbox);
  await sandbox.sh(
    `
ip route add blackhole 198.18.0.0/15
nft -f - <<'END'
table ip count {
  chain c {
    type filter hook prerouting priority -300
    ip daddr != 198.18.0.0/15 return
    ip saddr 192.0.2.1 counter comment "node"
    ip saddr != 192.0.2.1 counter comment "others"
  }
}
END
`,
    "outside",
  );
  const backends = [
    "nftables",
    "iptables-nft",
    "nftables",
    "iptables-legacy",
    "iptables-nft",
    "iptables-legacy",
  ];
  const spawnSender = (...limits: string[]) =>
    sandbox.spawn(Deno.execPath(), [
      ...["run", "--no-config", "--quiet", "--allow-ffi"],
      fromFileUrl(new URL("../sandbox/udp_sender.ts", import.meta.url)),
      ...limits,
    ], { netns: "pod" });
  const count = async () => {
    const text = await sandbox.sh("nft list table ip count", "outside");
    const counts = text.matchAll(/packets (\d+) .*comment "(\w+)"/g);
    return Object.fromEntries([...counts].map(([, packets, source]) => [source!, Number(packets)]));
  };
  // Without rules the pod's own address is seen: the counter can tell.
  const first = spawnSender("20001", "64", "1000");
  await first.stdin.close();
  await first.output();
  const before = await count();
  assertEquals(before, { node: 0, others: 64 });

  await once(sandbox, "--backend=iptables-legacy");
  // Four flows a millisecond, for at most two minutes. On a busy machine it takes a while to start and then sends fewer.
  const sender = spawnSender("20000", "480000", "120000", "4");
  let flows = 0;
  let rounds = 0;
  let active = "";
  try {
    const start = performance.now();
    do flows = (await count()).node!; while (flows === 0 && performance.now() - start < 30_000);
    // At least 50 changes and 10,000 flows; the last change must be to a certain backend.
    while (rounds < 50 || flows < 10_000 || active !== "iptables-nft") {
      assert(
        performance.now() - start < 110_000,
        `${flows} flows in ${rounds} changes are too few to show anything`,
      );
      active = backends[rounds++ % backends.length]!;
      const log = await once(sandbox, `--backend=${active}`);
      assertMatch(log, /^IPv4: installed 5 rules/m);
      assertMatch(log, /^IPv4: removed stale rules of \S+/m);
      flows = (await count()).node!;
    }
  } finally {
    sender.kill("SIGTERM");
    await sender.stdin.close();
    await sender.output();
  }
  const after = await count();
  assertEquals(after.others, before.others);
  const left = await everything(sandbox);
  assertEquals(left.match(/IP-MASQ-AGENT \{|ip-masq-agent \{|:IP-MASQ-AGENT/g), ["IP-MASQ-AGENT {"]);
});
