/** How the daemon ends. */
import { assert, assertEquals } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { EXECUTABLE, Sandbox } from "../sandbox/sandbox.ts";

Deno.test("--cleanup-on-exit removes the rules of both families and nothing else", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.sh("iptables -t nat -A POSTROUTING -d 192.0.2.1 -j RETURN; iptables -t nat -N OTHER");
  const save = () => sandbox.sh("for tool in iptables ip6tables; do $tool-save -t nat | grep -v '^#'; done");
  await sandbox.sh("ip6tables -t nat -S");
  const before = (await save()).replaceAll(/\[\d+:\d+\]/g, "");
  await using daemon = new Daemon(sandbox, "--enable-ipv6", "--cleanup-on-exit");
  await daemon.line(/^IPv4: installed/);
  await daemon.line(/^IPv6: installed/);
  daemon.kill("SIGTERM");
  assertEquals(await daemon.status(), 0);
  assertEquals(daemon.lines.slice(-2).sort(), ["IPv4: removed the rules", "IPv6: removed the rules"]);
  assertEquals((await save()).replaceAll(/\[\d+:\d+\]/g, "").trim(), before.trim());
});

Deno.test("as PID 1 of a container the daemon follows SIGHUP and SIGTERM", async () => {
  await using sandbox = await Sandbox.create();
  const child = sandbox.spawn("unshare", [
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    EXECUTABLE,
    "--skip_headers",
  ]);
  const output = child.output();
  const pid = async () => (await sandbox.sh(`cat /proc/${child.pid}/task/*/children`)).trim();
  while (!(await sandbox.sh("iptables -t nat -S")).includes("-j IP-MASQ-AGENT")) { /* It starts. */ }
  const agent = await pid();
  await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
  await sandbox.sh(`kill -HUP ${agent}`);
  while (!(await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT")).includes("MASQUERADE")) { /* It heals. */ }
  await sandbox.sh(`kill -TERM ${agent}`);
  const { code, stderr } = await output;
  assertEquals([code, new TextDecoder().decode(stderr).trimEnd().split("\n").at(-1)], [
    0,
    "Stopped: the rules stay in place",
  ]);
  await child.stdin.abort();
});

Deno.test("a sync that hangs does not hold up the end", async () => {
  await using sandbox = await Sandbox.create();
  await using daemon = new Daemon(sandbox, "--backend=iptables");
  await daemon.line(/^IPv4: installed/);
  await sandbox.write("/run/hang", "#!/bin/sh\ntrap '' TERM\ntouch /run/hanging\nexec sleep 60\n");
  await sandbox.sh("chmod +x /run/hang; ln -sfn /run/hang /etc/alternatives/iptables-restore");
  daemon.kill("SIGHUP");
  await daemon.line(/^SIGHUP: syncing now/);
  await sandbox.sh("until [ -e /run/hanging ]; do sleep 0.02; done");
  const start = performance.now();
  daemon.kill("SIGTERM");
  assertEquals(await daemon.status(), 0);
  // The command itself would be killed after 30 s.
  assert(performance.now() - start < 20_000, "it waited for the command");
  assertEquals(daemon.lines.slice(-2), [
    "Stopped in the middle of a sync that hangs",
    "Stopped: the rules stay in place",
  ]);
});

Deno.test("what a sync that hangs was about to write is not written after the end", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.write(
    "/run/slow",
    `#!/bin/bash
text=$(cat)
[[ $text = *"-N IP-MASQ-AGENT"* ]] && exit 1
[[ $text = *":IP-MASQ-AGENT"* ]] && { echo $$ >/run/writing; sleep 20; touch /run/wrote; }
exec /usr/sbin/iptables-nft-restore "$@" <<<"$text"
`,
  );
  await sandbox.sh("chmod +x /run/slow; ln -sfn /run/slow /etc/alternatives/iptables-restore");
  await using daemon = new Daemon(sandbox, "--backend=iptables", "--cleanup-on-exit");
  const writer = (await sandbox.sh("until [ -s /run/writing ]; do sleep 0.02; done; cat /run/writing"))
    .trim();
  daemon.kill("SIGTERM");
  assertEquals(await daemon.status(), 0);
  assert(daemon.lines.includes("Stopped in the middle of a sync that hangs"), daemon.lines.join("\n"));
  // A process that has ended has no executable, even where nobody has asked for its exit code yet.
  await sandbox.sh(`while [ -e /proc/${writer}/exe ]; do sleep 0.02; done`);
  assertEquals(
    await sandbox.sh("ls /run/wrote 2>/dev/null || true; iptables -t nat -S | grep MASQ || true"),
    "",
  );
});

Deno.test("--once ends at a signal while it waits for another program's lock", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await sandbox.sh(`flock /run/xtables.lock sh -c 'echo $$ >/run/held; exec sleep 60' >/dev/null 2>&1 &
until [ -s /run/held ]; do sleep 0.02; done`);
  const [code, milliseconds] = (await sandbox.sh(`set +e
${EXECUTABLE} --once --backend=iptables-legacy & agent=$!
until command=$(pgrep -P $agent) && grep -q -- "-> FLOCK .* $command " /proc/locks; do sleep 0.02; done
start=\${EPOCHREALTIME/./}; kill -TERM $agent; wait $agent; echo $? $(((\${EPOCHREALTIME/./} - start) / 1000))
kill $(cat /run/held)`)).split(" ").map(Number);
  assertEquals(code, 143);
  assert(milliseconds! < 4_000, "it waited for the lock");
});

Deno.test("a command that waits for its input ends at a signal, as any program does", async (t) => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    await t.step(signal, async () => {
      const child = new Deno.Command(EXECUTABLE, {
        args: ["validate", "-"],
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      }).spawn();
      // Deno reads standard input in a thread of that name.
      while (!await hasThread(child.pid, "tokio-runtime-w")) { /* It starts. */ }
      child.kill(signal);
      const giveUp = setTimeout(() => child.kill("SIGKILL"), 30_000);
      assertEquals((await child.status).signal, signal);
      clearTimeout(giveUp);
      await child.stdin.abort();
    });
  }
});

async function hasThread(pid: number, name: string): Promise<boolean> {
  for await (const task of Deno.readDir(`/proc/${pid}/task`)) {
    if ((await Deno.readTextFile(`/proc/${pid}/task/${task.name}/comm`)).trim() === name) return true;
  }
  return false;
}
