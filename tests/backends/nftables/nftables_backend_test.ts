import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { sumCounters } from "../../../lib/backends/backend.ts";
import { NftablesBackend } from "../../../lib/backends/nftables/nftables_backend.ts";
import { type Command, CommandError, CommandNotFoundError } from "../../../lib/ports.ts";
import { FakeCommandRunner, type Reply } from "../../fakes/command_runner.ts";
import { formatListing, type ListingItem } from "../../data/recording.ts";
import { NFT_RECORDINGS } from "../../data/recordings.ts";
import { rulesetOf } from "../../data/rulesets.ts";

const RULESET = rulesetOf("default", "IPv4");
const ITEMS = NFT_RECORDINGS["1.0.6"]!.IPv4["default"]!.listing!;
const ABSENT: Reply = { code: 1, stderr: "Error: No such file or directory\nlist table ip ip-masq-agent\n" };

/** A backend whose nft lists what `items` has, nothing where undefined; the test may change it. */
function scripted(items: readonly ListingItem[] | undefined, writing: Reply = {}) {
  const kernel = { items, writing };
  const runner = new FakeCommandRunner(({ args }) => {
    if (args.includes("-f")) return kernel.writing;
    return kernel.items === undefined ? ABSENT : { stdout: formatListing(kernel.items) };
  });
  return { kernel, commands: runner.commands, backend: new NftablesBackend("IPv4", runner) };
}

const argv = ({ name, args }: Command) => [name, ...args].join(" ");

Deno.test("NftablesBackend reads with one command and writes with one", async () => {
  const { backend, commands, kernel } = scripted(undefined);
  const plan = await backend.plan(RULESET);
  assertEquals([plan.isFresh, plan.drift.length, plan.actual], [true, 1, []]);
  await plan.apply();
  kernel.items = ITEMS;
  assertEquals((await backend.plan(RULESET)).drift, []);
  assertEquals(commands.map(argv), [
    "nft -j list table ip ip-masq-agent",
    "nft -f -",
    "nft -j list table ip ip-masq-agent",
  ]);
  assertEquals(commands[1]!.input, plan.text);
  assertEquals(backend.describe(), "nftables v1.0.6, table ip ip-masq-agent");
});

Deno.test("NftablesBackend sees a difference also in what it found good before", async () => {
  const { backend, kernel } = scripted(ITEMS);
  assertEquals((await backend.plan(RULESET)).drift, []);
  assertEquals((await backend.plan(RULESET)).drift, []);
  kernel.items = ITEMS.filter((it) => it.rule?.chain !== "translate");
  const { drift, isFresh } = await backend.plan(RULESET);
  assertEquals([drift.map(({ detail }) => detail), isFresh], [["chain translate is empty"], false]);
});

Deno.test("NftablesBackend reads its family's table", async () => {
  const runner = new FakeCommandRunner(({ args }) => args.includes("-f") ? {} : ABSENT);
  const backend = new NftablesBackend("IPv6", runner);
  await backend.sync({ ...RULESET, family: "IPv6" });
  assertEquals(argv(runner.commands[0]!), "nft -j list table ip6 ip-masq-agent");
  assertStringIncludes(runner.commands[1]!.input!, "table ip6 ip-masq-agent {");
});

Deno.test("NftablesBackend writes rules that nft spells otherwise once more, and then knows the spelling", async () => {
  const respelled = structuredClone(ITEMS);
  for (const { rule } of respelled) rule?.expr.push({ "unheard-of": null });
  const { backend, kernel } = scripted(respelled);
  const first = await backend.plan(RULESET);
  assertEquals(first.drift.length, 1);
  await first.apply();
  assertEquals((await backend.plan(RULESET)).drift, []);
  kernel.items = respelled.slice(0, -1);
  assertEquals((await backend.plan(RULESET)).drift.length, 1);
  kernel.items = structuredClone(respelled);
  kernel.items.at(-1)!.rule.expr = [];
  assertEquals((await backend.plan(RULESET)).drift.length, 1);
});

Deno.test("NftablesBackend plans the removal of its table, reading no elements", async () => {
  const { backend, commands, kernel } = scripted(ITEMS);
  const plan = (await backend.removal())!;
  assertEquals([plan.text, plan.actual], ["delete table ip ip-masq-agent\n", [
    "table ip ip-masq-agent",
  ]]);
  kernel.items = undefined;
  assertEquals(await backend.removal(), undefined);
  assertEquals(commands.map(argv), new Array(2).fill("nft -t -j list table ip ip-masq-agent"));
});

Deno.test("NftablesBackend sums the counters of the lists by verdict, reading no elements", async () => {
  const items = structuredClone(ITEMS);
  for (const { counter } of items) {
    if (counter) [counter.packets, counter.bytes] = [counter.name.length, 100];
  }
  const { backend, commands, kernel } = scripted(items);
  assertEquals(sumCounters(await backend.counters()).verdicts, {
    SNAT: { packets: 0, bytes: 0 },
    MASQUERADE: { packets: "outbound".length, bytes: 100 },
    RETURN: { packets: "linkLocal".length + "nonMasqueradeCIDRs".length, bytes: 200 },
  });
  kernel.items = undefined;
  const none = { packets: 0, bytes: 0 };
  assertEquals(sumCounters(await backend.counters()).verdicts, {
    MASQUERADE: none,
    RETURN: none,
    SNAT: none,
  });
  assertEquals(commands.map(argv), new Array(2).fill("nft -t -j list table ip ip-masq-agent"));
});

Deno.test("NftablesBackend says what failed, where, and what to do", async (t) => {
  const input = "table ip ip-masq-agent {";
  const cases: [name: string, reading: Reply, writing: Reply, message: string][] = [
    [
      "the kernel refuses a line",
      ABSENT,
      { code: 1, stderr: "/dev/stdin:4:7-9: Error: syntax error, unexpected all\nexcerpt\n  ^^^\n" },
      `nft cannot write the rules: exit code 1: /dev/stdin:4:7-9: Error: syntax error, unexpected all: line 4 was: ${input}`,
    ],
    [
      "several lines are refused: the first three are said",
      ABSENT,
      {
        code: 1,
        stderr: [
          "/dev/stdin:1:1-2: Error: a",
          "x",
          "^",
          "/dev/stdin:2:1-2: Error: b",
          "y",
          "^",
          "/dev/stdin:3:1-2: Error: c",
          "/dev/stdin:4:1-2: Error: d",
          "",
        ]
          .join("\n"),
      },
      "nft cannot write the rules: exit code 1: /dev/stdin:1:1-2: Error: a; /dev/stdin:2:1-2: Error: b; /dev/stdin:3:1-2: Error: c: " +
      "line 1 was: add table ip ip-masq-agent",
    ],
    [
      "it says something else: no more than fits into a line",
      { code: 1, stderr: ` ${"x".repeat(300)}\n` },
      {},
      `nft cannot read the rules: exit code 1: ${"x".repeat(200)}`,
    ],
    ["it says nothing", { code: 1 }, {}, "nft cannot read the rules: exit code 1: no message"],
    [
      "a capability is missing",
      { code: 1, stderr: "Error: Could not process rule: Operation not permitted (you must be root)\n" },
      {},
      "run the agent as root, or with the capability NET_ADMIN",
    ],
    [
      "the kernel has no nf_tables",
      { code: 1, stderr: "Error: cache initialization failed: Protocol not supported\n" },
      {},
      "load the kernel's nf_tables",
    ],
    [
      "nft has no JSON",
      { code: 1, stderr: "Error: JSON support not compiled-in\n" },
      {},
      "nft with JSON support",
    ],
    [
      "the host has no IPv6",
      { code: 1, stderr: "Error: Could not process rule: Address family not supported by protocol\n" },
      {},
      "this host has no such address family",
    ],
    ["nft prints nonsense", { stdout: "hello" }, {}, "nft -j printed what can't be read"],
    ["nft can't be run", new CommandError("Cannot run it"), {}, "Cannot run it"],
  ];
  for (const [name, reading, writing, message] of cases) {
    await t.step(name, async () => {
      const runner = new FakeCommandRunner(({ args }) => args.includes("-f") ? writing : reading);
      const backend = new NftablesBackend("IPv4", runner);
      await assertRejects(
        () => backend.sync(RULESET),
        CommandError,
        message,
      );
    });
  }
});

Deno.test("NftablesBackend says only as much as fits into a line of the log", async () => {
  const runner = new FakeCommandRunner(() => ({ code: 1, stderr: "x".repeat(300) }));
  const error = await assertRejects(() => new NftablesBackend("IPv4", runner).plan(RULESET), CommandError);
  assertMatch(error.message, /: x{200}$/);
});

Deno.test("a backend whose command is not installed is told from one that fails", async () => {
  const missing = new CommandNotFoundError("nft", ["/usr/sbin", "/sbin"]);
  const backend = new NftablesBackend("IPv4", new FakeCommandRunner(() => missing));
  await assertRejects(() => backend.removal(), CommandNotFoundError, missing.message);
  assertEquals(missing.message, 'Cannot find nft in /usr/sbin, /sbin: install the package "nftables"');
  const { message } = new CommandNotFoundError("ip6tables-save", ["/sbin"]);
  assertEquals(message, 'Cannot find ip6tables-save in /sbin: install the package "iptables"');
});
