import { assertEquals, assertMatch } from "@std/assert";
import { type Command, CommandNotFoundError } from "../../lib/ports.ts";
import type { Reply } from "../fakes/command_runner.ts";
import { NatKernel } from "../fakes/nat_kernel.ts";
import { type Ran, runOn } from "../fakes/system.ts";

const PATH = "/etc/config/ip-masq-agent";
const FILES = { [PATH]: 'nonMasqueradeCIDRs: ["10.0.0.0/8"]\n' };
const LOCAL = '-m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN';

/** Installs the rules, lets `change` change what it likes, and runs a command. */
async function runAfter(
  change: (kernel: NatKernel) => void,
  flags: readonly string[],
  ...command: readonly string[]
): Promise<Ran> {
  const kernel = new NatKernel();
  const run = (...args: string[]) =>
    runOn({ files: FILES, reply: kernel.run }, ...args, "--backend=iptables-nft", ...flags);
  assertEquals((await run("--once")).code, 0);
  change(kernel);
  return await run(...command);
}

/** Each command, with its exit codes where nothing and where something differs. */
const COMMANDS: readonly [command: string, same: number, differs: number, saysSo: string][] = [
  ["diff", 0, 1, ""],
  ["--dry-run", 0, 0, "Nothing to change\n"],
];

Deno.test("diff and --dry-run print nothing where nothing differs, and one difference as it is", async (t) => {
  for (const [command, same, differs, saysSo] of COMMANDS) {
    await t.step(command, async () => {
      const nothing = await runAfter(() => {}, [], command);
      assertEquals([nothing.code, nothing.out, nothing.error], [same, "", saysSo]);
      const changed = await runAfter((kernel) => kernel.rules()!.splice(1, 1), ["--enable-ipv6"], command);
      assertEquals([changed.code, changed.error.replace(/.*: no IPv6 range .*\n/, "")], [differs, ""]);
      assertEquals(changed.out.split("\n").filter((line) => /^[-+]/.test(line)), [
        "--- IPv4: kernel (iptables-nft-restore)",
        `+++ IPv4: ${PATH}`,
        `+-A IP-MASQ-AGENT -d 10.0.0.0/8 ${LOCAL}`,
      ]);
      const both = await runAfter(
        (kernel) => {
          kernel.rules()!.pop();
          kernel.rules("IP-MASQ-AGENT", "IPv6")!.pop();
        },
        ["--enable-ipv6"],
        command,
      );
      assertEquals(both.out.match(/^--- IPv\d/gm), ["--- IPv4", "--- IPv6"]);
    });
  }
});

Deno.test("diff does not show shares of the packets that the kernel rounded", async () => {
  const { out } = await runAfter(
    (kernel) => {
      const rules = kernel.rules()!;
      for (const [index, rule] of rules.entries()) {
        rules[index] = rule.replace(/0\.469292562840114/, "0.46929256292");
      }
      rules.shift();
    },
    ["--to-ports=1024-29999,32768-65535"],
    "diff",
  );
  assertEquals(out.split("\n").filter((line) => /^[-+][^-+]*-A/.test(line)), [
    `+-A IP-MASQ-AGENT -d 169.254.0.0/16 ${LOCAL}`,
  ]);
  assertEquals(out.includes("probability 0.46929256292 "), true, out);
});

Deno.test("diff warns of rules of others before and behind ours, whether something differs or not", async (t) => {
  const changes: [name: string, change: (kernel: NatKernel) => void, code: number][] = [
    ["nothing", () => {}, 0],
    ["a rule", (kernel) => kernel.rules()!.pop(), 1],
  ];
  for (const [name, change, code] of changes) {
    await t.step(name, async () => {
      const ran = await runAfter(
        (kernel) => {
          change(kernel);
          kernel.rules("POSTROUTING")!.unshift("-o eth1 -j MASQUERADE");
          kernel.rules("POSTROUTING")!.push("-o eth2 -j MASQUERADE");
        },
        [],
        "diff",
      );
      assertEquals([ran.code, ran.error], [
        code,
        "warning: IPv4: nat (iptables-nft): POSTROUTING rule 1 masquerades before our rules are asked: " +
        "-A POSTROUTING -o eth1 -j MASQUERADE\n" +
        "warning: IPv4: nat (iptables-nft): POSTROUTING rule 3 masquerades what our rules keep: " +
        "-A POSTROUTING -o eth2 -j MASQUERADE\n",
      ]);
    });
  }
});

Deno.test("diff with nftables looks for rules of others in both variants of iptables, and says what it can't read", async (t) => {
  const saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n";
  const missing = ({ name }: Command) => new CommandNotFoundError(name, ["/usr/sbin"]);
  const cases: [name: string, save: (command: Command) => Reply, error: string][] = [
    [
      "installed",
      () => ({ stdout: saved }),
      "warning: IPv4: nat (iptables-legacy): POSTROUTING rule 1 masquerades before our rules are asked: " +
      "-A POSTROUTING -j MASQUERADE\n",
    ],
    ["not installed", missing, ""],
    ["it has no nat table", () => ({ stdout: "" }), ""],
    [
      "it fails",
      () => ({ code: 1, stderr: "no" }),
      "warning: IPv4: rules of others may be missed here: iptables-legacy-save cannot read the rules: exit code 1: no\n",
    ],
  ];
  for (const [name, save, error] of cases) {
    await t.step(name, async () => {
      const ran = await runOn(
        {
          files: FILES,
          reply: (command) =>
            command.name !== "nft"
              ? save(command)
              : command.args.includes("chains")
              ? { stdout: '{"nftables": []}' }
              : { code: 1, stderr: "Error: No such file or directory" },
        },
        "diff",
        "--backend=nftables",
      );
      assertEquals([ran.code, ran.error], [1, error]);
      assertEquals(ran.commands.map((command) => command.name), ["nft", "nft", "iptables-legacy-save"]);
    });
  }
});

Deno.test("diff and --dry-run show warnings of the config", async () => {
  for (const [command] of COMMANDS) {
    const { error } = await runOn(
      {
        files: { [PATH]: "colour: red\n" },
        reply: new NatKernel().run,
      },
      command,
      "--backend=iptables-nft",
    );
    assertMatch(error, /^\/etc\/config\/ip-masq-agent:1:1: warning: .*colour.*\n$/);
  }
});
