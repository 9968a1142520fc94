/** What another program does to the rules is repaired long before the interval is over: seen by real packets. */
import { assert, assertEquals } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { ADDRESSES, DESTINATIONS, Network } from "../sandbox/network.ts";
import { forEachNft, nftProcesses } from "../sandbox/nft_processes.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

/** The interval is a minute: within 5 s is by an event, also where the machine is busy. */
const MILLISECONDS = 5_000;
const READY = /nothing to change/;

/** Ways to lose the rules, by backend; each takes those of both families. */
const DISASTERS = {
  "iptables-nft": {
    "flush ruleset": "nft flush ruleset",
    "iptables -F": "iptables -t nat -F; ip6tables -t nat -F",
    "jump deleted": "iptables -t nat -D POSTROUTING 1; ip6tables -t nat -D POSTROUTING 1",
    "chain flushed": "iptables -t nat -F IP-MASQ-AGENT; ip6tables -t nat -F IP-MASQ-AGENT",
    "table deleted": "nft delete table ip nat; nft delete table ip6 nat",
  },
  "nftables": {
    "flush ruleset": "nft flush ruleset",
    "rules deleted": "nft flush table ip ip-masq-agent; nft flush table ip6 ip-masq-agent",
    "chain flushed":
      "nft flush chain ip ip-masq-agent postrouting; nft flush chain ip6 ip-masq-agent postrouting",
    "table deleted": "nft delete table ip ip-masq-agent; nft delete table ip6 ip-masq-agent",
  },
};

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!await isSo()) {
    assert(performance.now() < end, `It does not become so: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const [backend, disasters] of Object.entries(DISASTERS)) {
  Deno.test(`rules that somebody takes away are back before the next check (${backend})`, async (t) => {
    await using sandbox = await Sandbox.create();
    await using network = await Network.create(sandbox);
    for (const [name, script] of Object.entries(disasters)) {
      await t.step(name, async () => {
        // A new daemon each time: it would take so many disasters in a row for a fight.
        await using daemon = new Daemon(sandbox, `--backend=${backend}`, "--enable-ipv6", "-v=4");
        for (const family of ["IPv4", "IPv6"]) await daemon.line(new RegExp(`${family}: ${READY.source}`));
        await sandbox.sh(script);
        for (const family of ["IPv4", "IPv6"]) {
          await daemon.line(new RegExp(`^${family}: repaired drift`), { milliseconds: MILLISECONDS });
        }
        assertEquals(await network.sourceAddresses(DESTINATIONS.public, DESTINATIONS.publicIpv6), {
          [DESTINATIONS.public]: ADDRESSES.IPv4.node,
          [DESTINATIONS.publicIpv6]: ADDRESSES.IPv6.node,
        });
      });
    }
  });
}

Deno.test("rules of others are looked at and left alone, and an own write is followed by no check", async () => {
  await using sandbox = await Sandbox.create();
  await using daemon = new Daemon(sandbox, "--backend=iptables-nft", "-v=4");
  await daemon.line(READY);
  const checks = () => daemon.lines.filter((line) => /^IPv4: (?:nothing to change|repaired)/.test(line));
  const from = daemon.lines.length;
  await sandbox.sh("iptables -t nat -I POSTROUTING -s 10.9.0.0/16 -j MASQUERADE");
  await daemon.line(READY, { from, milliseconds: MILLISECONDS });
  assert((await sandbox.sh("iptables -t nat -S POSTROUTING 1")).includes("10.9.0.0/16"));
  const before = checks().length;
  await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
  await daemon.line(/^IPv4: repaired/, { milliseconds: MILLISECONDS });
  await sandbox.sh(
    "iptables -t nat -N OTHER; iptables -t nat -A OTHER -j ACCEPT; iptables -A INPUT -j ACCEPT",
  );
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  assertEquals(checks().length - before, 1);
});

Deno.test("--watch-rules=false, --once and iptables-legacy start no nft", async () => {
  await using sandbox = await Sandbox.create();
  const cases: [flags: string[], line: RegExp][] = [
    [["--backend=iptables-nft", "--watch-rules=false"], /^Next sync/],
    [["--backend=iptables-legacy"], /^IPv4: changes by others .*: there are no events of iptables-legacy/],
  ];
  for (const [flags, line] of cases) {
    await using daemon = new Daemon(sandbox, ...flags, "-v=4");
    await daemon.line(line);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assertEquals(await nftProcesses(sandbox), []);
  }
});

Deno.test("an nft that is killed is started again, and what changed meanwhile is repaired", async () => {
  await using sandbox = await Sandbox.create();
  await using daemon = new Daemon(sandbox, "--backend=iptables-nft", "-v=4");
  await daemon.line(READY);
  const events = "/usr/sbin/nft monitor; list chain ip nat POSTROUTING ";
  assertEquals(await nftProcesses(sandbox), ["/usr/sbin/nft -f - ", events]);
  await sandbox.sh(`${forEachNft("kill -9 ${folder#/proc/}")}; iptables -t nat -F IP-MASQ-AGENT`);
  await daemon.line(/^IPv4: changes by others .*: nft 'monitor.*' ended with exit code 137/);
  await daemon.line(/^IPv4: repaired/, { milliseconds: 20_000 });
  assertEquals(await nftProcesses(sandbox), ["/usr/sbin/nft -f - ", events]);
});

Deno.test("elements of a long list are not read again and again, and still no change of one is missed", async () => {
  await using sandbox = await Sandbox.create();
  const cidrs = Array.from({ length: 1_100 }, (_, index) => `11.${index >> 8}.${index & 255}.0/24`);
  await sandbox.writeConfig(
    JSON.stringify({ nonMasqueradeCIDRs: cidrs, cidrLimit: 2_000, resyncInterval: "1s" }),
  );
  await using daemon = new Daemon(sandbox, "--backend=nftables", "-v=4");
  const checks = (from: number) => daemon.lines.slice(from).filter((line) => READY.test(line)).length;
  await daemon.line(/^IPv4: installed/);
  await until(() => Promise.resolve(checks(0) >= 4));
  for (
    const [act, said] of [["delete", /1 range missing/], [
      "add",
      /^IPv4: repaired.* 1 range too many/,
    ]] as const
  ) {
    const from = daemon.lines.length;
    const element = act === "add" ? "12.0.0.0/24" : "11.1.1.0/24";
    await sandbox.sh(`nft ${act} element ip ip-masq-agent nonMasqueradeCIDRs "{ ${element} }"`);
    await daemon.line(said, { from });
    assert(checks(from) <= 2, daemon.lines.slice(from).join("\n"));
    await until(() => Promise.resolve(checks(from) >= 3));
  }
});

for (const signal of ["SIGKILL", "SIGTERM"] as const) {
  Deno.test(`no nft outlives an agent that ends by ${signal}, also where nobody changes a rule`, async () => {
    await using sandbox = await Sandbox.create();
    await using daemon = new Daemon(sandbox, "--backend=iptables-nft", "--enable-ipv6", "-v=4");
    for (const family of ["IPv4", "IPv6"]) await daemon.line(new RegExp(`${family}: ${READY.source}`));
    assertEquals((await nftProcesses(sandbox)).length, 4);
    const rules = await sandbox.sh("nft -s list ruleset");
    daemon.kill(signal);
    await daemon.status();
    await until(async () => (await nftProcesses(sandbox)).length === 0);
    assertEquals(await sandbox.sh("nft -s list ruleset"), rules);
  });
}

Deno.test("a writer that undoes every repair meets ever fewer of them, and is named once", async () => {
  await using sandbox = await Sandbox.create();
  await using daemon = new Daemon(sandbox, "--backend=iptables-nft", "-v=4");
  await daemon.line(READY);
  const writer = sandbox.spawn("bash", [
    "-c",
    "while true; do iptables -w 5 -t nat -F IP-MASQ-AGENT; sleep 0.05; done",
  ]);
  const output = writer.output();
  await daemon.line(/^IPv4: every repair is undone at once, last process \d+ \(iptables\)/, {
    milliseconds: 30_000,
  });
  const repairs = () => daemon.lines.filter((line) => line === "IPv4: COMMIT").length;
  const before = repairs();
  await new Promise((resolve) => setTimeout(resolve, 8_000));
  writer.kill("SIGKILL");
  await output;
  await writer.stdin.abort();
  assert(repairs() - before <= 4, `${repairs() - before} repairs in 8 s`);
  assertEquals(daemon.lines.filter((line) => line.includes("is undone at once")).length, 1);
});
