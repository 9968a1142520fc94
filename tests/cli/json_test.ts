/** docs/json.md has every field that `-o json` prints. */
import { assertEquals } from "@std/assert";
import page from "../../docs/json.md" with { type: "text" };
import { runOn } from "../fakes/system.ts";

const RULES = JSON.stringify({
  nonMasqueradeCIDRs: ["10.0.0.0/8", "10.0.0.0/8"],
  nonMasqueradeSrcCIDRs: ["10.9.0.0/16"],
  masqOutBoundIPv6: false,
  rules: [
    { name: "billing", from: ["10.8.0.0/24", "10.9.0.0/24"], action: "snat", address: "198.51.100.7" },
    { from: "node", to: ["10.1.0.0/16"], via: ["eth0"], protocols: ["tcp"], ports: [80], action: "keep" },
  ],
});

/** Runs that together print every field, by command. */
const RUNS: Readonly<
  Record<
    string,
    readonly { readonly config: string; readonly args: readonly string[]; readonly stdout?: string }[]
  >
> = {
  validate: [{ config: RULES, args: ["-"] }, { config: "masqLinkLocal: maybe", args: ["-"] }],
  render: [{ config: RULES, args: ["--config-path=-", "--to-ports=1024-2047"] }],
  explain: [
    { config: RULES, args: ["--config-path=-", "--to-ports=1024-2047", "203.0.113.10", "127.0.0.1"] },
    { config: RULES, args: ["--config-path=-", "--enable-ipv6", "--source=node", "10.1.0.1", "2001:db8::1"] },
    { config: RULES, args: ["--config-path=-", "--source=10.8.0.9", "10.1.0.1"] },
  ],
  status: [
    {
      config: RULES,
      args: ["--config-path=-", "--backend=iptables-nft"],
      stdout: "-P POSTROUTING ACCEPT\n-N IP-MASQ-AGENT\n" +
        '-A IP-MASQ-AGENT -m comment --comment "ip-masq-agent: rule billing" -c 1 60 -j RETURN\n',
    },
  ],
  migrate: [
    {
      config: "nonMasqueradeCIDRs: [10.0.0.0/8, 10.0.0.0/8]\ncidrLimit: 9",
      args: ["--from=azure", "--args=--v=2", "-"],
    },
    { config: "snatTarget: 10.0.0.1", args: ["--args=--logtostderr", "-"] },
  ],
};

/** The names of all fields in a value, however deep. */
function fieldsOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  const own = Array.isArray(value) ? [] : Object.keys(value);
  return [...own, ...Object.values(value).flatMap(fieldsOf)];
}

const section = (name: string) => page.split(/^## /m).find((it) => it.startsWith(`${name}\n`)) ?? "";

Deno.test("docs/json.md has every field of every command, and no other", async (t) => {
  const common = page.split(/^## /m)[0]!;
  for (const [command, runs] of Object.entries(RUNS)) {
    await t.step(command, async () => {
      const printed = new Set<string>();
      for (const { config, args, stdout } of runs) {
        const machine = {
          files: { "-": config },
          ...(stdout !== undefined && { reply: () => ({ stdout }) }),
        };
        const { out } = await runOn(machine, command, "-o=json", ...args);
        for (const field of fieldsOf(JSON.parse(out))) printed.add(field);
      }
      const named = (text: string) => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name!);
      const known = [...named(common), ...named(section(command))];
      assertEquals([...printed].filter((field) => !known.includes(field)), [], "not documented");
      const own = [...section(command).matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name!);
      assertEquals(own.filter((field) => !printed.has(field)), [], "not printed");
    });
  }
});

Deno.test("the example of docs/json.md is what validate prints", async () => {
  const [, config, example] = /^\$ echo '(.*)' \| ip-masq-agent validate -o json -\n(.*?)^```$/ms.exec(page)!;
  const { out } = await runOn({ files: { "-": config! } }, "validate", "-o=json", "-");
  assertEquals(JSON.parse(out), JSON.parse(example!));
});
