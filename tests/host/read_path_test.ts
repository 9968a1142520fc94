import { assertEquals } from "@std/assert";
import type { BackendName } from "../../lib/backends/backend_name.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { formatOtherRule, readOtherRules } from "../../lib/host/other_rules.ts";
import { CommandNotFoundError } from "../../lib/ports.ts";
import { FakeCommandRunner, type Reply } from "../fakes/command_runner.ts";

const JUMP = "-A POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT\n";

const hook = (family: string, table: string, name: string, prio: number) => ({
  chain: { family, table, name, type: "nat", hook: "postrouting", prio, policy: "accept" },
});
const rule = (chain: string, ...expr: unknown[]) => ({ rule: { chain, expr } });
const MASQUERADE = { masquerade: null };
const goto = (target: string) => ({ goto: { target } });

/** What the commands of a host print, by how they begin; other programs are not installed. */
async function read(
  replies: Readonly<Record<string, Reply | readonly unknown[]>>,
  backend: BackendName = "iptables-nft",
): Promise<{ rules: string[]; unread: string[]; commands: string[] }> {
  const runner = new FakeCommandRunner(({ name, args, input = "" }) => {
    const command = [name, ...name === "nft" ? args : input.match(/-S .*/g) ?? args].join(" ");
    const [, reply] = Object.entries(replies).find(([start]) => command.startsWith(start)) ?? [];
    if (reply === undefined) return new CommandNotFoundError(name, ["/usr/sbin"]);
    return Array.isArray(reply) ? { stdout: JSON.stringify({ nftables: reply }) } : reply as Reply;
  });
  const unread: string[] = [];
  const rules = await readOtherRules({
    runner,
    family: "IPv4",
    backend,
    chainName: parseChainName("IP-MASQ-AGENT"),
    onUnread: (message) => void unread.push(message),
  });
  return {
    rules: rules.map(formatOtherRule),
    unread,
    commands: runner.commands.map(({ name, args, input }) =>
      [name, ...name === "nft" ? args : input?.match(/-S .*/g) ?? args].join(" ")
    ),
  };
}

const CHAINS = "nft -j -t list chains";
const NAT = hook("ip", "nat", "POSTROUTING", 100);

Deno.test("readPath() reads native tables whole, and those of the other family not at all", async () => {
  const { rules, unread, commands } = await read({
    [CHAINS]: [NAT, hook("inet", "firewalld", "post", 110), hook("ip6", "other", "post", 100), {
      chain: { name: "x" },
    }],
    "nft -j -t list table inet firewalld": [
      rule("zone", { match: { op: "!=", left: { meta: { key: "oifname" } }, right: "lo" } }, MASQUERADE),
      rule("post", { counter: { packets: 1 } }, goto("zone")),
    ],
    "iptables-nft-restore -S POSTROUTING": { stdout: `-P POSTROUTING ACCEPT\n${JUMP}` },
  });
  assertEquals(rules, [
    "inet firewalld: post rule 1 leads to zone, whose rule 1 masquerades what our rules keep: goto zone; " +
    "oifname != lo masquerade",
  ]);
  assertEquals(unread, []);
  assertEquals(commands, [
    CHAINS,
    "iptables-nft-restore -S POSTROUTING",
    "nft -j -t list table inet firewalld",
  ]);
});

Deno.test("readPath() reads a table of many chains only as far as postrouting leads", async () => {
  const services = Array.from(
    { length: 300 },
    (_, at) => ({ chain: { family: "ip", table: "kube-proxy", name: `svc-${at}` } }),
  );
  const { rules, commands } = await read({
    [CHAINS]: [
      hook("ip", "ip-masq-agent", "postrouting", 100),
      hook("ip", "kube-proxy", "nat-postrouting", 100),
      ...services,
    ],
    "nft -j -t list chain ip kube-proxy nat-postrouting": [
      rule("nat-postrouting", { jump: { target: "masquerading" } }),
    ],
    "nft -j -t list chain ip kube-proxy masquerading": [rule("masquerading", MASQUERADE)],
  }, "nftables");
  // The table that was hooked in last is asked first, as far as can be told.
  assertEquals(rules, [
    "ip kube-proxy: nat-postrouting rule 1 leads to masquerading, whose rule 1 masquerades before our rules are asked " +
    "(its priority is that of ours: which is asked first can't be read): jump masquerading; masquerade",
  ]);
  assertEquals(commands, [
    CHAINS,
    "iptables-legacy-save",
    "nft -j -t list chain ip kube-proxy nat-postrouting",
    "nft -j -t list chain ip kube-proxy masquerading",
  ]);
});

Deno.test("readPath() reads legacy's table where iptables-nft says that there is one", async () => {
  const saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n";
  for (const stderr of ["", "# Warning: iptables-legacy tables present, use iptables-legacy to see them\n"]) {
    const { rules } = await read({
      [CHAINS]: [NAT],
      "iptables-nft-restore": { stdout: `-P POSTROUTING ACCEPT\n${JUMP}`, stderr },
      "iptables-legacy-save": { stdout: saved },
    });
    assertEquals(
      rules,
      stderr === "" ? [] : [
        "nat (iptables-legacy): POSTROUTING rule 1 masquerades what our rules keep (its priority is that of ours: " +
        "which is asked first can't be read): -A POSTROUTING -j MASQUERADE",
      ],
    );
  }
});

Deno.test("readPath() leaves to nft what iptables-nft can't read, and tells what nobody can", async (t) => {
  const table = [
    rule("POSTROUTING", { xt: { type: "match", name: "comment" } }, {
      xt: { type: "target", name: "MASQUERADE" },
    }),
  ];
  const rules = [
    "ip nat: POSTROUTING rule 1 masquerades before our rules are asked: xt match comment xt target MASQUERADE",
  ];
  const cases: [name: string, reply: Reply][] = [
    ["an error", { code: 1, stderr: "chain `POSTROUTING' in table `nat' is incompatible, use 'nft' tool." }],
    ["an empty list", { stdout: "# Table `nat' contains incompatible base-chains\n-P POSTROUTING ACCEPT\n" }],
  ];
  for (const [name, reply] of cases) {
    await t.step(name, async () => {
      const read1 = await read({
        [CHAINS]: [NAT],
        "nft -j -t list table ip nat": table,
        "iptables-nft-restore": reply,
      });
      assertEquals([read1.rules, read1.unread], [rules, []]);
      const blind = await read({ "iptables-nft-restore": reply });
      assertEquals([blind.rules, blind.unread.length], [[], 1]);
      const broken = await read({
        [CHAINS]: [NAT],
        "nft -j -t list table ip nat": { code: 139 },
        "iptables-nft-restore": reply,
      });
      assertEquals([broken.rules, broken.unread], [[], [
        "nft cannot list table ip nat: it crashed (exit code 139)",
      ]]);
    });
  }
});
