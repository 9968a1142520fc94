/** Tools and files that fail in every way: the daemon says what is wrong, goes on, and heals when it is over. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { EXECUTABLE, Sandbox, type Variant, VARIANTS } from "../sandbox/sandbox.ts";

interface Fault {
  readonly name: string;
  /** A shell script that takes the place of iptables-restore; $REAL is the real one. */
  readonly script: string;
  /** What the log says of it. */
  readonly says: RegExp;
}

const PASS_READING =
  'text=$(cat; echo x); text=${text%x}; case $text in *"-S POSTROUTING"*|*"-P IP-MASQ-AGENT"*) ' +
  'printf %s "$text" | "$REAL" "$@"; exit ;; esac';

const FAULTS: readonly Fault[] = [
  {
    name: "exit 1 at reading",
    script: "exit 1",
    says: /cannot read the rules: exit code 1: no message/,
  },
  {
    name: "killed by a signal behind the listing of POSTROUTING, which is no absence",
    script: `${PASS_READING.replace("exit ;;", () => "kill -KILL $$ ;;")}; exit 2`,
    says: /cannot read the rules: exit code 137: /,
  },
  {
    name: "exit 2 at writing",
    script: `${PASS_READING}; exit 2`,
    says: /cannot write the rules: exit code 2: no message/,
  },
  {
    name: "exit 4, the lock",
    script: 'echo "Another app is currently holding the xtables lock." >&2; exit 4',
    says: /exit code 4: Another app .*: another program holds the xtables lock; this is tried again/,
  },
  {
    name: "garbage on stderr",
    script: `${PASS_READING}; head -c 100000 /dev/urandom >&2; exit 1`,
    says: /cannot write the rules: exit code 1/,
  },
  {
    name: "killed by a signal",
    script: `${PASS_READING}; kill -KILL $$`,
    says: /cannot write the rules: exit code 137/,
  },
  {
    name: "success without output",
    script: "exit 0",
    says: /printed what can't be read: The listing is cut off/,
  },
  {
    name: "success without effect",
    script: `${PASS_READING}; exit 0`,
    says: /installed 5 rules|updated the rules/,
  },
];

for (const { name, script, says } of FAULTS) {
  Deno.test(`a failing iptables-restore is reported and survived: ${name}`, async () => {
    await using sandbox = await Sandbox.create();
    await sandbox.writeConfig("resyncInterval: 1s\n");
    const real = "/usr/sbin/iptables-nft-restore";
    await sandbox.write("/run/fault", `#!/bin/bash\nREAL=${real}\n${script}\n`);
    await sandbox.sh("chmod +x /run/fault; ln -sfn /run/fault /etc/alternatives/iptables-restore");
    await using daemon = new Daemon(sandbox, "--backend=iptables");
    await daemon.line(says);
    if (!says.test("installed 5 rules")) {
      assert(!daemon.lines.some((line) => line.includes("installed")), "it took a failure for a success");
    }
    assert(!(await sandbox.sh("iptables-save -t nat")).includes("IP-MASQ-AGENT"), "half of it was applied");
    for (const line of daemon.lines) assert(line.length < 3_000, "a line for a person");
    await sandbox.useVariant("nft");
    while (!(await sandbox.sh("iptables-save -t nat")).includes("-j IP-MASQ-AGENT")) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert((await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT")).includes("-j MASQUERADE"));
  });
}

Deno.test("a command that may not be executed is reported", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  await sandbox.write("/run/fault", "");
  await sandbox.sh("ln -sfn /run/fault /etc/alternatives/iptables-restore");
  const { code, stderr } = await sandbox.agent("--once", "--backend=iptables", "--skip_headers");
  assertEquals(code, 1);
  assertMatch(stderr, /^IPv4: .*[Pp]ermission denied/m);
});

Deno.test("a failure of one family leaves the other alone: a kernel without IPv6 NAT", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await sandbox.writeConfig("resyncInterval: 1s\n");
  await sandbox.write(
    "/run/fault",
    "#!/bin/sh\n" +
      "echo \"ip6tables-restore v1.8.9 (legacy): can't initialize ip6tables table 'nat': Table does not exist\" >&2\nexit 3\n",
  );
  await sandbox.sh("chmod +x /run/fault; ln -sfn /run/fault /etc/alternatives/ip6tables-restore");
  await using daemon = new Daemon(sandbox, "--backend=iptables", "--enable-ipv6");
  await daemon.line(/^IPv6: .*load the kernel's nat table/);
  await daemon.line(/^IPv4: installed/);
  await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
  await daemon.line(/^IPv4: repaired drift/);
  assertEquals(daemon.lines.filter((line) => line.startsWith("IPv6")).length, 1, "said once");
});

const READ_ONLY_RUN: Record<Variant, [code: number, says: RegExp]> = {
  nft: [0, /^IPv4: installed/m],
  legacy: [1, /can't open lock file .*: make \/run writable, or mount the host's \/run\/xtables.lock/],
};
for (const variant of VARIANTS) {
  Deno.test(`a read-only /run stops only what needs the lock file (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.writeConfig("");
    await sandbox.sh("rm -f /run/xtables.lock; mount -o remount,ro /run");
    const { code, stderr } = await sandbox.agent("--once", "--backend=iptables", "--skip_headers");
    const [expected, says] = READ_ONLY_RUN[variant];
    assertEquals(code, expected, stderr);
    assertMatch(stderr, says);
  });
}

Deno.test("a config that is not a regular file is refused, and healing goes on", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("resyncInterval: 1s\n");
  await using daemon = new Daemon(sandbox, "--backend=iptables");
  await daemon.line(/^IPv4: installed/);
  await sandbox.sh("rm /etc/config/ip-masq-agent; mkfifo /etc/config/ip-masq-agent");
  await daemon.line(/cannot be read: it is neither a file nor a directory$/);
  await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
  await daemon.line(/^IPv4: repaired drift/);
});

Deno.test("a config without permission is a bad one, not a missing one", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  await sandbox.sh("chmod 0 /etc/config/ip-masq-agent");
  // Root reads everything, unless these capabilities are taken away.
  const { code, stderr } = await sandbox.run("setpriv", [
    "--bounding-set=-dac_override,-dac_read_search",
    EXECUTABLE,
    "--once",
    "--skip_headers",
  ]);
  assertEquals(code, 2);
  assertMatch(
    stderr,
    /^\/etc\/config\/ip-masq-agent: cannot be read: permission denied/,
  );
});

Deno.test("an agent that stops in the midst of a command that hangs leaves no rule behind --cleanup-on-exit", async () => {
  await using sandbox = await Sandbox.create();
  // The first writing does not wait for the lock; what it would write comes late.
  await sandbox.write(
    "/run/fault",
    '#!/bin/bash\nREAL=/usr/sbin/iptables-nft-restore\n[ "$2" = -w ] && exec "$REAL" "$@"\n' +
      'text=$(cat); echo >/run/hangs; sleep 4; printf "%s\\n" "$text" | "$REAL" "$@"\n',
  );
  await sandbox.sh("chmod +x /run/fault; ln -sfn /run/fault /etc/alternatives/iptables-restore");
  await using daemon = new Daemon(sandbox, "--backend=iptables", "--cleanup-on-exit");
  await sandbox.sh("until [ -e /run/hangs ]; do sleep 0.05; done");
  daemon.kill("SIGTERM");
  assertEquals(await daemon.status(), 0);
  assert(daemon.lines.includes("Stopped in the middle of a sync that hangs"), daemon.lines.join("\n"));
  assertEquals(daemon.lines.at(-1), "IPv4: removed the rules");
  await sandbox.sh("sleep 4");
  assert(!(await sandbox.sh("iptables-save -t nat")).includes("IP-MASQ-AGENT"));
});

Deno.test("a host without IPv6 has whole IPv4 rules, and --once succeeds", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await sandbox.write(
    "/run/fault",
    "#!/bin/sh\necho \"ip6tables-restore v1.8.9 (legacy): ip6tables-restore: unable to initialize table 'nat': " +
      'Address family not supported by protocol" >&2\nexit 3\n',
  );
  await sandbox.sh("chmod +x /run/fault; ln -sfn /run/fault /etc/alternatives/ip6tables-restore");
  const { code, stderr } = await sandbox.agent(
    "--once",
    "--backend=iptables",
    "--enable-ipv6",
    "--skip_headers",
  );
  assertEquals(code, 0, stderr);
  assertMatch(stderr, /^IPv4: installed 5 rules/m);
  assertMatch(stderr, /^IPv6: .*: this host has no such address family/m);
});
