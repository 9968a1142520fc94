import { assertEquals } from "@std/assert";
import { parseNatTable } from "../../lib/backends/iptables/nat_table.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { findForeignRules, formatForeignRule } from "../../lib/host/foreign_rules.ts";
import { NODE } from "../fakes/node_table.ts";

const OURS = parseChainName("IP-MASQ-AGENT");

Deno.test("findForeignRules() finds what rewrites sources before our jump, directly or in a chain", () => {
  assertEquals(findForeignRules(parseNatTable(NODE), OURS).map(formatForeignRule), [
    "POSTROUTING rule 1 leads to KUBE-POSTROUTING, and KUBE-POSTROUTING rule 3 masquerades before our chain is " +
    'reached (only packets that other rules mark): -A KUBE-POSTROUTING -m comment --comment "kubernetes service ' +
    'traffic requiring SNAT" -j MASQUERADE',
    "POSTROUTING rule 2 masquerades before our chain is reached: " +
    "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    "POSTROUTING rule 4 leads to CNI-POSTROUTING, and CNI-POSTROUTING rule 2 masquerades before our chain is " +
    "reached: -A CNI-POSTROUTING -j MASQUERADE --random-fully",
    "POSTROUTING rule 6 rewrites source addresses before our chain is reached: " +
    "-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.7",
  ]);
});

Deno.test("findForeignRules() looks at all rules where there is no jump yet, and finds a second agent's chain", () => {
  const numbers = (chain: string) =>
    findForeignRules(parseNatTable(NODE), parseChainName(chain)).map(({ rule }) => rule.number);
  assertEquals(numbers("OTHER"), [1, 2, 4, 6, 7, 8]);
  assertEquals(findForeignRules(parseNatTable("-P POSTROUTING ACCEPT\n"), OURS), []);
});

Deno.test("findForeignRules() tells rules for marked packets only from those for all", async (t) => {
  const cases: [name: string, listing: string, onlyMarked: boolean[]][] = [
    ["no mark", "-A POSTROUTING -j MASQUERADE\n", [false]],
    ["the rule itself", "-A POSTROUTING -m mark --mark 0x1 -j MASQUERADE\n", [true]],
    ["the rule that leads to it", "-A POSTROUTING -m mark --mark 0x1 -j A\n-A A -j MASQUERADE\n", [true]],
    ["the rule that it leads to", "-A POSTROUTING -j A\n-A A -m mark --mark 0x1 -j MASQUERADE\n", [true]],
    [
      "all others return before",
      "-A POSTROUTING -j A\n-A A -m mark ! --mark 0x1 -j RETURN\n-A A -j MASQUERADE\n",
      [true],
    ],
    [
      "those that are marked return before",
      "-A POSTROUTING -j A\n-A A -m mark --mark 0x1 -j RETURN\n-A A -j MASQUERADE\n",
      [false],
    ],
    [
      "others return behind",
      "-A POSTROUTING -j A\n-A A -j MASQUERADE\n-A A -m mark ! --mark 0x1 -j RETURN\n",
      [false],
    ],
    [
      "others are only counted before",
      "-A POSTROUTING -j A\n-A A -m mark ! --mark 0x1 -j ACCEPT\n-A A ! -s 10.0.0.0/8 -j RETURN\n-A A -j SNAT\n",
      [false],
    ],
    [
      "others return from POSTROUTING, which ends nothing for us",
      "-A POSTROUTING -m mark ! --mark 0x1 -j RETURN\n-A POSTROUTING -j MASQUERADE\n",
      [false],
    ],
    [
      "two chains deep",
      "-A POSTROUTING -j A\n-A A -j B\n-A A -j NETMAP\n-A B -m mark --mark 0x1 -j SNAT\n",
      [true],
    ],
    ["a chain that is not there", "-A POSTROUTING -j A\n", []],
  ];
  for (const [name, listing, onlyMarked] of cases) {
    await t.step(name, () => {
      const found = findForeignRules(parseNatTable(`-P POSTROUTING ACCEPT\n${listing}`), OURS);
      assertEquals(found.map((it) => it.onlyMarked), onlyMarked);
    });
  }
});
