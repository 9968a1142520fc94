import { assertEquals, assertRejects } from "@std/assert";
import { BackendError } from "../../../lib/backends/backend.ts";
import { IptablesBackend } from "../../../lib/backends/iptables/iptables_backend.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { buildRuleset } from "../../../lib/rules/ruleset.ts";
import type { Command } from "../../../lib/ports.ts";
import { configOf } from "../../fakes/config.ts";
import { FakeCommandRunner, type Reply } from "../../fakes/command_runner.ts";

const CHAIN = parseChainName("MASQ");
const RULESET = buildRuleset("IPv4", configOf({}), { randomFully: true, toPorts: [] });
const READ = "*nat\n-S POSTROUTING\n-S MASQ\nCOMMIT\n";

/** A backend whose commands are scripted; `reading` and `writing` answer the two kinds of transaction. */
function scripted({ version = "iptables-restore v1.8.9 (nf_tables)", reading = {}, writing = {} }: {
  readonly version?: string;
  readonly reading?: Reply;
  readonly writing?: Reply;
}): { backend: IptablesBackend; commands: Command[] } {
  const runner = new FakeCommandRunner(({ args, input }) => {
    if (args[0] === "--version") return { stdout: `${version}\n` };
    return input === READ ? reading : writing;
  });
  return { backend: new IptablesBackend("IPv4", CHAIN, runner), commands: runner.commands };
}

const ABSENT: Reply = {
  code: 1,
  stdout: "-P POSTROUTING ACCEPT\n",
  stderr: "iptables-restore: line 3 failed\n",
};

Deno.test("IptablesBackend asks for the version once, reads with one command and writes with one", async () => {
  const { backend, commands } = scripted({ reading: ABSENT });
  await backend.apply(await backend.plan(RULESET));
  await backend.plan(RULESET);
  const short = (
    { name, args, input }: Command,
  ) => [name, ...args, input === READ ? "(read)" : input && "(write)"];
  assertEquals(commands.map(short), [
    ["iptables-restore", "--version", undefined],
    ["iptables-restore", "--noflush", "-w", "5", "(read)"],
    ["iptables-restore", "--noflush", "-w", "5", "(write)"],
    ["iptables-restore", "--noflush", "-w", "5", "(read)"],
  ]);
});

Deno.test("IptablesBackend runs the commands of its family and program", async () => {
  for (
    const [family, program, names] of [
      ["IPv6", "iptables", ["ip6tables-restore", "ip6tables-restore"]],
      ["IPv4", "iptables-legacy", ["iptables-legacy-restore"]],
      ["IPv6", "iptables-nft", ["ip6tables-nft-restore"]],
    ] as const
  ) {
    const runner = new FakeCommandRunner(({ args }) =>
      args[0] === "--version" ? { stdout: "x v1.8.9" } : ABSENT
    );
    await new IptablesBackend(family, CHAIN, runner, program).plan({ ...RULESET, family });
    // A name with a variant says what a version would: it came with 1.8.0.
    assertEquals(runner.commands.map((command) => command.name), [...names]);
  }
});

Deno.test("IptablesBackend.install() is one transaction that an existing chain makes fail", async (t) => {
  const planned = await scripted({ reading: ABSENT }).backend.plan(RULESET);
  await t.step("the same rules as a plan's, but the chain must be new", async () => {
    const runner = new FakeCommandRunner(() => ({}));
    const transaction = await new IptablesBackend("IPv4", CHAIN, runner, "iptables-nft").install(RULESET);
    assertEquals(
      transaction,
      planned.transaction.replace(":MASQ - [0:0]\n", "-N MASQ\n-F MASQ\n"),
    );
    assertEquals(runner.commands, [{
      name: "iptables-nft-restore",
      args: ["--noflush"],
      input: transaction!,
      ignoreOutput: true,
    }]);
  });
  await t.step("it says nothing of why it failed: a plan will", async () => {
    const runner = new FakeCommandRunner(() => ({ code: 1 }));
    const backend = new IptablesBackend("IPv4", CHAIN, runner, "iptables-legacy");
    assertEquals(await backend.install(RULESET), undefined);
  });
  await t.step("an iptables of unknown age is asked for its version first", async () => {
    const { backend, commands } = scripted({ version: "iptables-restore v1.6.1" });
    const transaction = await backend.install(RULESET);
    assertEquals(commands.map(({ args }) => args[0]), ["--version", "--noflush"]);
    assertEquals(transaction!.includes("--random-fully"), false);
  });
});

Deno.test("IptablesBackend leaves out --random-fully for an iptables older than 1.6.2", async () => {
  for (
    const [version, expected] of [["v1.6.1", false], ["v1.6.2", true], ["v1.8.9 (legacy)", true]] as const
  ) {
    const { backend } = scripted({ version: `iptables-restore ${version}`, reading: ABSENT });
    assertEquals((await backend.plan(RULESET)).transaction.includes("--random-fully"), expected);
  }
});

Deno.test("IptablesBackend plans nothing where all stands", async () => {
  const first = await scripted({ reading: ABSENT }).backend.plan(RULESET);
  const reading = { stdout: `-P POSTROUTING ACCEPT\n${first.wanted.join("\n")}\n` };
  const { drift, transaction } = await scripted({ reading }).backend.plan(RULESET);
  assertEquals([drift, transaction], [[], ""]);
});

Deno.test("IptablesBackend says which tool failed, how, where, and what to do", async (t) => {
  const write = { code: 1, stderr: "iptables-restore: line 2 failed\n" };
  const cases: [name: string, script: Parameters<typeof scripted>[0], message: string][] = [
    [
      "the restore fails: the line of the input is shown",
      { reading: ABSENT, writing: write },
      "iptables-restore cannot write the rules: exit code 1: iptables-restore: line 2 failed: line 2 was: :MASQ - [0:0]",
    ],
    [
      "another program holds the lock",
      {
        reading: {
          code: 4,
          stderr: "Another app is currently holding the xtables lock; waiting for it to exit...",
        },
      },
      "another program holds the xtables lock; this is tried again",
    ],
    [
      "a capability is missing",
      {
        reading: {
          code: 4,
          stderr:
            "iptables-restore v1.8.9 (nf_tables): Could not fetch rule set generation id: Permission denied (you must be root)\n",
        },
      },
      "run the agent as root, or with the capabilities NET_ADMIN and NET_RAW",
    ],
    [
      "the kernel has no nat table",
      {
        reading: {
          code: 3,
          stderr:
            "ip6tables-restore v1.8.9 (legacy): can't initialize ip6tables table `nat': Table does not exist\n",
        },
      },
      "load the kernel's nat table",
    ],
    ["the command can't be run", { reading: new Error("Cannot find it") }, "Cannot find it"],
    [
      "the version is nonsense",
      { version: "hello" },
      'iptables-restore --version: Cannot find a version in "hello"',
    ],
  ];
  for (const [name, script, message] of cases) {
    await t.step(name, async () => {
      const { backend } = scripted(script);
      await assertRejects(
        async () => await backend.apply(await backend.plan(RULESET)),
        BackendError,
        message,
      );
    });
  }
});

Deno.test("IptablesBackend asks for the version again after a failure: iptables may have been upgraded", async () => {
  const { backend, commands } = scripted({ reading: { code: 1 } });
  await assertRejects(() => backend.plan(RULESET), BackendError);
  await assertRejects(() => backend.plan(RULESET), BackendError);
  assertEquals(commands.filter(({ args }) => args[0] === "--version").length, 2);
});
