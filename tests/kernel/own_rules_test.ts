/** Entries of `rules` as the kernel has them, with every backend and in both families. */
import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { randomRules, VOCABULARY } from "../data/random_rules.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const BACKENDS = ["iptables-nft", "iptables-legacy", "nftables"] as const;

/** Rules that have every condition and every target. */
const RULES = `
rules:
- name: node
  from: node
  action: keep
- name: billing.a-b_c
  from: [10.244.8.0/24, 10.244.9.0/24, "fd00:8::/64"]
  to: [203.0.113.0/24, 0.0.0.0/0, "2001:db8::/32"]
  via: [eth0, eth1, wlan+]
  action: snat
  address: [198.51.100.7, "2001:db8:5::7"]
- protocols: [icmp, tcp]
  action: snat
  address: [198.51.100.8-198.51.100.9, "2001:db8:5::1-2001:db8:5::9"]
- from: node
  via: [eth+]
  protocols: [tcp, udp, sctp]
  ports: [80, 85-100, 81-84]
  action: masquerade
- protocols: [udp]
  ports: [53]
  action: keep
- to: [10.9.9.9/32]
  action: masquerade
`;

for (const backend of BACKENDS) {
  Deno.test(`rules are found to stand right after they were written (${backend})`, async (t) => {
    await using sandbox = await Sandbox.create();
    const once = async (...flags: string[]) => {
      const { code, stderr } = await sandbox.agent(
        "--once",
        `--backend=${backend}`,
        "--enable-ipv6",
        ...flags,
      );
      assertEquals(code, 0, stderr);
      return stderr;
    };
    const random = fc.sample(randomRules(VOCABULARY, 6), { numRuns: 10, seed: 7 }).map((rules) =>
      JSON.stringify({ rules })
    );
    const flags = [[], ["--to-ports=1024-29999,32768-65535,80"], ["--random-fully=false", "--to-ports=5-6"]];
    for (const [index, config] of [RULES, RULES, RULES, ...random].entries()) {
      await t.step(config, async () => {
        const options = flags[index % flags.length]!;
        await sandbox.writeConfig(config);
        await once(...options);
        const again = await once(...options);
        assertEquals(again.match(/the rules are up to date/g)?.length, 2, again);
      });
    }
    await t.step("also where there are no names of protocols", async () => {
      await sandbox.sh("echo -n >/etc/protocols");
      await sandbox.writeConfig(RULES);
      for (const options of flags) {
        await once(...options);
        const again = await once(...options);
        assertEquals(again.match(/the rules are up to date/g)?.length, 2, again);
      }
    });
  });
}

Deno.test("lists that multiply to too many rules are refused by iptables, which names nftables", async () => {
  await using sandbox = await Sandbox.create();
  const list = (start: string) => Array.from({ length: 65 }, (_, index) => `${start}.${index}/32`);
  await sandbox.writeConfig(
    JSON.stringify({ rules: [{ from: list("10.0.0"), to: list("11.0.0"), action: "keep" }] }),
  );
  const { code, stderr } = await sandbox.agent("--once", "--backend=iptables-nft");
  assertEquals(code, 1);
  assertMatch(stderr, /4225 rules, more than 4096.*--backend=nftables/);
  const nftables = await sandbox.agent("--once", "--backend=nftables");
  assertEquals(nftables.code, 0, nftables.stderr);
});
