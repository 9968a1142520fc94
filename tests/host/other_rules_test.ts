import { assertEquals } from "@std/assert";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { formatOtherRule, type OtherRule, readOtherRules } from "../../lib/host/other_rules.ts";
import { type Command, CommandNotFoundError } from "../../lib/ports.ts";
import { FakeCommandRunner } from "../fakes/command_runner.ts";
import { NODE } from "../fakes/node_table.ts";

/** A host without nft, whose iptables-nft has this table. */
async function read(
  listing: string,
  chainName = "IP-MASQ-AGENT",
): Promise<{ rules: readonly OtherRule[]; commands: readonly Command[] }> {
  const runner = new FakeCommandRunner(({ name, input = "" }) => {
    if (name !== "iptables-nft-restore") return new CommandNotFoundError(name, ["/usr/sbin"]);
    const names = [...input.matchAll(/^-S (.*)$/gm)].map(([, name]) => name);
    const lines = listing.split("\n").filter((line) => names.includes(line.split(" ")[1]));
    return { stdout: `${lines.join("\n")}\n` };
  });
  const rules = await readOtherRules({
    runner,
    family: "IPv4",
    backend: "iptables-nft",
    chainName: parseChainName(chainName),
  });
  return { rules, commands: runner.commands };
}

Deno.test("readOtherRules() finds what rewrites sources before and behind our jump, directly or in a chain", async () => {
  const { rules, commands } = await read(NODE.replace("-g CNI-POSTROUTING", "-j CNI-POSTROUTING"));
  assertEquals(rules.map(formatOtherRule), [
    "nat (iptables-nft): POSTROUTING rule 1 leads to KUBE-POSTROUTING, whose rule 3 masquerades before our rules " +
    'are asked (only packets that other rules mark): -A POSTROUTING -m comment --comment "kubernetes postrouting ' +
    'rules" -j KUBE-POSTROUTING; -A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring ' +
    'SNAT" -j MASQUERADE',
    "nat (iptables-nft): POSTROUTING rule 2 masquerades before our rules are asked: " +
    "-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
    "nat (iptables-nft): POSTROUTING rule 4 leads to CNI-POSTROUTING, whose rule 2 masquerades before our rules are " +
    "asked: -A POSTROUTING -j CNI-POSTROUTING; -A CNI-POSTROUTING -j MASQUERADE --random-fully",
    "nat (iptables-nft): POSTROUTING rule 6 rewrites source addresses before our rules are asked: " +
    "-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.7",
    "nat (iptables-nft): POSTROUTING rule 8 masquerades what our rules keep: " +
    "-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE",
  ]);
  assertEquals(rules.map(({ isUsual }) => isUsual), [true, false, false, false, false]);
  // nft, POSTROUTING, the chains behind it, and iptables-legacy, which iptables-nft said nothing of.
  assertEquals(commands.map(({ name }) => name), ["nft", "iptables-nft-restore", "iptables-nft-restore"]);
});

Deno.test("readOtherRules() finds a second agent's chain, and all rules before where ours are not there", async () => {
  const { rules } = await read(NODE.replace("-g", "-j"), "OTHER");
  assertEquals(rules.map(({ from, position }) => `${from.number} ${position}`), [
    "1 before",
    "2 before",
    "4 before",
    "6 before",
    "7 before",
    "8 before",
  ]);
  assertEquals((await read("-P POSTROUTING ACCEPT\n")).rules, []);
});

Deno.test("readOtherRules() says that a goto, ACCEPT or RETURN ends POSTROUTING before our rules are asked", async () => {
  const cases: [listing: string, texts: string[]][] = [
    [NODE.replace(/.*172.17.*\n/, ""), [
      "POSTROUTING rule 1 leads to KUBE-POSTROUTING, whose rule 3 masquerades before our rules are asked",
      "POSTROUTING rule 3 leads to CNI-POSTROUTING, whose rule 2 masquerades before our rules are asked",
      "POSTROUTING rule 3 ends POSTROUTING before our rules are asked",
    ]],
    [
      "-A POSTROUTING -d 10.0.0.0/8 -j ACCEPT\n-A POSTROUTING -s 10.1.0.0/16 -j RETURN\n-A POSTROUTING -j IP-MASQ-AGENT\n",
      [
        "POSTROUTING rule 1 ends POSTROUTING before our rules are asked",
        "POSTROUTING rule 2 ends POSTROUTING before our rules are asked",
      ],
    ],
    ["-A POSTROUTING -j A\n-A A -d 10.0.0.0/8 -j RETURN\n-A A -j ACCEPT\n-A POSTROUTING -j IP-MASQ-AGENT\n", [
      "POSTROUTING rule 1 leads to A, whose rule 2 ends POSTROUTING before our rules are asked",
    ]],
    // Behind our rules, or where they are not, it changes nothing for us.
    ["-A POSTROUTING -j IP-MASQ-AGENT\n-A POSTROUTING -j ACCEPT\n", []],
    ["-A POSTROUTING -j ACCEPT\n", []],
  ];
  for (const [listing, texts] of cases) {
    const { rules } = await read(`-P POSTROUTING ACCEPT\n${listing}`);
    assertEquals(
      rules.map((it) =>
        formatOtherRule(it).replace(/^nat \(iptables-nft\): | \(only packets.*?\)|: -A .*/g, "")
      ),
      texts,
    );
  }
});

Deno.test("readOtherRules() tells rules for marked packets only from those for all", async (t) => {
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
      "others leave POSTROUTING before",
      "-A POSTROUTING -j A\n-A A -m mark ! --mark 0x1 -j ACCEPT\n-A A ! -s 10.0.0.0/8 -j RETURN\n-A A -j SNAT\n",
      [true],
    ],
    [
      "two chains deep",
      "-A POSTROUTING -j A\n-A A -j B\n-A A -j NETMAP --to 10.0.0.0/8\n-A B -m mark --mark 0x1 -j SNAT --to-source 1.2.3.4\n",
      [true, false],
    ],
    ["a chain that is not there", "-A POSTROUTING -j A\n", []],
  ];
  for (const [name, listing, onlyMarked] of cases) {
    await t.step(name, async () => {
      const { rules } = await read(`-P POSTROUTING ACCEPT\n${listing}`);
      assertEquals(rules.map((it) => it.onlyMarked), onlyMarked);
    });
  }
});
