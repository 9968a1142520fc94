/** The compiled program as a daemon. */
import { assert, assertEquals } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const chain = (sandbox: Sandbox) => sandbox.sh("iptables -t nat -S IP-MASQ-AGENT");

Deno.test("the daemon follows its config at every interval, heals drift, and is quiet otherwise", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig('nonMasqueradeCIDRs: ["10.0.0.0/8"]\nresyncInterval: 1s\n');
  await using daemon = new Daemon(sandbox);
  await daemon.line(/^IPv4: installed 3 rules/);

  await sandbox.writeConfig('nonMasqueradeCIDRs: ["11.0.0.0/8"]\nresyncInterval: 1s\n');
  await daemon.line(/^IPv4: updated the rules/);
  assert((await chain(sandbox)).includes("-d 11.0.0.0/8"));

  await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
  await daemon.line(/^IPv4: repaired drift: chain IP-MASQ-AGENT is empty$/);
  assert((await chain(sandbox)).includes("-d 11.0.0.0/8"));

  await sandbox.writeConfig("nonMasqueradeCIDRs: [11]\n");
  await daemon.line(/the last good one stays in force$/);
  const from = daemon.lines.length;
  await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
  // Where the sync before this one repaired the same, it is told as a repetition once all is quiet.
  await daemon.line(/^IPv4: repaired drift|^Previous message repeated 1 time/, { from });
  assert((await chain(sandbox)).includes("-d 11.0.0.0/8"));

  const said = daemon.lines.length;
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  assertEquals(daemon.lines.slice(said), []);
});

Deno.test("SIGHUP syncs now", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("resyncInterval: 1h\n");
  await using daemon = new Daemon(sandbox);
  await daemon.line(/^IPv4: installed/);
  await sandbox.sh("iptables -t nat -D POSTROUTING 1");
  daemon.kill("SIGHUP");
  await daemon.line(/^IPv4: repaired drift: no jump from POSTROUTING/);
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends the daemon with exit code 0 and leaves the rules`, async () => {
    await using sandbox = await Sandbox.create();
    await using daemon = new Daemon(sandbox);
    await daemon.line(/^IPv4: installed/);
    daemon.kill(signal);
    assertEquals(await daemon.status(), 0);
    assertEquals(daemon.lines.at(-1), "Stopped: the rules stay in place");
    assert((await chain(sandbox)).includes("-j MASQUERADE"));
  });
}

Deno.test("a daemon that starts with a bad config touches nothing until it is good", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("nonMasqueradeCIDRs: [10.0.0.1/8]\n");
  const before = await sandbox.sh("iptables-save -t nat | grep -v '^#'");
  await using daemon = new Daemon(sandbox);
  await daemon.line(/no rule is touched until it is good$/);
  assertEquals(await sandbox.sh("iptables-save -t nat | grep -v '^#'"), before);
  await sandbox.writeConfig("nonMasqueradeCIDRs: [10.0.0.0/8]\n");
  daemon.kill("SIGHUP");
  await daemon.line(/^IPv4: installed 3 rules/);
});
