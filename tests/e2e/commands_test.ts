/** The commands of the compiled program, against a real kernel. */
import { assertEquals, assertMatch } from "@std/assert";
import { EXECUTABLE, Sandbox, type Variant, VARIANTS } from "../sandbox/sandbox.ts";

const CONFIG = "nonMasqueradeCIDRs: [10.0.0.0/8, 192.168.0.0/16]\nmasqueradeCIDRs: [10.10.10.10/32]\n";
const PORTS = "--to-ports=1024-29999,32768-65535";

/** Everything in the nat tables of both variants and families, without the counters and dates. */
function allRules(sandbox: Sandbox): Promise<string> {
  return sandbox.sh(
    ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"]
      .map((program) => `echo ${program}; ${program}-save -t nat | grep '^-A\\|^:.* - ' || true`).join("\n"),
  );
}

for (const variant of VARIANTS) {
  Deno.test(`diff tells what a sync changes, and then nothing (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.writeConfig(CONFIG.replace(", 192.168.0.0/16", ", 192.168.0.0/16, fd00::/8"));
    const empty = await allRules(sandbox);
    const fresh = await sandbox.agent("diff", "--backend=iptables", "--enable-ipv6", PORTS);
    assertEquals([fresh.code, fresh.stderr], [1, ""]);
    assertMatch(
      fresh.stdout,
      /^--- IPv4: kernel \(iptables-restore\)\n\+\+\+ IPv4: \/etc\/config\/ip-masq-agent\n@@ -0,0 \+1,19 @@\n/,
    );
    const dryRun = await sandbox.agent("--dry-run", "--backend=iptables", "--once", "--enable-ipv6", PORTS);
    assertEquals(dryRun, { ...fresh, code: 0 });
    assertEquals(await allRules(sandbox), empty, "neither wrote anything");

    await sandbox.agent("--once", "--backend=iptables", "--enable-ipv6", PORTS);
    assertEquals(await sandbox.agent("diff", "--backend=iptables", "--enable-ipv6", PORTS), {
      code: 0,
      stdout: "",
      stderr: "",
    });
    assertEquals(await sandbox.agent("--dry-run", "--backend=iptables", "--enable-ipv6", PORTS), {
      code: 0,
      stdout: "",
      stderr: "Nothing to change\n",
    });

    // One entry less is one line less, although the kernel rounds the probabilities of the others.
    const less = await sandbox.run(EXECUTABLE, ["diff", "--backend=iptables", PORTS, "--config-path=-"], {
      input: CONFIG.replace(", 192.168.0.0/16", ""),
    });
    assertEquals(less.code, 1);
    assertEquals(less.stdout.split("\n").filter((line) => /^(?:\+|-)-[AN]/.test(line)), [
      '--A IP-MASQ-AGENT -d 192.168.0.0/16 -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN',
    ]);
  });

  Deno.test(`diff warns of rules of others that decide (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.writeConfig("");
    await sandbox.agent("--once", "--backend=iptables");
    await sandbox.sh(`
      iptables -t nat -N KUBE-POSTROUTING
      iptables -t nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
      iptables -t nat -A KUBE-POSTROUTING -j MASQUERADE
      iptables -t nat -I POSTROUTING -j KUBE-POSTROUTING
      iptables -t nat -I POSTROUTING -s 10.244.0.0/16 -j SNAT --to-source 192.0.2.1
      iptables -t nat -A POSTROUTING -j MASQUERADE
    `);
    assertEquals(await sandbox.agent("diff", "--backend=iptables"), {
      code: 0,
      stdout: "",
      stderr:
        `warning: IPv4: nat (iptables): POSTROUTING rule 1 rewrites source addresses before our rules are ` +
        `asked: -A POSTROUTING -s 10.244.0.0/16 -j SNAT --to-source 192.0.2.1\n` +
        `note: IPv4: nat (iptables): POSTROUTING rule 2 leads to KUBE-POSTROUTING, whose rule 2 masquerades before our ` +
        `rules are asked (only packets that other rules mark): -A POSTROUTING -j KUBE-POSTROUTING; ` +
        `-A KUBE-POSTROUTING -j MASQUERADE\n` +
        `warning: IPv4: nat (iptables): POSTROUTING rule 4 masquerades what our rules keep: ` +
        `-A POSTROUTING -j MASQUERADE\n`,
    });
    const { stdout } = await sandbox.agent("explain", "--host", "--source=10.9.9.9", "10.1.2.3");
    assertEquals(
      stdout.split("\n")[0]!.replace(`-${variant})`, ")"),
      "10.1.2.3: kept by rule 2, but then masqueraded by POSTROUTING rule 4 of nat (iptables)",
    );
  });

  Deno.test(`render gives what a sync writes, and iptables-restore takes it (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.writeConfig(CONFIG);
    const { code, stdout } = await sandbox.agent("render", PORTS);
    assertEquals(code, 0);
    const restored = await sandbox.run("iptables-restore", ["--noflush"], { input: stdout });
    assertEquals([restored.code, restored.stderr], [0, ""]);
    assertEquals((await sandbox.agent("diff", "--backend=iptables", PORTS)).code, 0);
  });
}

Deno.test("cleanup removes ours from both families and both variants, and nothing else", async () => {
  await using sandbox = await Sandbox.create("legacy");
  // Foreign rules everywhere, some of which mention us.
  for (const program of ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"]) {
    await sandbox.sh(`
      ${program} -t nat -N FOREIGN
      ${program} -t nat -A FOREIGN -m comment --comment "like ip-masq-agent: but not" -j RETURN
      ${program} -t nat -A POSTROUTING -m comment --comment "see ip-masq-agent" -j FOREIGN
    `);
  }
  const before = await allRules(sandbox);
  // What agents of other times may have left: more than one life of ours would.
  const install = async (variant: Variant, family: "IPv4" | "IPv6", chain: string) => {
    const { stdout } = await sandbox.agent("render", "--enable-ipv6", `--masq-chain=${chain}`);
    const [ipv4, ipv6] = stdout.split("# IPv6");
    const command = { IPv4: "iptables", IPv6: "ip6tables" }[family];
    const input = { IPv4: ipv4!, IPv6: `#${ipv6}` }[family];
    await sandbox.run(`${command}-${variant}-restore`, ["--noflush"], { input });
  };
  await install("legacy", "IPv4", "EARLIER");
  await install("legacy", "IPv6", "EARLIER");
  await install("legacy", "IPv6", "IP-MASQ-AGENT");
  await install("nft", "IPv4", "OLD");
  await install("nft", "IPv6", "OLD");
  await install("nft", "IPv4", "IP-MASQ-AGENT");
  // A chain that lost its jump, and the doubly quoted jump of old releases.
  await sandbox.sh(`
    iptables-nft -t nat -D POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom OLD chain" -m addrtype ! --dst-type LOCAL -j OLD
    iptables-nft -t nat -A POSTROUTING -m comment --comment '"ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom IP-MASQ-AGENT chain"' -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
  `);
  const full = await allRules(sandbox);
  const wouldRemove = await sandbox.agent("cleanup", "--dry-run");
  assertEquals(await allRules(sandbox), full);
  const removed = await sandbox.agent("cleanup");
  assertEquals([removed.code, removed.stderr], [0, ""]);
  assertEquals(removed.stdout, wouldRemove.stdout.replaceAll("would remove", "removed"));
  assertEquals(removed.stdout.trimEnd().split("\n").sort(), [
    "iptables-legacy IPv4: removed chain EARLIER (5 rules) and 1 jump to it",
    "iptables-legacy IPv6: removed chain EARLIER (2 rules) and 1 jump to it",
    "iptables-legacy IPv6: removed chain IP-MASQ-AGENT (2 rules) and 1 jump to it",
    "iptables-nft IPv4: removed chain IP-MASQ-AGENT (5 rules) and 2 jumps to it",
    "iptables-nft IPv4: removed chain OLD (5 rules)",
    "iptables-nft IPv6: removed chain OLD (2 rules) and 1 jump to it",
  ]);
  assertEquals(await allRules(sandbox), before);
  assertEquals(await sandbox.agent("cleanup"), { code: 0, stdout: "Nothing to remove\n", stderr: "" });
});

Deno.test("cleanup says which chain it can't remove, and goes on with the others", async () => {
  await using sandbox = await Sandbox.create("nft");
  await sandbox.agent("--once", "--backend=iptables", "--enable-ipv6");
  await sandbox.sh("iptables -t nat -N FOREIGN; iptables -t nat -A FOREIGN -j IP-MASQ-AGENT");
  const { code, stdout, stderr } = await sandbox.agent("cleanup");
  assertEquals(code, 1);
  assertEquals(stdout, "iptables-nft IPv6: removed chain IP-MASQ-AGENT (2 rules) and 1 jump to it\n");
  assertEquals(
    stderr,
    "ip-masq-agent: iptables-nft IPv4: chain IP-MASQ-AGENT is in use, and nothing of it was removed: " +
      "first remove -A FOREIGN -j IP-MASQ-AGENT\n",
  );
  // Nothing is half removed.
  assertEquals((await sandbox.agent("diff", "--backend=iptables")).code, 0);
});

Deno.test("commands that read configs need no root and no kernel", async (t) => {
  await using sandbox = await Sandbox.create("nft");
  await sandbox.writeConfig(CONFIG);
  const asNobody = (args: string[], input?: string) =>
    sandbox.run("setpriv", [
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "--inh-caps=-all",
      "--",
      "/run/agent",
      ...args,
    ], {
      ...(input !== undefined && { input }),
    });
  // The clone's own folder may be closed to others.
  await sandbox.sh(`cp ${EXECUTABLE} /run/agent && chmod 755 /run/agent /run`);
  await t.step("validate", async () => {
    assertEquals(await asNobody(["validate"]), {
      code: 0,
      stdout:
        "/etc/config/ip-masq-agent: note: after a rollback to the upstream agent these have no effect: " +
        "masqueradeCIDRs\n/etc/config/ip-masq-agent: ok (3 CIDRs, IPv4 3, IPv6 0)\n",
      stderr: "",
    });
  });
  await t.step("validate of standard input", async () => {
    const { code, stdout } = await asNobody(["validate", "-"], "cidrLimit: many\n");
    assertEquals([code, stdout], [
      2,
      '<stdin>:1:1: cidrLimit: "many" is not a whole number of 0 or more: write one such as 64, without quotes\n' +
      "<stdin>: bad (1 error)\n",
    ]);
  });
  await t.step("validate of 20 MB of standard input", async () => {
    const { code, stdout } = await asNobody(["validate", "-"], "#".repeat(20_000_000));
    assertEquals([code, stdout], [
      2,
      "<stdin>: the file is over 16 MiB, and no config is\n<stdin>: bad (1 error)\n",
    ]);
  });
  await t.step("validate of a path that is closed to the program", async () => {
    const { code, stdout } = await asNobody(["validate", "/etc/hostname"]);
    assertEquals(code, 2);
    assertMatch(
      stdout,
      /^\/etc\/hostname: cannot be read: this program may only read below .* standard input, with "-"/,
    );
  });
  await t.step("render", async () => assertEquals((await asNobody(["render"])).code, 0));
  await t.step("explain", async () => {
    const { code, stdout } = await asNobody(["explain", "10.10.10.10"]);
    assertEquals([code, stdout.split("\n")[0]], [0, "10.10.10.10: masqueraded"]);
  });
  await t.step("diff needs it, and says so", async () => {
    const { code, stderr } = await asNobody(["diff"]);
    assertEquals(code, 2);
    assertMatch(
      stderr,
      /^ip-masq-agent: No backend works here: .*run the agent as root, or with the capabilities NET_ADMIN and NET_RAW/,
    );
  });
});

Deno.test("diff is coloured on a terminal only, and never with NO_COLOR", async () => {
  await using sandbox = await Sandbox.create("nft");
  // script(1) gives its command a terminal.
  const onTerminal = (environment: string) =>
    sandbox.sh(`script -qec '${environment} ${EXECUTABLE} diff' /dev/null </dev/null || true`);
  assertEquals((await onTerminal("env -u NO_COLOR")).includes("\x1b[32m+-N IP-MASQ-AGENT\x1b[0m"), true);
  assertEquals((await onTerminal("env NO_COLOR=1")).includes("\x1b["), false);
  assertEquals((await sandbox.agent("diff", "--backend=iptables")).stdout.includes("\x1b["), false);
});

Deno.test("a folder of configs is merged, and one bad file makes all of it bad", async () => {
  await using sandbox = await Sandbox.create("nft");
  await sandbox.write("/etc/config/..v1/ip-masq-a", "nonMasqueradeCIDRs: [10.0.0.0/8]\n");
  await sandbox.write("/etc/config/..v1/ip-masq-b", "nonMasqueradeCIDRs: [10.0.0.0/8, 172.16.0.0/12]\n");
  await sandbox.sh(
    "cd /etc/config; ln -s ..v1 ..data; ln -s ..data/ip-masq-a ip-masq-a; ln -s ..data/ip-masq-b ip-masq-b",
  );
  assertEquals(
    (await sandbox.agent("validate", "/etc/config")).stdout,
    "/etc/config: ok (2 CIDRs, IPv4 2, IPv6 0)\n",
  );
  assertEquals((await sandbox.agent("--once", "--backend=iptables", "--config-path=/etc/config")).code, 0);
  assertEquals(
    await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT | grep -o -- '-d [^ ]*'"),
    "-d 169.254.0.0/16\n-d 10.0.0.0/8\n-d 172.16.0.0/12\n",
  );
  await sandbox.write("/etc/config/..v1/ip-masq-b", "cidrLimit: x\n");
  const { code, stderr } = await sandbox.agent(
    "--once",
    "--backend=iptables",
    "--skip_headers",
    "--config-path=/etc/config",
  );
  assertEquals(code, 2);
  assertMatch(stderr, /^\/etc\/config\/ip-masq-b:1:1: cidrLimit: "x" is not a whole number/);
});

Deno.test("render, diff and cleanup speak nftables, too", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("nonMasqueradeCIDRs: [10.0.0.0/8, fd00::/8]\n");
  const diff = () => sandbox.agent("diff", "--backend=nftables", "--enable-ipv6");
  const before = await diff();
  assertEquals(before.code, 1, before.stderr);
  assertMatch(before.stdout, /^\+.*10\.0\.0\.0\/8/m);
  assertEquals(await sandbox.sh("nft list tables"), "", "diff writes nothing");

  const rendered = await sandbox.agent("render", "-o", "nft", "--enable-ipv6");
  assertEquals(rendered.code, 0, rendered.stderr);
  const loaded = await sandbox.run("nft", ["-f", "-"], { input: rendered.stdout });
  assertEquals(loaded.code, 0, loaded.stderr);
  assertEquals(await diff(), { code: 0, stdout: "", stderr: "" }, "what render prints is what a sync writes");

  await sandbox.sh(
    "nft delete element ip ip-masq-agent nonMasqueradeCIDRs '{ 10.0.0.0/8 }'; nft add table ip other",
  );
  const drifted = await diff();
  assertEquals(drifted.code, 1);
  assertMatch(drifted.stdout, /^\+.*10\.0\.0\.0\/8/m);

  const cleanup = await sandbox.agent("cleanup");
  assertEquals(cleanup.code, 0, cleanup.stderr);
  assertMatch(cleanup.stdout, /nftables IPv4: removed/);
  assertEquals((await sandbox.sh("nft list tables")).trim(), "table ip other");
});
