/** Hosts on which another program wrote with nft what iptables or an older nft can't read. */
import { assertEquals, assertMatch } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { type Suite, SUITES } from "../sandbox/host.ts";
import { CONFIG, FLAGS, Hosts, LONG_CONFIG } from "./hosts.ts";

/** A nat table that nft made, with what stands in its chain of source addresses; F is the family, A an address. */
const natTable = (priority: number, rule: string) => `
table F nat {
  set mine { typeof F daddr; elements = { A }; }
  chain PREROUTING {
    type nat hook prerouting priority dstnat; policy accept;
    F daddr @mine fib daddr type local redirect
  }
  chain POSTROUTING {
    type nat hook postrouting priority ${priority}; policy accept;
    ${rule}
  }
}
`;

/** Nat tables of nft, and the backend that auto takes beside them. */
const NAT_TABLES: readonly [name: string, text: string, backend: string, why: RegExp][] = [
  [
    "native expressions in POSTROUTING",
    natTable(100, "F daddr @mine fib daddr type local ct mark 7 masquerade"),
    "nftables",
    /chain `POSTROUTING' in table `nat' is incompatible/,
  ],
  ["another priority", natTable(110, ""), "nftables", /(?:chain|Table) `.*' (?:is|contains) incompatible/],
  ["native expressions elsewhere", natTable(100, ""), "iptables-nft", /what iptables is here/],
];

/** For both families. */
function forFamilies(text: string): string {
  return text.replaceAll("F ", "ip ").replace("A ", "10.1.1.1 ") +
    text.replaceAll("F ", "ip6 ").replace("A ", "fd00::1 ");
}

async function makeTables(hosts: Hosts, suite: Suite, text: string): Promise<void> {
  const { code, stderr } = await hosts.of(suite).run("nft", ["-f", "-"], { input: text });
  assertEquals(code, 0, stderr);
}

for (const [name, text, backend, why] of NAT_TABLES) {
  Deno.test(`a nat table of nft's, ${name}: auto says what it takes, and every command works`, async (t) => {
    for (const suite of SUITES) {
      await t.step(suite, async () => {
        await using hosts = await Hosts.create();
        const host = hosts.of(suite);
        await makeTables(hosts, suite, forFamilies(text));
        const before = await hosts.rules();
        const agent = async (...args: string[]) => {
          const { code, stdout, stderr } = await host.agent(...args);
          assertEquals(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
          return stderr;
        };
        const once = ["--once", "--skip_headers", ...FLAGS[1]!];
        const installed = await agent(...once);
        assertMatch(installed, new RegExp(`^Backend ${backend}: .*${why.source}`, "m"));
        assertEquals(installed.match(/^IPv[46]: installed/gm)?.length, 2, installed);
        assertEquals((await agent(...once)).match(/up to date/g)?.length, 2);
        await agent("diff", ...FLAGS[1]!);
        await agent("--dry-run", ...FLAGS[1]!);
        await agent("explain", "10.1.1.1", "2001:db8::1", "--enable-ipv6");
        await hosts.assertEveryNftWorks();

        await using daemon = new Daemon(host, ...FLAGS[1]!);
        await daemon.line(/IPv6: the rules are up to date/, { milliseconds: 30_000 });
        await host.sh(
          backend === "nftables"
            ? "nft delete table ip ip-masq-agent"
            : "iptables-nft -t nat -F POSTROUTING; iptables-nft -t nat -F IP-MASQ-AGENT; iptables-nft -t nat -X IP-MASQ-AGENT",
        );
        daemon.kill("SIGHUP");
        await daemon.line(/IPv4: (?:installed|repaired drift)/, { milliseconds: 30_000 });
        daemon.kill("SIGTERM");
        assertEquals(await daemon.status(), 0);

        await agent("cleanup");
        assertEquals(await hosts.rules(), before);
      });
    }
  });
}

Deno.test("rules of ours in a chain that iptables can read no longer are replaced, and removed through nft", async (t) => {
  const cases = [...SUITES.map((suite) => [suite, CONFIG] as const), ["bullseye", LONG_CONFIG] as const];
  for (const [suite, config] of cases) {
    await t.step(`${suite}, ${config.length} bytes of config`, async () => {
      await using hosts = await Hosts.create();
      const host = hosts.of(suite);
      await host.writeConfig(config);
      await hosts.write(suite, "iptables-nft", ...FLAGS[0]!);
      for (const family of ["ip", "ip6"]) {
        await host.sh(`nft insert rule ${family} nat POSTROUTING fib daddr type local ct mark 7 masquerade`);
      }
      const { code, stderr } = await host.agent("--once", "--skip_headers", ...FLAGS[0]!);
      assertEquals(
        [code, stderr.match(/^IPv[46]: removed stale rules of iptables-nft/gm)?.length],
        [0, 2],
        stderr,
      );
      assertEquals((await hosts.rules()).includes("IP-MASQ-AGENT"), false);
      const { code: differs } = await host.agent("diff", ...FLAGS[0]!);
      assertEquals(differs, 0);
      assertEquals((await host.agent("cleanup")).code, 0);
      assertEquals(/ip-masq/i.test(await hosts.rules()), false);
    });
  }
});

/** What kube-proxy, Calico and others write: with nft 1.1.2 or later, older ones end with SIGSEGV at it. */
const TYPE_SET = "table ip others { set s { type ipv4_addr; elements = { 10.1.1.1 }; }; }\n";

Deno.test("where a newer nft of others makes an older one crash, that is said in words, and auto takes iptables-nft", async (t) => {
  for (const writer of ["trixie", "sid"] as const) {
    for (const reader of ["bullseye", "bookworm"] as const) {
      await t.step(`${writer} and ${reader}`, async () => {
        await using hosts = await Hosts.create();
        await makeTables(hosts, writer, TYPE_SET);
        const old = hosts.of(reader);
        assertEquals((await old.run("nft", ["list", "tables"])).code, 139);

        const named = await old.agent("--once", "--skip_headers", "--backend=nftables");
        assertEquals(named.code, 1);
        assertMatch(
          named.stderr,
          /nft \d[.\d]+ cannot (?:read|write) the rules: it crashed \(exit code 139\).*--backend=iptables-nft/,
        );
        const auto = await old.agent("--once", "--skip_headers");
        assertEquals(auto.code, 0, auto.stderr);
        assertMatch(auto.stderr, /^Backend iptables-nft: /m);
        for (const args of [["diff"], ["--dry-run"]]) {
          const { code, stdout, stderr } = await old.agent(...args);
          assertEquals(code, 0, stdout + stderr);
        }
        // 0.9.8 can't say whether there is a table of ours, and 1.0.6 can.
        const cleanup = await old.agent("cleanup");
        assertMatch(cleanup.stdout, /^iptables-nft IPv4: removed chain/m);
        assertEquals(cleanup.code, reader === "bullseye" ? 1 : 0, cleanup.stderr);
      });
    }
  }
  await t.step("and where iptables-nft can't work either, it takes legacy and says both", async () => {
    await using hosts = await Hosts.create();
    await makeTables(hosts, "sid", TYPE_SET + forFamilies(NAT_TABLES[0]![1]));
    const { code, stderr } = await hosts.of("bookworm").agent("--once", "--skip_headers");
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /^Backend iptables-legacy: iptables-nft cannot work: chain `POSTROUTING'/m);
  });
});

Deno.test("no nft crashes at our tables, and what an older one wrote with type a newer one reads", async (t) => {
  for (const suite of SUITES) {
    await t.step(suite, async () => {
      await using hosts = await Hosts.create();
      // It lists with every nft.
      await hosts.write(suite, "nftables", ...FLAGS[0]!);
      if (suite === "trixie" || suite === "sid") return;
      await makeTables(hosts, suite, TYPE_SET);
      await hosts.assertEveryNftWorks();
      await hosts.assertStands("sid", "nftables", ...FLAGS[0]!);
    });
  }
});
