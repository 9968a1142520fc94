import { assertEquals, assertRejects } from "@std/assert";
import { CommandNotFoundError } from "../../../lib/ports.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { BackendError } from "../../../lib/backends/backend.ts";
import { findForeignRules, formatForeignRule } from "../../../lib/backends/iptables/foreign_rules.ts";
import { findOurChains } from "../../../lib/backends/iptables/iptables_leftovers.ts";
import { parseNatTable, readNatTable, targetOf } from "../../../lib/backends/iptables/nat_table.ts";
import { FakeCommandRunner } from "../../fakes/command_runner.ts";

const OURS = parseChainName("IP-MASQ-AGENT");
const JUMP = "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom";
const LOCAL = '-m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE"';

/** A node as kube-proxy, a CNI and an administrator leave it. */
const NODE = `-P PREROUTING ACCEPT
-P POSTROUTING ACCEPT
-N CNI-POSTROUTING
-N IP-MASQ-AGENT
-N KUBE-POSTROUTING
-N LOOP
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -j LOOP
-A POSTROUTING -g CNI-POSTROUTING
-A POSTROUTING -m comment --comment "counts" -m addrtype --dst-type LOCAL
-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.7
-A POSTROUTING -m comment --comment "${JUMP} IP-MASQ-AGENT chain" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
-A CNI-POSTROUTING -d 10.0.0.0/8 -j RETURN
-A CNI-POSTROUTING -j MASQUERADE --random-fully
-A IP-MASQ-AGENT -d 10.0.0.0/8 ${LOCAL} -j RETURN
-A IP-MASQ-AGENT -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE
-A LOOP -j LOOP
`;

Deno.test("parseNatTable() gives every chain with its rules in order", () => {
  const table = parseNatTable(NODE);
  assertEquals([...table.keys()].sort(), [
    "CNI-POSTROUTING",
    "IP-MASQ-AGENT",
    "KUBE-POSTROUTING",
    "LOOP",
    "POSTROUTING",
    "PREROUTING",
  ]);
  assertEquals(table.get("PREROUTING"), []);
  assertEquals(table.get("POSTROUTING")?.map(targetOf), [
    "KUBE-POSTROUTING",
    "MASQUERADE",
    "LOOP",
    "CNI-POSTROUTING",
    undefined,
    "SNAT",
    "IP-MASQ-AGENT",
    "MASQUERADE",
  ]);
  assertEquals(table.get("KUBE-POSTROUTING")?.map(({ number }) => number), [1, 2, 3]);
});

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

Deno.test("findOurChains() knows our chains by name, by the jump's comment and by the rules' comments", async (t) => {
  const cases: Record<string, [table: string, ...chains: string[]]> = {
    "a node": [NODE, "IP-MASQ-AGENT"],
    "nothing": ["-P POSTROUTING ACCEPT\n"],
    "an empty chain of the name": ["-N IP-MASQ-AGENT\n", "IP-MASQ-AGENT"],
    "a jump of another agent's life": [
      `-N OLD\n-A POSTROUTING -m comment --comment "${JUMP} OLD chain" -j OLD\n`,
      "OLD",
    ],
    "a comment in quotes of its own": [
      `-N OLD\n-A POSTROUTING -m comment --comment "\\"${JUMP} OLD chain\\"" -m addrtype ! --dst-type LOCAL -j OLD\n`,
      "OLD",
    ],
    "a chain that nothing leads to": [`-N OLD\n-A OLD -d 10.0.0.0/8 ${LOCAL} -j RETURN\n`, "OLD"],
    "a chain with one rule of ours among others": [
      `-N MINE\n-A MINE -j ACCEPT\n-A MINE ${LOCAL} -j RETURN\n`,
    ],
    "an empty chain of another name": ["-N MINE\n"],
    "a comment that only mentions us": [
      '-N MINE\n-A MINE -m comment --comment "not ip-masq-agent: x" -j RETURN\n',
    ],
    "POSTROUTING with nothing but a rule of ours": [`-A POSTROUTING -d 10.0.0.0/8 ${LOCAL} -j RETURN\n`],
  };
  for (const [name, [text, ...chains]] of Object.entries(cases)) {
    await t.step(name, () => assertEquals(findOurChains(parseNatTable(text), OURS), chains as typeof OURS[]));
  }
});

Deno.test("readNatTable() reads with one command that changes nothing", async () => {
  const runner = new FakeCommandRunner(() => ({ stdout: NODE }));
  const table = await readNatTable("IPv6", runner, "iptables-legacy");
  assertEquals(table?.size, 6);
  assertEquals(runner.commands, [
    { name: "ip6tables-legacy-restore", args: ["--noflush", "-w", "5"], input: "*nat\n-S\nCOMMIT\n" },
  ]);
});

Deno.test("readNatTable() tells a table that is not there from one that can't be read", async () => {
  const missing = new CommandNotFoundError("nft", ["/usr/sbin"]);
  const absent = { code: 3, stderr: "iptables-restore: can't initialize table `nat': Table does not exist" };
  for (const reply of [missing, absent]) {
    assertEquals(await readNatTable("IPv4", new FakeCommandRunner(() => reply)), undefined);
  }
  const denied = { code: 4, stderr: "iptables-restore: Permission denied (you must be root)" };
  for (const reply of [denied, new Error("out of memory"), { stdout: "" }]) {
    await assertRejects(() => readNatTable("IPv4", new FakeCommandRunner(() => reply)), BackendError);
  }
});
