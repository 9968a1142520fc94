/** The compiled program as its users run it: exit codes, messages, and what is left in the kernel. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import denoJson from "../../deno.json" with { type: "json" };
import { EXECUTABLE, Sandbox } from "../sandbox/sandbox.ts";

const GOOD = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]\n';

Deno.test("--once installs the rules, says so on standard error, and exits 0", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig(GOOD);
  const { code, stdout, stderr } = await sandbox.agent("--once", "--backend=iptables");
  assertEquals([code, stdout], [0, ""]);
  assertMatch(
    stderr,
    /^I\d{4} \d\d:\d\d:\d\d\.\d{6} Config: \/etc\/config\/ip-masq-agent\nI.{20} IPv4: installed 3 rules, with iptables-restore\n$/,
  );
  assertEquals((await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT")).trimEnd().split("\n").length, 4);
});

Deno.test("--once with a bad config exits 2, says all that is wrong, and changes nothing", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig(GOOD);
  await sandbox.agent("--once");
  const before = await sandbox.sh("iptables-save -t nat | grep -v '^#'");
  await sandbox.writeConfig("nonMasqueradeCIDRs:\n  - 10.0.0.1/8\nresyncInterval: 0\n");
  const { code, stderr } = await sandbox.agent("--once", "--skip_headers");
  assertEquals(code, 2);
  assertEquals(stderr.split("\n"), [
    '/etc/config/ip-masq-agent:2:5: nonMasqueradeCIDRs[0]: "10.0.0.1/8" is not aligned: did you mean "10.0.0.0/8"?',
    '/etc/config/ip-masq-agent:3:1: resyncInterval: 0 is not a duration: write a string such as "60s"',
    "Config /etc/config/ip-masq-agent is bad: no rule is touched until it is good",
    "",
  ]);
  assertEquals(await sandbox.sh("iptables-save -t nat | grep -v '^#'"), before);
});

Deno.test("agent and commands take a host's folder where there is no mount, and say so", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.write("/etc/ip-masq-agent/ip-masq-b.yaml", GOOD);
  const validate = await sandbox.agent("validate");
  assertEquals(validate.stdout, "/etc/ip-masq-agent: ok (1 CIDR, IPv4 1, IPv6 0)\n");
  const { stderr } = await sandbox.agent("--once", "--skip_headers", "--backend=iptables");
  assertEquals(stderr, "Config: /etc/ip-masq-agent\nIPv4: installed 3 rules, with iptables-restore\n");
  const diff = await sandbox.agent("diff", "--backend=iptables");
  assertEquals(diff, { code: 0, stdout: "", stderr: "Config: /etc/ip-masq-agent\n" });
});

Deno.test("--once takes a config from standard input, a daemon does not", async () => {
  await using sandbox = await Sandbox.create();
  const flags = ["--config-path=-", "--skip_headers", "--backend=iptables"];
  const once = await sandbox.run(EXECUTABLE, [...flags, "--once"], { input: GOOD });
  assertEquals([once.code, once.stderr], [0, "IPv4: installed 3 rules, with iptables-restore\n"]);
  const daemon = await sandbox.run(EXECUTABLE, flags, { input: GOOD });
  assertEquals(daemon.code, 2);
  assertMatch(
    daemon.stderr,
    /"-" is standard input, which can be read only once: add --once or --dry-run\n$/,
  );
});

Deno.test("--once exits 2 for a config outside of the folders that the program may read", async () => {
  await using sandbox = await Sandbox.create();
  const { code, stderr } = await sandbox.agent("--once", "--skip_headers", "--config-path=/etc/passwd");
  assertEquals(code, 2);
  assertEquals(
    stderr.split("\n")[0],
    "/etc/passwd: cannot be read: this program may only read below /etc/config and /etc/ip-masq-agent: move the file there",
  );
});

Deno.test("--once without iptables exits 1 and says what to install", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  await sandbox.sh("rm /etc/alternatives/iptables-restore");
  const { code, stderr } = await sandbox.agent("--once", "--backend=iptables", "--skip_headers");
  assertEquals(code, 1);
  assertEquals(
    stderr,
    "Config: /etc/config/ip-masq-agent\n" +
      'IPv4: Cannot find iptables-restore in /usr/local/sbin, /usr/sbin, /sbin: install the package "iptables"\n',
  );
});

Deno.test("--once syncs IPv4 although IPv6 fails, and exits 1", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.sh("rm /etc/alternatives/ip6tables-restore");
  const { code, stderr } = await sandbox.agent(
    "--once",
    "--backend=iptables",
    "--skip_headers",
    "--enable-ipv6",
  );
  assertEquals(code, 1);
  assertMatch(stderr, /^IPv6: Cannot find ip6tables-restore/m);
  assertMatch(stderr, /^IPv4: installed 5 rules/m);
});

Deno.test("a failed restore shows the tool's message and the line that it stumbled over", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await sandbox.writeConfig("");
  // A stand-in for iptables-restore that lists nothing and then refuses to write.
  await sandbox.write(
    "/run/restore",
    '#!/bin/sh\n[ "$1" = --version ] && exec /usr/sbin/iptables-legacy-restore "$@"\n' +
      'text=$(cat)\ncase $text in *"-S POSTROUTING"*) echo "-P POSTROUTING ACCEPT"; exit 1 ;; esac\n' +
      'echo "iptables-restore: line 3 failed" >&2; exit 1\n',
  );
  await sandbox.sh("chmod +x /run/restore; ln -sfn /run/restore /etc/alternatives/iptables-restore");
  const { code, stderr } = await sandbox.agent("--once", "--backend=iptables", "--skip_headers");
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /^Config: .*\nIPv4: iptables-restore cannot write the rules: exit code 1: iptables-restore: line 3 failed: line 3 was: -A POSTROUTING /,
  );
});

Deno.test("bad flags exit 2 with one line", async () => {
  await using sandbox = await Sandbox.create();
  for (const flags of [["--masq-chian=X"], ["--to-ports=0-70000"], ["--once", "false"], ["--config-path"]]) {
    const { code, stdout, stderr } = await sandbox.agent(...flags);
    assertEquals([code, stdout, stderr.split("\n").length], [2, "", 2], stderr);
    assert(stderr.startsWith("ip-masq-agent: "), stderr);
  }
});

Deno.test("--help and --version print to standard output and exit 0", async () => {
  await using sandbox = await Sandbox.create();
  const help = await sandbox.agent("--help");
  assertEquals([help.code, help.stderr], [0, ""]);
  assertMatch(help.stdout, /Usage: ip-masq-agent/);
  const version = await sandbox.agent("--version");
  assertEquals([version.code, version.stderr], [0, ""]);
  assertEquals(version.stdout.split("\n")[0], `ip-masq-agent ${denoJson.version}`);
});

Deno.test("a host without ip6tables and nft makes no noise", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await sandbox.writeConfig("");
  await sandbox.sh(`
mkdir /run/sbin /run/sbin/upper /run/sbin/work
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/sbin/upper,workdir=/run/sbin/work /usr/sbin
rm -f /usr/sbin/nft /usr/sbin/ip6tables* /usr/sbin/*nft*
`);
  const { code, stderr } = await sandbox.agent("--once", "--backend=iptables", "--skip_headers");
  assertEquals(code, 0);
  assertMatch(stderr, /^Config: .*\nIPv4: installed 5 rules, with iptables-restore\n$/);
});
