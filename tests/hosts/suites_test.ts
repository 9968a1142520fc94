/** The compiled agent beside the iptables and nft of each suite. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { type Suite, SUITES } from "../sandbox/host.ts";
import { nftProcesses } from "../sandbox/nft_processes.ts";
import { BACKENDS, CONFIG, FLAGS, type HostBackend, Hosts, LONG_CONFIG } from "./hosts.ts";

/** What another program does to our rules, in IPv4 and IPv6, and what the agent says of it. */
const DRIFTS: Readonly<Record<HostBackend, readonly [script: string, said: RegExp][]>> = {
  "iptables-nft": iptablesDrifts("iptables-nft", "ip6tables-nft"),
  "iptables-legacy": iptablesDrifts("iptables-legacy", "ip6tables-legacy"),
  "nftables": [
    ["nft flush set ip ip-masq-agent linkLocal", /IPv4: .*set linkLocal has 1 range missing/],
    ["nft flush chain ip6 ip-masq-agent translate", /IPv6: .*chain translate is empty/],
    ["nft add chain ip ip-masq-agent mine", /IPv4: .*foreign chain mine/],
    ["nft add table ip6 ip-masq-agent '{ flags dormant; }'", /IPv6: .*has a flag, such as dormant/],
    ["nft delete table ip ip-masq-agent", /IPv4: installed/],
  ],
};

function iptablesDrifts(v4: string, v6: string): [string, RegExp][] {
  return [
    [`${v4} -t nat -F IP-MASQ-AGENT`, /IPv4: .*chain IP-MASQ-AGENT is empty/],
    [`${v6} -t nat -F POSTROUTING`, /IPv6: .*no jump from POSTROUTING/],
    [
      `${v6} -t nat -I IP-MASQ-AGENT -p tcp -m comment --comment "it's \\"mine\\"" -j ACCEPT`,
      /IPv6: .*1 foreign rule/,
    ],
    [`${v4} -t nat -A POSTROUTING -j IP-MASQ-AGENT`, /IPv4: .*1 jump to IP-MASQ-AGENT without/],
  ];
}

/** Calls `check` for each suite and backend. */
async function forEachHost(
  t: Deno.TestContext,
  check: (hosts: Hosts, suite: Suite, backend: HostBackend) => Promise<void>,
): Promise<void> {
  for (const suite of SUITES) {
    for (const backend of BACKENDS) {
      await t.step(`${suite}, ${backend}`, async () => {
        await using hosts = await Hosts.create();
        await check(hosts, suite, backend);
      });
    }
  }
}

Deno.test("what was written stands, is updated, and is removed without a trace", async (t) => {
  await forEachHost(t, async (hosts, suite, backend) => {
    for (const flags of FLAGS) {
      await hosts.write(suite, backend, ...flags);
      await hosts.assertStands(suite, backend, ...flags);
    }
    await hosts.cleanup(suite);
  });
});

Deno.test("many destinations stand in sub-chains that every suite reads", async (t) => {
  for (const suite of SUITES) {
    for (const backend of ["iptables-nft", "iptables-legacy"] as const) {
      await t.step(`${suite}, ${backend}`, async () => {
        await using hosts = await Hosts.create();
        await Promise.all(SUITES.map((it) => hosts.of(it).writeConfig(LONG_CONFIG)));
        await hosts.write(suite, backend, "--enable-ipv6");
        assertMatch(await hosts.rules(), /IP-MASQ-AGENT\/rest/);
        for (const reader of SUITES) await hosts.assertStands(reader, backend, "--enable-ipv6");
        const drift = `${backend} -t nat -I IP-MASQ-AGENT/2 -p tcp -j ACCEPT`;
        await hosts.of(suite).sh(drift);
        assertMatch(await hosts.write(suite, backend), /1 foreign rule in chain IP-MASQ-AGENT\/2/);
        await hosts.of(suite).writeConfig(CONFIG);
        await hosts.write(suite, backend, "--enable-ipv6");
        assertEquals((await hosts.rules()).match(/IP-MASQ-AGENT\/.*/g), null);
        await hosts.of(suite).writeConfig(LONG_CONFIG);
        await hosts.write(suite, backend, "--enable-ipv6");
        await hosts.cleanup(suite);
      });
    }
  }
});

Deno.test("drift is said and healed", async (t) => {
  await forEachHost(t, async (hosts, suite, backend) => {
    await hosts.write(suite, backend, ...FLAGS[1]!);
    const withoutHandles = async () =>
      (await hosts.rules()).replaceAll(/ # handle \d+/g, "").split("\n").sort();
    const good = await withoutHandles();
    for (const [script, said] of DRIFTS[backend]) {
      await hosts.of(suite).sh(script);
      const { code, stderr } = await hosts.of(suite).agent(
        "--once",
        "--skip_headers",
        `--backend=${backend}`,
        ...FLAGS[1]!,
      );
      assertEquals(code, 0, stderr);
      assert(said.test(stderr), `${script}: ${stderr}`);
      assertEquals(await withoutHandles(), good);
    }
    await hosts.assertEveryNftWorks();
    await hosts.assertStands(suite, backend, ...FLAGS[1]!);
  });
});

Deno.test("a daemon is quiet where nothing happens, and heals what does", async () => {
  const quiet = async (suite: Suite, backend: HostBackend) => {
    const name = `${suite}, ${backend}`;
    await using hosts = await Hosts.create();
    await hosts.of(suite).writeConfig(`${CONFIG}resyncInterval: 1s\n`);
    await using daemon = new Daemon(hosts.of(suite), `--backend=${backend}`, ...FLAGS[1]!);
    for (const family of ["IPv4", "IPv6"]) {
      await daemon.line(new RegExp(`${family}: installed`), { milliseconds: 30_000 });
    }
    // What it says once at its start, such as that legacy tells nobody of changes.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const [before, lines] = [await hosts.rules(), daemon.lines.length];
    await new Promise((resolve) => setTimeout(resolve, 5_500));
    assertEquals(daemon.lines.slice(lines), [], name);
    assertEquals(await hosts.rules(), before, name);
    const [script, said] = DRIFTS[backend][0]!;
    await hosts.of(suite).sh(script);
    await daemon.line(said, { milliseconds: 30_000 });
    daemon.kill("SIGTERM");
    assertEquals(await daemon.status(), 0, name);
  };
  // One suite's daemons at a time: each is a process of 50 MB.
  for (const suite of SUITES) await Promise.all(BACKENDS.map((backend) => quiet(suite, backend)));
});

Deno.test("a daemon hears of changes long before its next check, and leaves no nft behind", async (t) => {
  for (const suite of SUITES) {
    for (const backend of ["iptables-nft", "nftables"] as const) {
      await t.step(`${suite}, ${backend}`, async () => {
        await using hosts = await Hosts.create();
        const host = hosts.of(suite);
        await using daemon = new Daemon(host, `--backend=${backend}`, "-v=4", ...FLAGS[0]!);
        for (const family of ["IPv4", "IPv6"]) await daemon.line(new RegExp(`${family}: nothing to change`));
        await host.sh("nft flush ruleset");
        for (const family of ["IPv4", "IPv6"]) {
          await daemon.line(new RegExp(`${family}: repaired`), { milliseconds: 20_000 });
        }
        assertEquals((await nftProcesses(host)).length, 4);
        daemon.kill("SIGKILL");
        await daemon.status();
        for (const end = performance.now() + 20_000; (await nftProcesses(host)).length > 0;) {
          assert(performance.now() < end, "nft goes on");
        }
      });
    }
  }
});

Deno.test("auto chooses what the host has as iptables", async (t) => {
  for (const suite of SUITES) {
    await t.step(suite, async () => {
      await using hosts = await Hosts.create();
      const { code, stderr } = await hosts.of(suite).agent("--once", "--skip_headers", "--backend=auto");
      assertEquals(code, 0, stderr);
      assert(/iptables-nft: it is what iptables is here/.test(stderr), stderr);
    });
  }
});
