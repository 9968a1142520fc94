/** Metrics and health over HTTP, and the permission for it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

/** Fetches a path from inside of the sandbox, without any tool that a machine might lack. */
async function get(
  sandbox: Sandbox,
  path: string,
  host = "127.0.0.1",
): Promise<{ status: number; body: string }> {
  const script = `exec 3<>/dev/tcp/${host}/10264; printf 'GET ${path} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
  const text = await sandbox.sh(script);
  const [head = "", body = ""] = text.split("\r\n\r\n");
  return { status: Number(head.split(" ")[1]), body };
}

for (const variant of VARIANTS) {
  Deno.test(`--metrics-bind-address serves metrics with the kernel's counters, and health (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await using network = await Network.create(sandbox);
    await sandbox.writeConfig("resyncInterval: 1s\n");
    await using daemon = new Daemon(sandbox, "--enable-ipv6", "--metrics-bind-address=127.0.0.1:10264");
    await daemon.line(/^Metrics and health at http:\/\/127\.0\.0\.1:10264\/metrics/);
    await daemon.line(/^IPv4: installed/);
    await daemon.line(/^IPv6: installed/);
    await network.connect(DESTINATIONS.public, DESTINATIONS.private10, DESTINATIONS.private192);
    const { status, body } = await get(sandbox, "/metrics");
    assertEquals(status, 200);
    assertMatch(body, /^ip_masq_agent_packets_total\{family="IPv4",verdict="MASQUERADE"\} [1-9]/m);
    assertMatch(body, /^ip_masq_agent_packets_total\{family="IPv4",verdict="RETURN"\} [2-9]/m);
    assertMatch(body, /^ip_masq_agent_syncs_total\{family="IPv6",result="applied"\} 1$/m);
    assertMatch(body, /^ip_masq_agent_cidrs\{family="IPv4",list="nonMasqueradeCIDRs"\} 3$/m);
    assertEquals((await get(sandbox, "/readyz")).status, 200);
    assertEquals((await get(sandbox, "/healthz")).status, 200);
    assertEquals((await get(sandbox, "/nothing")).status, 404);
    const shown = await sandbox.agent("status", "--enable-ipv6");
    assertEquals(shown.code, 0);
    assertMatch(shown.stderr, /^warning: nonMasqueradeCIDRs: no IPv6 range is exempt.*\n$/);
    assertMatch(shown.stdout, /^agent +ready: /m);
    assertMatch(shown.stdout, /^ {2}MASQUERADE +[1-9]\d* +[1-9]\d* +all others$/m);

    await sandbox.writeConfig("nonMasqueradeCIDRs: [10]\nresyncInterval: 1s\n");
    await daemon.line(/the last good one stays in force$/);
    assertEquals(await get(sandbox, "/readyz"), { status: 503, body: "the config is bad\n" });
    assertMatch((await get(sandbox, "/metrics")).body, /^ip_masq_agent_config_valid 0$/m);
  });
}

Deno.test("the wildcard address serves other addresses too, and an address in use is waited for", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.sh(
    "ip link add a0 type veth peer name a1; ip addr add 192.0.2.1/24 dev a0; ip link set a0 up",
  );
  await using daemon = new Daemon(sandbox, "--metrics-bind-address=[::]:10264");
  await daemon.line(/^IPv4: installed/);
  assertEquals((await get(sandbox, "/healthz", "192.0.2.1")).status, 200);
  await sandbox.sh("iptables -t nat -F; iptables -t nat -X");
  await using second = new Daemon(sandbox, "--metrics-bind-address=[::]:10264", "--masq-chain=SECOND");
  await second.line(/^IPv4: installed 5 rules/);
  await second.line(/^Cannot serve metrics on ::: .*: does another agent run\? This is tried again$/);
  daemon.kill("SIGTERM");
  assertEquals(await daemon.status(), 0);
  await second.line(/^Metrics and health at/);
  assertEquals((await get(sandbox, "/healthz")).status, 200);
  assertEquals(second.lines.filter((line) => line.startsWith("Cannot serve")).length, 1, "it is said once");
});

Deno.test("requests that are none give no log line, and healing goes on with no file descriptor left", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("resyncInterval: 1s\n");
  await using daemon = new Daemon(sandbox, "--backend=iptables", "--metrics-bind-address=127.0.0.1:10264");
  await daemon.line(/^IPv4: installed/);
  await daemon.line(/^Metrics and health/);
  const said = daemon.lines.length;
  const requests: [request: string, status: number][] = [
    ["GET /healthz HTTP/1.1\\r\\nHost: a b<>\\r\\n\\r\\n", 400],
    ["POST /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", 405],
    ["FOO /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n", 405],
    ["\\x16\\x03\\x01\\r\\n\\r\\n", 400],
  ];
  for (const [request, status] of requests) {
    const script = `exec 3<>/dev/tcp/127.0.0.1/10264; printf '${request}' >&3; head -1 <&3`;
    assertEquals(Number((await sandbox.sh(script)).split(" ")[1]), status, request);
  }
  assertEquals(daemon.lines.slice(said), []);

  const open = (await sandbox.sh(`ls /proc/${daemon.pid}/fd | wc -l`)).trim();
  await sandbox.sh(`prlimit --pid ${daemon.pid} --nofile=${Number(open) + 20}`);
  // Each is open until the shell ends.
  await sandbox.sh(`
iptables -t nat -F IP-MASQ-AGENT
for _ in {1..60}; do exec {connection}<>/dev/tcp/127.0.0.1/10264; done
sleep 2
`);
  assertEquals((await get(sandbox, "/healthz")).status, 200);
  await daemon.line(/^IPv4: repaired drift/, { from: said });
  daemon.kill("SIGTERM");
  assertEquals(await daemon.status(), 0);
  assertEquals(daemon.lines.filter((line) => /^ {4}at |[Uu]ncaught/.test(line)), []);
});

Deno.test("a daemon that starts with a bad config lives, and says why it is not ready", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("nonMasqueradeCIDRs: [10]\n");
  await using daemon = new Daemon(sandbox, "--metrics-bind-address=127.0.0.1:10264");
  await daemon.line(/^Metrics and health at/);
  assertEquals((await get(sandbox, "/healthz")).status, 200);
  const { status, body } = await get(sandbox, "/readyz");
  assertEquals([status, body], [
    503,
    "the config is bad\nIPv4: the rules are not known to be in force: not synced yet\n",
  ]);
});

Deno.test("however many scrape while somebody holds the lock, one command runs at a time", async () => {
  await using sandbox = await Sandbox.create("legacy");
  await using daemon = new Daemon(
    sandbox,
    "--backend=iptables-legacy",
    "--metrics-bind-address=127.0.0.1:10264",
  );
  await daemon.line(/^IPv4: installed/);
  await daemon.line(/^Metrics and health at/);
  const counts = await sandbox.sh(`
    flock /run/xtables.lock sleep 5 &
    sleep 0.3
    for scrape in $(seq 150); do
      (exec 3<>/dev/tcp/127.0.0.1/10264; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 >/dev/null) 2>/dev/null &
    done
    for look in $(seq 20); do sleep 0.1; ls /proc/${daemon.pid}/task/*/children | xargs cat | wc -w; done
    wait`);
  const numbers = counts.trim().split("\n").map(Number);
  assertEquals(Math.max(...numbers), 1, counts);
  assertEquals((await get(sandbox, "/healthz")).status, 200);
});

Deno.test("without the flag nothing listens", async () => {
  await using sandbox = await Sandbox.create();
  await using daemon = new Daemon(sandbox);
  await daemon.line(/^IPv4: installed/);
  const sockets = await sandbox.sh("cat /proc/net/tcp /proc/net/tcp6");
  assert(!sockets.includes(`:${(10264).toString(16).toUpperCase()} `), sockets);
});

Deno.test("--log-format=json writes an object a line", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  const { stderr } = await sandbox.agent("--once", "--backend=iptables", "--log-format=json");
  const { time, severity, message } = JSON.parse(stderr.trimEnd().split("\n").at(-1)!);
  assertMatch(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assertEquals([severity, message.startsWith("IPv4: installed 5 rules")], ["info", true]);
});
