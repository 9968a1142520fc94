import { assertEquals, assertRejects } from "@std/assert";
import { findOurChains } from "../../../lib/backends/iptables/listing.ts";
import { commentOf, natPartOf, parseNatTable, targetOf } from "../../../lib/backends/iptables/nat_table.ts";
import { readNatTable } from "../../../lib/backends/iptables/restore_command.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { CommandError, CommandNotFoundError } from "../../../lib/ports.ts";
import { FakeCommandRunner, type Reply } from "../../fakes/command_runner.ts";
import { JUMP, LOCAL, NODE } from "../../fakes/node_table.ts";

const OURS = parseChainName("IP-MASQ-AGENT");

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

Deno.test("targetOf() and commentOf() take no text of a rule for an option", () => {
  const cases: [line: string, target: string | undefined, comment: string][] = [
    ["-m comment --comment -j -j RETURN", "RETURN", "-j"],
    ["-m comment --comment --comment -g A", "A", "--comment"],
    ["-m comment --comment -g", undefined, "-g"],
    ["-m string --string --comment --algo bm -m comment --comment x -j A", "A", "x"],
    ["-j LOG --log-prefix -j", "LOG", ""],
    ["-m comment --comment", undefined, ""],
  ];
  for (const [line, target, comment] of cases) {
    const [rule] = parseNatTable(`-A POSTROUTING ${line}\n`).get("POSTROUTING")!;
    assertEquals([targetOf(rule!), commentOf(rule!)], [target, comment], line);
  }
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

Deno.test("natPartOf() takes the nat table out of what iptables-save printed", () => {
  const mangle = "# Generated\n*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n";
  const nat =
    '*nat\n:POSTROUTING ACCEPT [1:2]\n:OURS - [0:0]\n-A OURS -m comment --comment "a: b" -j RETURN\nCOMMIT\n';
  const listing = '-P POSTROUTING ACCEPT\n-N OURS\n-A OURS -m comment --comment "a: b" -j RETURN\n';
  assertEquals(natPartOf(mangle + nat + mangle), listing);
  assertEquals(natPartOf(nat), listing);
  assertEquals(natPartOf(mangle), undefined);
  assertEquals(natPartOf(""), undefined);
  assertEquals(natPartOf("*nat\nCOMMIT\n"), "");
});

const SAVED = "*nat\n:POSTROUTING ACCEPT [0:0]\n:OURS - [0:0]\nCOMMIT\n";

Deno.test("readNatTable() lists the tables that are there, and makes none", async () => {
  const runner = new FakeCommandRunner(() => ({ stdout: SAVED }));
  assertEquals((await readNatTable("IPv6", runner, "iptables-legacy"))?.size, 2);
  await readNatTable("IPv4", runner, "iptables-nft");
  assertEquals(runner.commands, [
    { name: "ip6tables-legacy-save", args: [] },
    { name: "iptables-nft-save", args: ["-t", "nat"] },
  ]);
});

Deno.test("readNatTable() tells a table that is not there from one that can't be read", async () => {
  const read = (reply: Reply) => readNatTable("IPv4", new FakeCommandRunner(() => reply), "iptables-nft");
  for (
    const absent of [
      { stdout: "" },
      { code: 3, stderr: "iptables-save: can't initialize table `nat': Table does not exist" },
    ]
  ) assertEquals(await read(absent), undefined);
  for (
    const unreadable of [
      { code: 4, stderr: "iptables-save: Permission denied (you must be root)" },
      { stdout: "# Table `nat' is incompatible, use 'nft' tool.\n" },
      { stdout: "*nat\n:POSTROUTING ACCEPT [0:0]\n" },
      new CommandError("out of memory"),
    ]
  ) await assertRejects(() => read(unreadable), CommandError);
  await assertRejects(() => read(new CommandNotFoundError("nft", [])), CommandNotFoundError);
});
