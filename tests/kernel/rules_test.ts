/** The rules as the kernel has them, for both iptables variants and both families. */
import { assert, assertEquals } from "@std/assert";
import { Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

const LOCAL = '-m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN';
const SPECIFIC = '-m comment --comment "ip-masq-agent: specific outbound traffic is subject to MASQUERADE"';
const OUTBOUND =
  '-m comment --comment "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)"';
const JUMP =
  '-A POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL ' +
  'destination traffic to our custom IP-MASQ-AGENT chain" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT';
/** A jump as releases 2.9.x to 2.12.1 of upstream wrote it, with literal quotes in the comment. */
const OLD_JUMP = String
  .raw`-A POSTROUTING -m comment --comment "\"ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL ` +
  String
    .raw`destination traffic to our custom IP-MASQ-AGENT chain\"" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT`;

/** The rules of POSTROUTING and of our chain as iptables-save prints them. */
async function save(sandbox: Sandbox, command = "iptables"): Promise<string[]> {
  const text = await sandbox.sh(`${command}-save -t nat`);
  return text.split("\n").filter((line) => /^-A (POSTROUTING|IP-MASQ-AGENT) /.test(line));
}

async function once(sandbox: Sandbox, ...flags: string[]): Promise<string> {
  const { code, stderr } = await sandbox.agent("--once", "--backend=iptables", ...flags);
  assertEquals(code, 0, stderr);
  return stderr;
}

/** Runs a test in a fresh sandbox for each variant. */
function forEachVariant(name: string, test: (sandbox: Sandbox) => Promise<void>): void {
  for (const variant of VARIANTS) {
    Deno.test(`${name} (${variant})`, async () => {
      await using sandbox = await Sandbox.create(variant);
      await test(sandbox);
    });
  }
}

forEachVariant("the defaults give upstream's rules, byte for byte", async (sandbox) => {
  await once(sandbox, "--enable-ipv6");
  assertEquals(await save(sandbox), [
    JUMP,
    `-A IP-MASQ-AGENT -d 169.254.0.0/16 ${LOCAL}`,
    `-A IP-MASQ-AGENT -d 10.0.0.0/8 ${LOCAL}`,
    `-A IP-MASQ-AGENT -d 172.16.0.0/12 ${LOCAL}`,
    `-A IP-MASQ-AGENT -d 192.168.0.0/16 ${LOCAL}`,
    `-A IP-MASQ-AGENT ${OUTBOUND} -j MASQUERADE --random-fully`,
  ]);
  assertEquals(await save(sandbox, "ip6tables"), [
    JUMP,
    `-A IP-MASQ-AGENT -d fe80::/10 ${LOCAL}`,
    `-A IP-MASQ-AGENT ${OUTBOUND} -j MASQUERADE --random-fully`,
  ]);
});

forEachVariant("every key and flag gives the rules that it should", async (sandbox) => {
  await sandbox.writeConfig(`
NonMasqueradeCIDRs: [172.20.0.0/16, "2001:DB8::/32"]
masqueradeCIDRs: [172.20.7.7/32]
masqLinkLocal: true
masqOutBoundIPv6: false
`);
  await once(sandbox, "--enable-ipv6", "--to-ports=1024-29999,32768-65535", "--random-fully=false");
  const ports = (destination: string, comment: string) =>
    ["tcp", "udp", "sctp"].flatMap((protocol) => [
      `-A IP-MASQ-AGENT ${destination}-p ${protocol} ${comment} -m statistic --mode random ` +
      "--probability 0.46929256292 -j MASQUERADE --to-ports 1024-29999",
      `-A IP-MASQ-AGENT ${destination}-p ${protocol} ${comment} -j MASQUERADE --to-ports 32768-65535`,
    ]);
  assertEquals(await save(sandbox), [
    JUMP,
    ...ports("-d 172.20.7.7/32 ", SPECIFIC),
    `-A IP-MASQ-AGENT -d 172.20.7.7/32 ${SPECIFIC} -j MASQUERADE`,
    `-A IP-MASQ-AGENT -d 172.20.0.0/16 ${LOCAL}`,
    ...ports("", OUTBOUND),
    `-A IP-MASQ-AGENT ${OUTBOUND} -j MASQUERADE`,
  ]);
  assertEquals(await save(sandbox, "ip6tables"), [
    JUMP,
    `-A IP-MASQ-AGENT -d fe80::/10 ${LOCAL}`,
    `-A IP-MASQ-AGENT -d 2001:db8::/32 ${LOCAL}`,
  ]);
  const before = await save(sandbox);
  const again = await once(
    sandbox,
    "--enable-ipv6",
    "--to-ports=1024-29999,32768-65535",
    "--random-fully=false",
  );
  // The families run side by side: either may be first.
  assertEquals(again.match(/ IPv[46]: the rules are up to date/g)?.length, 2, again);
  assertEquals(await save(sandbox), before);
});

forEachVariant("single ports are written as iptables prints them", async (sandbox) => {
  const flags = ["--enable-ipv6", "--to-ports=40000,5-5,9-11"];
  await once(sandbox, ...flags);
  for (const command of ["iptables", "ip6tables"]) {
    const ports = (await save(sandbox, command)).map((line) => / -p tcp .*--to-ports (\S+)/.exec(line)?.[1]);
    assertEquals(ports.filter((it) => it !== undefined), ["40000", "5", "9-11"]);
  }
  const stderr = await once(sandbox, ...flags);
  assertEquals(stderr.match(/the rules are up to date/g)?.length, 2, stderr);
});

forEachVariant(
  "a prefix of all addresses is not seen as drift, though iptables prints none",
  async (sandbox) => {
    await sandbox.writeConfig(
      'nonMasqueradeCIDRs: ["0.0.0.0/0", "::/0"]\nnonMasqueradeSrcCIDRs: ["0.0.0.0/0", "::/0", "10.1.0.0/16"]',
    );
    await once(sandbox, "--enable-ipv6");
    const stderr = await once(sandbox, "--enable-ipv6");
    assertEquals(stderr.match(/the rules are up to date/g)?.length, 2, stderr);
  },
);

forEachVariant("another name for the chain is used in chain, jump and comment", async (sandbox) => {
  await once(sandbox, `--masq-chain=${"M".repeat(28)}`);
  const text = await sandbox.sh("iptables-save -t nat");
  assert(text.includes(`our custom ${"M".repeat(28)} chain`));
  assert(text.includes(`-A ${"M".repeat(28)} ${OUTBOUND} -j MASQUERADE --random-fully`));
});

forEachVariant("a second sync writes nothing: counters stay", async (sandbox) => {
  await once(sandbox);
  // Packets to nobody pass POSTROUTING too.
  await sandbox.sh(
    "ip link add eth0 type veth peer name eth1 && ip link set eth1 up && ip link set eth0 up && ip addr add 192.0.2.1/24 dev eth0 && ip route add default dev eth0",
  );
  await sandbox.sh(
    "for i in 1 2 3; do echo x >/dev/udp/192.0.2.9/99; echo x >/dev/udp/10.0.0.9/99 || true; done",
  );
  const counters = () => sandbox.sh("iptables -t nat -vS POSTROUTING; iptables -t nat -vS IP-MASQ-AGENT");
  const before = await counters();
  assert(
    /-c [1-9]\d* \d+ -j MASQUERADE|MASQUERADE .*-c [1-9]|-c [1-9]\d* \d+ .*MASQUERADE/.test(before),
    before,
  );
  await once(sandbox);
  assertEquals(await counters(), before);
});

forEachVariant("foreign chains, jumps, their order and their counters survive", async (sandbox) => {
  await sandbox.sh(`
iptables-restore --noflush --counters <<'EOF'
*nat
:KUBE-POSTROUTING - [0:0]
:CNI-1 - [0:0]
[5:300] -A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
[7:420] -A POSTROUTING -s 10.9.0.0/16 -m comment --comment "name: \\"net\\" id: \\"x\\"" -j CNI-1
[9:540] -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
[11:660] -A CNI-1 ! -d 224.0.0.0/4 -j MASQUERADE
COMMIT
*filter
:MINE - [0:0]
[13:780] -A INPUT -j MINE
COMMIT
EOF
`);
  const foreign = async () =>
    (await sandbox.sh("for table in nat filter; do iptables-save -c -t $table; done | grep -v '^#'")).split(
      "\n",
    ).filter((line) => !line.includes("IP-MASQ-AGENT"));
  const before = await foreign();
  assert(before.some((line) => line.startsWith("[11:660] -A CNI-1")), before.join("\n"));
  await once(sandbox);
  assertEquals(await foreign(), before);
  await sandbox.sh(
    "iptables -t nat -F IP-MASQ-AGENT; iptables -t nat -D POSTROUTING 3; iptables -t nat -I POSTROUTING -j IP-MASQ-AGENT",
  );
  await once(sandbox);
  assertEquals(await foreign(), before);
});

forEachVariant("an upgrade from upstream leaves one jump of its two", async (sandbox) => {
  await once(sandbox);
  const good = await save(sandbox);
  const { code, stderr } = await sandbox.run("iptables-restore", ["--noflush"], {
    input: ["*nat", JUMP.replace("-A", "-D"), OLD_JUMP, OLD_JUMP, "COMMIT", ""].join("\n"),
  });
  assertEquals(code, 0, stderr);
  assertEquals((await save(sandbox)).filter((line) => line === OLD_JUMP).length, 2);
  await once(sandbox);
  assertEquals(await save(sandbox), good);
  await sandbox.run("iptables-restore", ["--noflush"], { input: `*nat\n${JUMP}\nCOMMIT\n` });
  await once(sandbox);
  assertEquals(await save(sandbox), good);
});

forEachVariant("whatever drifts is healed, in both families", async (sandbox) => {
  await once(sandbox, "--enable-ipv6");
  const good = { iptables: await save(sandbox), ip6tables: await save(sandbox, "ip6tables") };
  const drifts: [script: string, said: RegExp][] = [
    ["-F IP-MASQ-AGENT", /chain IP-MASQ-AGENT is empty/],
    ["-D POSTROUTING 1", /no jump from POSTROUTING/],
    ["-I IP-MASQ-AGENT 2 -p tcp -j ACCEPT", /1 foreign rule/],
    ["-A IP-MASQ-AGENT -j MASQUERADE", /1 rule too many/],
    ["-D IP-MASQ-AGENT 1", /1 rule missing/],
    ["-A POSTROUTING -j IP-MASQ-AGENT", /1 jump to IP-MASQ-AGENT without exactly/],
    ["-R POSTROUTING 1 -j IP-MASQ-AGENT", /1 jump to IP-MASQ-AGENT without exactly/],
    ["-I POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT", /1 superfluous jump/],
    ["-F", /chain IP-MASQ-AGENT is empty, no jump/],
    ["-F POSTROUTING\n-F IP-MASQ-AGENT\n-X IP-MASQ-AGENT", /installed/],
  ];
  for (const [script, said] of drifts) {
    for (const command of ["iptables", "ip6tables"] as const) {
      for (const line of script.split("\n")) await sandbox.sh(`${command} -t nat ${line}`);
      const stderr = await once(sandbox, "--enable-ipv6");
      assert(said.test(stderr), `${script}: ${stderr}`);
      assertEquals(await save(sandbox, command), good[command], script);
    }
  }
});
