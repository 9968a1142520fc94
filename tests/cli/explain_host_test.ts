/** `explain` on a host whose kernel has rules of ours, and of others. */
import { assertEquals } from "@std/assert";
import { CommandNotFoundError } from "../../lib/ports.ts";
import type { Machine } from "../fakes/system.ts";
import { runOn } from "../fakes/system.ts";

const CONFIG = JSON.stringify({
  nonMasqueradeCIDRs: ["10.0.0.0/8"],
  rules: [{ name: "billing", from: ["10.244.8.0/24"], to: ["203.0.113.0/24"], action: "keep" }],
});

const JUMP = "-A POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT";

/** A host with iptables-nft alone, whose nat table has these chains. */
function host(listing: string): Machine {
  return {
    files: { "-": CONFIG },
    reply: ({ name, args, input = "" }) => {
      if (args.includes("chains")) {
        const chain = {
          family: "ip",
          table: "nat",
          name: "POSTROUTING",
          type: "nat",
          hook: "postrouting",
          prio: 100,
        };
        return { stdout: JSON.stringify({ nftables: [{ chain }] }) };
      }
      if (name !== "iptables-nft-restore") return new CommandNotFoundError(name, ["/usr/sbin"]);
      const names = [...input.matchAll(/^-S (.*)$/gm)].map(([, name]) => name);
      const lines = listing.split("\n").filter((line) => names.includes(line.split(" ")[1]));
      const policy = names.includes("POSTROUTING") ? "-P POSTROUTING ACCEPT\n" : "";
      return { stdout: `${policy}${lines.join("\n")}\n` };
    },
  };
}

async function explain(listing: string, ...args: string[]): Promise<string[]> {
  const flags = ["--config-path=-", "--backend=iptables-nft", ...args];
  const { code, out, error } = await runOn(host(listing), "explain", ...flags);
  assertEquals([code, error], [0, ""]);
  return out.trimEnd().split("\n").map((line) => line.trim());
}

const RULE_3 = "rule 3: 10.0.0.0/8, <stdin>:1:24 nonMasqueradeCIDRs[0]";

Deno.test("explain on a host gives the verdict of the whole path", async (t) => {
  const cases: [name: string, listing: string, args: string[], lines: string[]][] = [
    ["nothing but ours", JUMP, ["10.1.2.3"], ["10.1.2.3: not masqueraded", RULE_3]],
    ["a rule behind", `${JUMP}\n-A POSTROUTING -j MASQUERADE`, ["10.1.2.3"], [
      "10.1.2.3: kept by rule 3, but then masqueraded by POSTROUTING rule 2 of nat (iptables-nft)",
      RULE_3,
      "POSTROUTING rule 2 of nat (iptables-nft): -A POSTROUTING -j MASQUERADE",
    ]],
    ["a rule behind that is not for it", `${JUMP}\n-A POSTROUTING ! -d 10.0.0.0/8 -j MASQUERADE`, [
      "10.1.2.3",
    ], [
      "10.1.2.3: not masqueraded",
      RULE_3,
    ]],
    ["a rule before", `-A POSTROUTING -d 10.1.0.0/16 -j SNAT --to-source 192.0.2.7:1024-2048\n${JUMP}`, [
      "10.1.2.3",
    ], [
      "10.1.2.3: made to leave as 192.0.2.7 by POSTROUTING rule 1 of nat (iptables-nft), before our rules are asked",
      RULE_3,
      "POSTROUTING rule 1 of nat (iptables-nft): -A POSTROUTING -d 10.1.0.0/16 -j SNAT --to-source 192.0.2.7:1024-2048",
    ]],
    ["ACCEPT before", `-A POSTROUTING -j A\n-A A -p tcp -j ACCEPT\n${JUMP}`, ["--protocol=tcp", "8.8.8.8"], [
      "8.8.8.8: not masqueraded, for our rules are not asked behind A rule 1 of nat (iptables-nft) (to which " +
      "POSTROUTING rule 1 leads)",
      "rule 4: all other destinations, default of masqOutBound",
      "A rule 1 of nat (iptables-nft) (to which POSTROUTING rule 1 leads): -A A -p tcp -j ACCEPT",
    ]],
    ["what is not known of the packet", `-A POSTROUTING -s 10.9.0.0/16 -o eth1 -j MASQUERADE\n${JUMP}`, [
      "10.1.2.3",
    ], [
      "10.1.2.3: not masqueraded, unless a rule of others is for it",
      RULE_3,
      "masqueraded by POSTROUTING rule 1 of nat (iptables-nft) where -s 10.9.0.0/16 -o eth1: " +
      "-A POSTROUTING -s 10.9.0.0/16 -o eth1 -j MASQUERADE",
    ]],
    [
      "marked packets",
      `-A POSTROUTING -j KUBE-POSTROUTING\n-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n` +
      `-A KUBE-POSTROUTING -j MASQUERADE\n${JUMP}`,
      ["10.1.2.3"],
      [
        "10.1.2.3: not masqueraded",
        RULE_3,
        "masqueraded by KUBE-POSTROUTING rule 2 of nat (iptables-nft) (to which POSTROUTING rule 1 leads) where " +
        "--mark 0x4000/0x4000: -A KUBE-POSTROUTING -j MASQUERADE",
      ],
    ],
    [
      "our own exceptions",
      `${JUMP}\n-A POSTROUTING -d 203.0.113.9/32 -j MASQUERADE`,
      ["--source=10.244.8.1", "203.0.113.9"],
      [
        "203.0.113.9: kept by rule 1, but then masqueraded by POSTROUTING rule 2 of nat (iptables-nft)",
        "rule 1: from 10.244.8.0/24 to 203.0.113.0/24, <stdin>:1:48 rules[0]",
        "POSTROUTING rule 2 of nat (iptables-nft): -A POSTROUTING -d 203.0.113.9/32 -j MASQUERADE",
      ],
    ],
  ];
  for (const [name, listing, args, lines] of cases) {
    await t.step(name, async () => assertEquals(await explain(listing, ...args), lines));
  }
});

Deno.test("explain -o json on a host says who decides", async () => {
  const listing =
    `-A POSTROUTING -s 10.9.0.0/16 -j A\n-A A -j SNAT --to-source 192.0.2.7\n${JUMP}\n-A POSTROUTING -j MASQUERADE`;
  const { out } = await runOn(
    host(listing),
    "explain",
    "--config-path=-",
    "--backend=iptables-nft",
    "-o=json",
    "10.1.2.3",
    "127.0.0.1",
  );
  const [answer, local] = JSON.parse(out);
  assertEquals(answer.masqueraded, false);
  assertEquals(answer.host, {
    decidedBy: {
      table: "nat (iptables-nft)",
      chain: "POSTROUTING",
      number: 3,
      text: "-A POSTROUTING -j MASQUERADE",
      does: "masquerade",
    },
    mayDecide: [{
      table: "nat (iptables-nft)",
      chain: "A",
      number: 1,
      text: "-A A -j SNAT --to-source 192.0.2.7",
      from: { chain: "POSTROUTING", number: 1, text: "-A POSTROUTING -s 10.9.0.0/16 -j A" },
      does: "snat",
      leavesAs: "192.0.2.7",
      where: "-s 10.9.0.0/16",
    }],
  });
  assertEquals("host" in local, false);
});

Deno.test("explain says of what it is where the host can't be asked, and fails there with --host", async (t) => {
  const cases: [name: string, machine: Machine, note: string, message: string][] = [
    [
      "no rules of ours",
      host("-A POSTROUTING -j MASQUERADE"),
      "no rules of ours are in force here",
      "No rules of ours are in force here: start the agent, or name its --masq-chain",
    ],
    [
      "not root",
      { ...host(""), reply: () => ({ code: 1, stderr: "Operation not permitted (you must be root)\n" }) },
      "only root can read this host's rules",
      "IPv4: nft cannot list chains: Operation not permitted (you must be root)",
    ],
    [
      "a broken tool",
      { ...host(""), reply: () => ({ code: 1, stderr: "no\n" }) },
      "this host's rules can't be read",
      "IPv4: nft cannot list chains: no",
    ],
  ];
  for (const [name, machine, note, message] of cases) {
    await t.step(name, async () => {
      const args = ["explain", "--config-path=-", "--backend=iptables-nft", "10.1.2.3"];
      const quiet = await runOn(machine, ...args);
      assertEquals([quiet.code, quiet.error], [0, `note: of the config alone: ${note}\n`]);
      assertEquals(quiet.out, `10.1.2.3: not masqueraded\n  ${RULE_3}\n`);
      const loud = await runOn(machine, ...args, "--host");
      assertEquals([loud.code, loud.out, loud.error], [1, "", `ip-masq-agent: ${message}\n`]);
      const config = await runOn(machine, ...args, "--host=false");
      assertEquals([config.code, config.error, config.commands], [0, "", []]);
    });
  }
});
