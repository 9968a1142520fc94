import { assertEquals } from "@std/assert";
import type { Backend } from "../../lib/backends/backend.ts";
import { IptablesBackend } from "../../lib/backends/iptables/iptables_backend.ts";
import { NftablesBackend } from "../../lib/backends/nftables/nftables_backend.ts";
import { EventReader } from "../../lib/backends/rule_events.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { FakeCommandRunner } from "../fakes/command_runner.ts";
import { configOf } from "../fakes/config.ts";

const RUNNER = new FakeCommandRunner(() => ({}));
const RUNNER_WITHOUT_TABLE = new FakeCommandRunner(() => ({
  code: 1,
  stderr: "Error: No such file or directory\n",
}));
const iptables = (family: Backend["family"], chain = "IP-MASQ-AGENT") =>
  new IptablesBackend(family, parseChainName(chain), RUNNER, "iptables-nft");

/** What nft prints of a transaction with these events. */
const transaction = (...lines: string[]) => `${lines.join("\n")}\n# new generation 5 by process 12 (nft)\n`;

function writers(backend: Backend, ...texts: string[]): string[] {
  const reader = new EventReader(backend.events!);
  return texts.flatMap((text) => reader.read(text));
}

Deno.test("EventReader finds what touches the rules of a backend", async (t) => {
  const cases: [name: string, backend: Backend, line: string, isOurs: boolean][] = [
    ["our chain", iptables("IPv4"), "delete rule ip nat IP-MASQ-AGENT handle 7", true],
    ["a rule in it", iptables("IPv4"), "insert rule ip nat IP-MASQ-AGENT ip saddr 1.2.3.4 accept", true],
    ["the jump", iptables("IPv4"), "delete rule ip nat POSTROUTING handle 7", true],
    ["the chain itself", iptables("IPv4"), "delete chain ip nat IP-MASQ-AGENT", true],
    ["a sub-chain", iptables("IPv4"), "delete rule ip nat IP-MASQ-AGENT/12 handle 7", true],
    ["the one behind them", iptables("IPv4"), "add rule ip nat IP-MASQ-AGENT/rest accept", true],
    ["its table", iptables("IPv4"), "delete table ip nat", true],
    [
      "a base chain that is made",
      iptables("IPv4"),
      "add chain ip nat POSTROUTING { type nat hook x; }",
      true,
    ],
    ["a chain with dots", iptables("IPv4", "my.chain"), "delete rule ip nat my.chain handle 7", true],
    ["one that is only like it", iptables("IPv4", "my.chain"), "delete rule ip nat my-chain handle 7", false],
    ["the other family", iptables("IPv6"), "delete rule ip nat POSTROUTING handle 7", false],
    ["its own family", iptables("IPv6"), "delete rule ip6 nat POSTROUTING handle 7", true],
    ["kube-proxy's chains", iptables("IPv4"), "add rule ip nat KUBE-POSTROUTING jump IP-MASQ-AGENT", false],
    ["a longer name", iptables("IPv4"), "delete rule ip nat IP-MASQ-AGENT-2 handle 7", false],
    ["another table", iptables("IPv4"), "delete table ip nat2", false],
    ["our nftables table", new NftablesBackend("IPv4", RUNNER), "delete table ip ip-masq-agent", true],
    [
      "an element of it",
      new NftablesBackend("IPv4", RUNNER),
      "delete element ip ip-masq-agent linkLocal { 169.254.0.0/16 }",
      true,
    ],
    [
      "its twin",
      new NftablesBackend("IPv4", RUNNER),
      "delete rule ip6 ip-masq-agent postrouting handle 1",
      false,
    ],
  ];
  for (const [name, backend, line, isOurs] of cases) {
    await t.step(name, () => {
      assertEquals(writers(backend, transaction(line)), isOurs ? ["12 (nft)"] : []);
    });
  }
});

Deno.test("EventReader counts transactions, however they are cut in pieces", () => {
  const other = transaction("add rule ip nat KUBE-SVC-1 accept");
  const ours = transaction(
    "delete rule ip nat POSTROUTING handle 7",
    "delete rule ip nat POSTROUTING handle 8",
  );
  const text = other + ours + other + ours;
  assertEquals(writers(iptables("IPv4"), text), ["12 (nft)", "12 (nft)"]);
  assertEquals(writers(iptables("IPv4"), ...text), ["12 (nft)", "12 (nft)"]);
  assertEquals(writers(iptables("IPv4"), ours.slice(0, -1)), [], "it may go on");
});

Deno.test("EventReader takes lost events for a change of ours", () => {
  assertEquals(writers(iptables("IPv4"), "# ERROR: We lost some netlink events!\n"), ["unknown"]);
});

Deno.test("nft is to know all sets of our table where these are small, and one where they are not", async (t) => {
  const cases: [cidrs: number, object: string][] = [
    [999, "chain ip ip-masq-agent postrouting"],
    [1_000, "set ip ip-masq-agent linkLocal"],
  ];
  for (const [cidrs, object] of cases) {
    await t.step(`${cidrs} CIDRs`, async () => {
      const list = Array.from(
        { length: cidrs },
        (_, index) => `20.${index >> 7}.${index % 128 * 2}.0/24`,
      );
      const config = configOf({ nonMasqueradeCIDRs: list, cidrLimit: cidrs });
      const backend = new NftablesBackend("IPv4", RUNNER_WITHOUT_TABLE);
      await backend.plan(buildRuleset("IPv4", config, { randomFully: true, toPorts: [] }));
      assertEquals(backend.events.script, `monitor; list ${object}`);
    });
  }
});

Deno.test("legacy has no events", () => {
  const backend = new IptablesBackend("IPv4", parseChainName("X"), RUNNER, "iptables-legacy");
  assertEquals(backend.events, undefined);
});
