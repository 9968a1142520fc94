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
