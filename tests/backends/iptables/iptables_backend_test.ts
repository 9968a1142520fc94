import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { BackendError, sumCounters } from "../../../lib/backends/backend.ts";
import { IptablesBackend } from "../../../lib/backends/iptables/iptables_backend.ts";
import type { IptablesProgram } from "../../../lib/backends/iptables/restore_command.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { type Command, CommandError, CommandKilledError } from "../../../lib/ports.ts";
import { buildRuleset } from "../../../lib/rules/ruleset.ts";
import { configOf } from "../../fakes/config.ts";
import { FakeCommandRunner, type Reply } from "../../fakes/command_runner.ts";

const CHAIN = parseChainName("MASQ");
const RULESET = buildRuleset("IPv4", configOf({}), { randomFully: true, toPorts: [] });
const READ = "*nat\n-S POSTROUTING\n-S MASQ\nCOMMIT\n";
const NO_CHAIN: Reply = {
  code: 1,
  stdout: "-P POSTROUTING ACCEPT\n",
  stderr: "iptables-restore: line 3 failed\n",
};
const SAVED: Reply = { stdout: "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n" };

/** What the commands answer, by what they are asked for. */
interface Script {
  readonly read?: Reply | (() => Reply);
  readonly references?: Reply;
  readonly install?: Reply;
  readonly write?: Reply;
  readonly save?: Reply;
  readonly nft?: Reply;
}

/** What a command is asked for. */
function kindOf({ name, args, input }: Command): keyof Script {
  if (name === "nft") return "nft";
  if (name.endsWith("-save")) return "save";
  if (input === READ) return "read";
  if (input?.includes("\n-L ")) return "references";
  return args.includes("-w") ? "write" : "install";
}

function scripted(script: Script, program: IptablesProgram = "iptables-nft") {
  const { read, ...rest } = script;
  const runner = new FakeCommandRunner((command) => {
    const kind = kindOf(command);
    if (kind === "read") return (typeof read === "function" ? read() : read) ?? NO_CHAIN;
    return rest[kind] ??
      { install: { code: 1 }, references: {}, write: {}, save: SAVED, nft: { code: 1 } }[kind];
  });
  return {
    backend: new IptablesBackend("IPv4", CHAIN, runner, program),
    commands: runner.commands,
    kinds: () => runner.commands.splice(0).map(kindOf),
  };
}

/** The listing of what a plan for nothing would make. */
const PLANNED = (await scripted({}).backend.plan(RULESET)).desired;
const WHOLE: Reply = { stdout: `-P POSTROUTING ACCEPT\n${PLANNED.join("\n")}\n` };
const OLD_JUMP =
  '-A POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL ' +
  'destination traffic to our custom OLD chain" -m addrtype ! --dst-type LOCAL -j OLD';

Deno.test("IptablesBackend.sync() runs as few commands as it can", async (t) => {
  await t.step("where nothing is: one writes, one looks", async () => {
    let reads = 0;
    const { backend, kinds, commands } = scripted({ install: {}, read: () => (reads++, WHOLE) });
    const result = await backend.sync(RULESET);
    assert(result.outcome === "applied");
    assertEquals([result.isFresh, result.drift], [true, []]);
    assertEquals(commands[0], {
      name: "iptables-nft-restore",
      args: ["--noflush"],
      input: result.text,
      ignoreOutput: true,
    });
    assertEquals(kinds(), ["install", "read"]);
    assertEquals((await backend.sync(RULESET)).outcome, "unchanged");
    assertEquals(kinds(), ["read"]);
  });
  await t.step("where the rules are", async () => {
    const { backend, kinds } = scripted({ read: WHOLE });
    assertEquals((await backend.sync(RULESET)).outcome, "unchanged");
    assertEquals(kinds(), ["install", "read"]);
  });
  await t.step("where something is missing", async () => {
    const { backend, kinds } = scripted({ read: { stdout: "-P POSTROUTING ACCEPT\n-N MASQ\n" } });
    const result = await backend.sync(RULESET);
    assert(result.outcome === "applied");
    assertEquals([result.isFresh, result.drift.length], [false, 2]);
    assertEquals(kinds(), ["install", "read", "write"]);
  });
  await t.step("where the chain was deleted", async () => {
    let reading = WHOLE;
    const { backend, kinds } = scripted({ read: () => reading });
    await backend.sync(RULESET);
    reading = NO_CHAIN;
    await backend.sync(RULESET);
    assertEquals(kinds(), ["install", "read", "read", "save", "write"]);
  });
});

Deno.test("IptablesBackend.sync() takes an installation for done only where the rules are in force", async (t) => {
  const doubled = `${WHOLE.stdout}${PLANNED[0]}\n`;
  await t.step("another agent appended its jump: neither is removed", async () => {
    const { backend, kinds } = scripted({ install: {}, read: { stdout: doubled } });
    assertEquals((await backend.sync(RULESET)).outcome, "applied");
    assertEquals(kinds(), ["install", "read"]);
    await backend.sync(RULESET);
    assertEquals(kinds(), ["read", "write"], "later it is");
  });
  await t.step("a command that said yes and did nothing", async () => {
    const { backend, kinds } = scripted({ install: {} });
    await backend.sync(RULESET);
    assertEquals(kinds(), ["install", "read", "save", "write"]);
  });
});

Deno.test("IptablesBackend installs the same rules as it would plan, but where the chain must be new", async () => {
  const planned = await scripted({}).backend.plan(RULESET);
  const { backend, commands } = scripted({ install: {}, read: WHOLE });
  await backend.sync(RULESET);
  assertEquals(commands[0]!.input, planned.text.replace(":MASQ - [0:0]\n", "-N MASQ\n-F MASQ\n"));
});

Deno.test("IptablesBackend runs the commands of its family and program, and names them", async (t) => {
  for (
    const [family, program, name] of [
      ["IPv4", "iptables", "iptables-restore"],
      ["IPv6", "iptables", "ip6tables-restore"],
      ["IPv4", "iptables-legacy", "iptables-legacy-restore"],
      ["IPv6", "iptables-nft", "ip6tables-nft-restore"],
    ] as const
  ) {
    await t.step(`${program} ${family}`, async () => {
      const runner = new FakeCommandRunner(() => WHOLE);
      const backend = new IptablesBackend(family, CHAIN, runner, program);
      await backend.sync({ ...RULESET, family });
      assertEquals(runner.commands.map((command) => command.name), [name, name]);
      assertEquals([backend.describe(), backend.name, backend.family], [name, program, family]);
    });
  }
});

Deno.test("IptablesBackend takes a chain for absent only where a list of all chains has none", async (t) => {
  const killed = { code: 137, stdout: "-P POSTROUTING ACCEPT\n" };
  const cases: [name: string, script: Script, asks: boolean][] = [
    ["killed by somebody behind POSTROUTING", { read: killed }, false],
    [
      "a lock",
      { read: { ...killed, code: 4, stderr: "Another app is currently holding the xtables lock" } },
      false,
    ],
    ["incompatible, and there", { save: { stdout: "*nat\n:MASQ - [0:0]\nCOMMIT\n" } }, true],
    ["the table can't be listed", { save: { code: 1 } }, true],
    ["a jump leads to it, so that it is there", {
      read: { ...NO_CHAIN, stdout: "-P POSTROUTING ACCEPT\n-A POSTROUTING -j MASQ\n" },
    }, false],
    ["POSTROUTING was not listed", { read: { code: 1, stderr: "iptables-restore: line 2 failed" } }, false],
    ["the listing is cut off in a line", {
      read: { ...NO_CHAIN, stdout: "-P POSTROUTING ACCEPT\n-A POSTROU" },
    }, false],
    ["all went well, and nothing was listed", { read: { stdout: "" } }, false],
    ["the answer is cut off", { read: { stdout: "-P POSTROUTING ACCEPT\n-N MAS" } }, false],
  ];
  for (const [name, script, asks] of cases) {
    await t.step(name, async () => {
      const { backend, kinds } = scripted(script);
      await assertRejects(() => backend.sync(RULESET), CommandError);
      assertEquals(kinds(), asks ? ["install", "read", "save"] : ["install", "read"]);
    });
  }
  const incompatible = { stdout: "# Table `nat' is incompatible, use 'nft' tool.\n" };
  const other = "table ip nat { # handle 1\n\tchain MASQ2 { # handle 2\n\t}\n}\n";
  const asked = ["install", "read", "save", "nft"];
  for (
    const [name, nft] of [["", { code: 139 }], ["ours", { stdout: other.replace("MASQ2", "MASQ") }]] as const
  ) {
    await t.step(
      `iptables can't read the table: nft ${name === "" ? "can't either" : "sees our chain"}`,
      async () => {
        const { backend, kinds } = scripted({ save: incompatible, nft });
        await assertRejects(
          () => backend.sync(RULESET),
          BackendError,
          name === "" ? "only nft understands" : "line 3",
        );
        assertEquals(kinds(), asked);
      },
    );
  }
  await t.step("iptables can't read the table, and nft sees no chain of ours", async () => {
    const { backend, kinds } = scripted({ save: incompatible, nft: { stdout: other } });
    assertEquals((await backend.sync(RULESET)).outcome, "applied");
    assertEquals(kinds(), [...asked, "write"]);
  });
  await t.step("a command that we killed ends the sync", async () => {
    const { backend, kinds } = scripted({ install: new CommandKilledError("iptables-nft-restore") });
    await assertRejects(() => backend.sync(RULESET), CommandKilledError);
    assertEquals(kinds(), ["install"]);
  });
});

Deno.test("IptablesBackend removes the chain of an earlier --masq-chain with its jump, where nothing else needs it", async (t) => {
  const read = { stdout: `-P POSTROUTING ACCEPT\n${OLD_JUMP}\n${PLANNED.join("\n")}\n` };
  const rule = '-A OLD -m comment --comment "ip-masq-agent: local traffic" -j RETURN\n';
  const list = (rules: string, references: number) => ({
    stdout: `-N OLD\n${rules}Chain OLD (${references} references)\ntarget prot\n`,
  });
  const cases: [name: string, references: Reply, removed: boolean][] = [
    ["ours, and only the jump leads to it", list(rule, 1), true],
    ["another rule leads to it", list(rule, 2), false],
    ["a rule of somebody else in it", list(`${rule}-A OLD -j ACCEPT\n`, 1), false],
    ["empty, which may be anybody's", list("", 1), false],
    ["it can't be listed", { code: 1 }, false],
  ];
  for (const [name, references, removed] of cases) {
    await t.step(name, async () => {
      const { backend } = scripted({ read, references });
      const { text, drift } = await backend.plan(RULESET);
      assertEquals(drift.map(({ kind }) => kind), ["jump-stale"]);
      assertEquals(text.includes(OLD_JUMP.replace("-A", "-D")), true);
      assertEquals(text.includes("-F OLD\n-X OLD\n"), removed);
      const removal = (await backend.removal())!.text;
      assertEquals(removal.includes("-F MASQ\n") && removal.includes("-X MASQ\n"), true);
      assertEquals(removal.includes("-X OLD\n"), removed);
      assertEquals((await backend.removal({ onlyThisChain: true }))!.text.includes("OLD"), false);
    });
  }
});

Deno.test("IptablesBackend removes several earlier chains, each with the jumps that lead to it", async () => {
  const jumps = [OLD_JUMP, OLD_JUMP, OLD_JUMP.replaceAll("OLD", "OLDER")];
  const read = { stdout: `-P POSTROUTING ACCEPT\n${jumps.join("\n")}\n${PLANNED.join("\n")}\n` };
  const runner = new FakeCommandRunner(({ input }) => {
    if (input === READ) return read;
    const name = /-S (\S+)/.exec(input!)![1];
    const rule = `-A ${name} -m comment --comment "ip-masq-agent: local traffic" -j RETURN\n`;
    return { stdout: `-N ${name}\n${rule}Chain ${name} (${name === "OLD" ? 2 : 1} references)\n` };
  });
  const { text } = await new IptablesBackend("IPv4", CHAIN, runner, "iptables-nft").plan(RULESET);
  assertEquals(text.match(/^-[FX] .*$/gm), ["-F OLD", "-F OLDER", "-X OLD", "-X OLDER"]);
});

Deno.test("IptablesBackend.removal() makes no table, and finds nothing where nothing is", async (t) => {
  const saved = `*nat\n:POSTROUTING ACCEPT [0:0]\n:MASQ - [0:0]\n${PLANNED[0]}\nCOMMIT\n`;
  await t.step("iptables-nft", async () => {
    const { backend, kinds } = scripted({});
    assertEquals(await backend.removal(), undefined);
    assertEquals(kinds(), ["read"], "a whole table may be large");
  });
  for (const program of ["iptables", "iptables-legacy"] as const) {
    await t.step(program, async () => {
      const empty = scripted({}, program);
      assertEquals(await empty.backend.removal(), undefined);
      assertEquals(empty.kinds(), ["save"]);
      const full = scripted({ save: { stdout: saved } }, program);
      const plan = (await full.backend.removal())!;
      assertEquals(full.kinds(), ["save"]);
      assertEquals(plan.text, `*nat\n${PLANNED[0]!.replace("-A", "-D")}\n-F MASQ\n-X MASQ\nCOMMIT\n`);
      await plan.apply();
      assertEquals(full.kinds(), ["write"]);
    });
  }
});

Deno.test("IptablesBackend.plan() finds nothing to do where all is as it should be", async () => {
  const { drift, text, actual, desired, isFresh } = await scripted({ read: WHOLE }).backend.plan(RULESET);
  assertEquals([drift, text, actual, desired, isFresh], [[], "", [], [], false]);
});

Deno.test("IptablesBackend says which tool failed, how, where, and what to do", async (t) => {
  const write = { code: 1, stderr: "iptables-restore: line 2 failed\n" };
  const cases: [name: string, script: Script, message: string][] = [
    [
      "the restore fails: the line of the input is shown",
      { write },
      "iptables-nft-restore cannot write the rules: exit code 1: iptables-restore: line 2 failed: line 2 was: :MASQ - [0:0]",
    ],
    [
      "it says much: one line, without the advice to ask for help",
      {
        read: {
          code: 2,
          stderr:
            "iptables-restore v1.8.9: unknown option\n\n  Error occurred at line: 3\nTry `iptables-restore -h' " +
            "or 'iptables-restore --help' for more information.\n",
        },
      },
      "iptables-nft-restore cannot read the rules: exit code 2: iptables-restore v1.8.9: unknown option; " +
      "Error occurred at line: 3: line 3 was: -S MASQ",
    ],
    ["it says nothing", { read: { code: 1 } }, "cannot read the rules: exit code 1: no message"],
    ["it crashes", { read: { code: 139 } }, "cannot read the rules: it crashed (exit code 139): no message"],
    [
      "the lock's file can't be made",
      { read: { code: 4, stderr: "Fatal: can't open lock file /run/xtables.lock: Read-only file system\n" } },
      "make /run writable, or mount the host's /run/xtables.lock",
    ],
    [
      "another program holds the lock",
      {
        read: {
          code: 4,
          stderr: "Another app is currently holding the xtables lock; waiting for it to exit...",
        },
      },
      "another program holds the xtables lock; this is tried again",
    ],
    [
      "a capability is missing",
      {
        read: {
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
        read: {
          code: 3,
          stderr:
            "ip6tables-restore v1.8.9 (legacy): can't initialize ip6tables table `nat': Table does not exist\n",
        },
      },
      "load the kernel's nat table",
    ],
    [
      "the host has no IPv6",
      { read: { code: 3, stderr: "ip6tables-restore: Address family not supported by protocol\n" } },
      "this host has no such address family",
    ],
    ["the command can't be run", { read: new CommandError("Cannot find it") }, "Cannot find it"],
    [
      "it prints nonsense",
      { read: { stdout: "hello\n" } },
      "iptables-nft-restore printed what can't be read",
    ],
  ];
  for (const [name, script, message] of cases) {
    await t.step(name, async () => {
      const error = await assertRejects(
        () => scripted(script).backend.sync(RULESET),
        CommandError,
        message,
      );
      assertEquals(/\n|Try `/.test(error.message), false, error.message);
    });
  }
});

Deno.test("IptablesBackend says only as much as fits into a line of the log, and gives advice only where it helps", async (t) => {
  const cases: [name: string, read: Reply, message: RegExp][] = [
    ["much", { code: 1, stderr: "x".repeat(1_000) }, /: x{500}…$/],
    [
      "another failure with that code",
      { code: 4, stderr: "Memory allocation problem" },
      /: Memory allocation problem$/,
    ],
    ["a lock that does not matter", { code: 2, stderr: "unknown option lock" }, /: unknown option lock$/],
  ];
  for (const [name, read, message] of cases) {
    await t.step(name, async () => {
      const error = await assertRejects(() => scripted({ read }).backend.plan(RULESET), BackendError);
      assertMatch(error.message, message);
      assertEquals(error.lacksFamily, false);
    });
  }
});

Deno.test("IptablesBackend adds up the counters of its chain", async () => {
  const runner = new FakeCommandRunner(() => ({
    stdout: "-N MASQ\n-A MASQ -c 1 10 -j RETURN\n-A MASQ -c 2 20 -j RETURN\n-A MASQ -c 3 30 -j MASQUERADE\n" +
      "-A MASQ -m comment --comment -c -c 4 40 -j RETURN\n-A MASQ -m comment --comment -j -c 5 50 -j RETURN\n" +
      "-A MASQ -j RETURN\n-A MASQ -c 9 90 -j ACCEPT\n-A OTHER -c 9 90 -j RETURN\n",
  }));
  const backend = new IptablesBackend("IPv4", CHAIN, runner, "iptables-nft");
  assertEquals(sumCounters(await backend.counters()).verdicts, {
    SNAT: { packets: 0, bytes: 0 },
    RETURN: { packets: 12, bytes: 120 },
    MASQUERADE: { packets: 3, bytes: 30 },
  });
  assertEquals(runner.commands[0]!.input, "*nat\n-S MASQ -v\nCOMMIT\n");
});

Deno.test("IptablesBackend.removal() goes through nft where iptables can't read what nft wrote", async () => {
  const read = {
    code: 1,
    stderr: "iptables-nft-restore: chain `POSTROUTING' in table `nat' is incompatible, use 'nft'\n",
  };
  const stdout = `table ip nat { # handle 1
\tchain MASQ { # handle 1
\t\tip daddr 10.0.0.0/8 counter packets 0 bytes 0 return # handle 4
\t\tcounter packets 0 bytes 0 masquerade # handle 5
\t}

\tchain POSTROUTING { # handle 2
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tfib daddr type local return # handle 3
\t\tfib daddr type != local counter packets 0 bytes 0 jump MASQ # handle 17
\t\tjump MASQ2 # handle 18
\t\tgoto MASQ comment "twice" # handle 19
\t}
}
`;
  const { backend, commands } = scripted({ read, nft: { stdout } });
  const plan = await backend.removal();
  assertEquals(plan?.text.trim().split("\n"), [
    "delete rule ip nat POSTROUTING handle 17",
    "delete rule ip nat POSTROUTING handle 19",
    "flush chain ip nat MASQ",
    "delete chain ip nat MASQ",
  ]);
  assertEquals(plan?.actual.map((line) => line.split(" ", 2).join(" ")), [
    "-A POSTROUTING",
    "-A POSTROUTING",
    "-N MASQ",
    "-A MASQ",
    "-A MASQ",
  ]);
  await plan?.apply().catch(() => {});
  assertEquals(commands.at(-1), { name: "nft", args: ["-f", "-"], input: plan!.text });
  const others = stdout.replaceAll(/.* MASQ[ {].*\n(?:.*\n)*?\t}|.* MASQ .*/g, "");
  assertEquals(await scripted({ read, nft: { stdout: others } }).backend.removal(), undefined);
  await assertRejects(() => scripted({ read }).backend.removal(), BackendError, "is incompatible");
  const killed = new CommandKilledError("nft");
  await assertRejects(() => scripted({ read, nft: killed }).backend.removal(), CommandKilledError);
});
