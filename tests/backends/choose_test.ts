import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BackendError } from "../../lib/backends/backend.ts";
import { chooseBackend } from "../../lib/backends/choose.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { CommandKilledError, CommandNotFoundError } from "../../lib/ports.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { configOf } from "../fakes/config.ts";
import { rulesetOf } from "../data/rulesets.ts";
import { FakeCommandRunner, type Reply } from "../fakes/command_runner.ts";

const CHAIN = parseChainName("MASQ");
const MISSING = new CommandNotFoundError("nft", ["/usr/sbin"]);
const UNCOMMITTED = "iptables-nft-restore: COMMIT expected at line 8\n";
const LEGACY_TABLES = "# Warning: iptables-legacy tables present, use iptables-legacy to see them\n";

/** What each command of a host answers; one that is left out is not installed. */
interface Host {
  /** `iptables-nft-restore`: the first look, and the listing of all rules. */
  readonly nft?: Reply;
  readonly nftRules?: string;
  readonly legacy?: Reply;
  readonly legacySave?: string;
  readonly plain?: Reply;
  readonly version?: string;
  readonly check?: Reply;
}

async function chooseOn(host: Host): Promise<{ backend: string; reason: string; commands: string[] }> {
  const commands: string[] = [];
  const runner = new FakeCommandRunner(({ name, args, input }) => {
    const reply = replyOf(name, args, input);
    if (reply !== MISSING) commands.push([name, ...args].join(" "));
    if (input?.includes("-A MASQ ")) {
      assertEquals(input.split("\n").at(-2)?.slice(0, 3), "-A ", "not committed");
    }
    return reply;
  });
  const replyOf = (name: string, args: readonly string[], input?: string): Reply => {
    const listsAll = input?.includes("*filter");
    switch (name) {
      case "iptables-nft-restore":
        return listsAll ? { stdout: host.nftRules ?? "" } : host.nft ?? MISSING;
      case "iptables-legacy-restore":
        return host.legacy ?? MISSING;
      case "iptables-legacy-save":
        return host.legacySave === undefined ? MISSING : { stdout: host.legacySave };
      case "iptables-restore":
        if (args[0] !== "--version") return host.plain ?? MISSING;
        return host.version === undefined ? MISSING : { stdout: host.version };
      default:
        return host.check ?? MISSING;
    }
  };
  return { ...await chooseBackend(runner, CHAIN, [rulesetOf("default", "IPv4")]), commands };
}

const NFT = "iptables-nft-restore --noflush -w 5";
const LEGACY = "iptables-legacy-restore --noflush -w 5";

Deno.test("chooseBackend() finds what suits the host, with few processes", async (t) => {
  const works = { code: 1, stderr: UNCOMMITTED };
  const cases: [name: string, host: Host, backend: string, commands: string[]][] = [
    [
      "a node whose kubelet uses nft: one process",
      {
        nft: { ...works, stdout: "-P INPUT ACCEPT\n-N KUBE-IPTABLES-HINT\n" },
      },
      "iptables-nft",
      [NFT],
    ],
    [
      "a node whose kubelet uses legacy",
      {
        nft: { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED },
        legacySave: "*mangle\n:INPUT ACCEPT [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n",
        legacy: works,
      },
      "iptables-legacy",
      [NFT, "iptables-legacy-save", LEGACY],
    ],
    [
      "tables of legacy, of which nobody is there to say more",
      { nft: { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED }, nftRules: "" },
      "iptables-nft",
      [NFT, NFT],
    ],
    ["rules of others in nft", { nft: { ...works, stdout: "-A POSTROUTING -j CNI\n" } }, "iptables-nft", [
      NFT,
    ]],
    [
      "our own rules say nothing: five processes",
      {
        nft: { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED, stdout: "-A POSTROUTING -m comment -j MASQ\n" },
        nftRules: "-A POSTROUTING -j MASQ\n-A MASQ -j MASQUERADE\n",
        legacySave: "*nat\n:MASQ - [0:0]\nCOMMIT\n",
        version: "iptables-restore v1.8.9 (legacy)",
        legacy: works,
      },
      "iptables-legacy",
      [NFT, "iptables-legacy-save", NFT, "iptables-restore --version", LEGACY],
    ],
    [
      "more rules in legacy",
      {
        nft: { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED },
        nftRules: "-A FORWARD -j ACCEPT\n",
        legacySave: "-A FORWARD -j ACCEPT\n-A INPUT -j DROP\n",
        legacy: works,
      },
      "iptables-legacy",
      [NFT, "iptables-legacy-save", NFT, LEGACY],
    ],
    [
      "only an old iptables",
      { plain: { code: 1, stderr: "iptables-restore: COMMIT expected at line 4\n" } },
      "iptables",
      [
        "iptables-restore --noflush -w 5",
      ],
    ],
    [
      "somebody holds the lock",
      {
        legacy: { code: 4, stderr: "Another app is currently holding the xtables lock" },
      },
      "iptables-legacy",
      ["iptables-legacy-restore --noflush -w 5"],
    ],
    ["no iptables", { check: {} }, "nftables", ["nft -c -f -"]],
    [
      "iptables without its kernel modules",
      {
        nft: {
          code: 1,
          stderr:
            `Warning: Extension addrtype revision 0 not supported, missing kernel module?\n${UNCOMMITTED}`,
        },
        check: {},
      },
      "nftables",
      [NFT, "nft -c -f -"],
    ],
    [
      "iptables without a nat table",
      {
        nft: { code: 1, stderr: "iptables-nft-restore: Failed to initialize nft: Protocol not supported\n" },
        legacy: { code: 3, stderr: "iptables-restore: line 1 failed\n" },
        check: {},
      },
      "nftables",
      [NFT, "iptables-legacy-restore --noflush -w 5", "nft -c -f -"],
    ],
  ];
  for (const [name, host, backend, commands] of cases) {
    await t.step(name, async () => {
      const found = await chooseOn(host);
      assertEquals([found.backend, found.commands], [backend, commands]);
    });
  }
});

Deno.test("chooseBackend() gives the tools' own words as the reason", async () => {
  const { reason } = await chooseOn({
    legacy: { code: 3, stderr: "iptables-restore: line 1 failed\n" },
    check: {},
  });
  assertEquals(
    reason,
    "iptables-nft is not installed; iptables-legacy cannot work: iptables-restore: line 1 failed: *nat",
  );
});

Deno.test("chooseBackend() gives the first complaint as the reason, but no warning, and the line that it is about", async (t) => {
  const cases: [stderr: string, said: string][] = [
    ["\n# Warning: x\n  first one \nsecond one\n", "first one"],
    ["# Warning: x\n", "it said nothing"],
    ["", "it said nothing"],
    ["iptables-restore: line 3 failed", "iptables-restore: line 3 failed: -A POSTROUTING -m comment"],
    ["Error occurred at line: 2", "Error occurred at line: 2"],
    ["iptables-restore: line 30 failed", "iptables-restore: line 30 failed"],
  ];
  for (const [stderr, said] of cases) {
    await t.step(said, async () => {
      const { reason } = await chooseOn({ legacy: { code: 3, stderr }, check: {} });
      assertStringIncludes(
        `${reason};`,
        `iptables-legacy cannot work: ${said}${said.endsWith("comment") ? "" : ";"}`,
      );
    });
  }
});

Deno.test("chooseBackend() says what was tried where nothing works", async () => {
  await assertRejects(
    () => chooseOn({ check: { code: 1, stderr: "\nError: Could not process rule: Not supported\nmore\n" } }),
    BackendError,
    "No backend works here: iptables is not installed; nftables cannot work: nft cannot write the rules: exit code 1: Error: Could not process rule: Not supported: load",
  );
});

Deno.test("chooseBackend() takes no command that was killed for a finding", async () => {
  for (let kill = 1; kill <= 4; kill++) {
    const runner: FakeCommandRunner = new FakeCommandRunner(({ name }) => {
      if (runner.commands.length === kill) return new CommandKilledError(name);
      return { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED };
    });
    await assertRejects(
      () => chooseBackend(runner, CHAIN, [rulesetOf("default", "IPv4")]),
      CommandKilledError,
    );
    assertEquals(runner.commands.length, kill);
  }
  const runner = new FakeCommandRunner(({ name }) => name === "nft" ? new CommandKilledError(name) : MISSING);
  await assertRejects(() => chooseBackend(runner, CHAIN, [rulesetOf("default", "IPv4")]), CommandKilledError);
});

Deno.test("chooseBackend() tries the very rules of every family, and writes none", async (t) => {
  const works = { code: 1, stderr: UNCOMMITTED };
  const absent = { code: 1, stderr: "socket: Address family not supported by protocol\n" };
  const incompatible = (table: string) => ({
    code: 1,
    stderr: `iptables-nft-restore: table \`${table}' is incompatible, use 'nft' tool.\n`,
  });
  const otherPriority = {
    ...works,
    stdout: "# Table `nat' contains incompatible base-chains, use 'nft' tool to list them.\n",
  };
  const cases: [
    name: string,
    replies: Readonly<Record<string, Reply>>,
    backend: string,
    commands: string[],
  ][] = [
    ["both are taken", {}, "iptables-nft", ["iptables-nft", "ip6tables-nft"]],
    ["IPv6 is refused", { "ip6tables-nft": incompatible("nat") }, "nftables", [
      "iptables-nft",
      "ip6tables-nft",
      "nft",
      "nft",
    ]],
    ["IPv4's chain has another priority", { "iptables-nft": otherPriority }, "nftables", [
      "iptables-nft",
      "ip6tables-nft",
      "nft",
      "nft",
    ]],
    ["the host has no IPv6", { "ip6tables-nft": absent }, "iptables-nft", ["iptables-nft", "ip6tables-nft"]],
    [
      "the host has neither, say iptables; nft has IPv4",
      { "iptables-nft": absent, "ip6tables-nft": absent, "nft ip6": absent },
      "nftables",
      ["iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy", "nft", "nft"],
    ],
  ];
  for (const [name, replies, backend, commands] of cases) {
    await t.step(name, async () => {
      const runner = new FakeCommandRunner(({ name, input }): Reply => {
        const tool = name.replace("-restore", "");
        if (tool === "nft") return replies[input!.includes("ip6 ") ? "nft ip6" : "nft ip"] ?? { code: 0 };
        return replies[tool] ??
          (tool.endsWith("-legacy") ? absent : { ...works, stdout: "-A POSTROUTING -j X\n" });
      });
      const rulesets = (["IPv4", "IPv6"] as const).map((family) => rulesetOf("rules", family));
      assertEquals((await chooseBackend(runner, CHAIN, rulesets)).backend as string, backend);
      assertEquals(runner.commands.map(({ name }) => name.replace("-restore", "")), commands);
      for (const { name, args, input } of runner.commands) {
        assertStringIncludes(
          input!,
          name.startsWith("ip6") || input!.includes("ip6 ") ? "2001:db8:" : "198.51.100.7",
        );
        assertEquals(
          name === "nft" ? args[0] : input!.match(/COMMIT$/m) === null || /^-S/m.test(input!),
          name === "nft" ? "-c" : true,
        );
      }
    });
  }
  await t.step("a mangle table of nft's says only that nobody knows of a kubelet", async () => {
    const runner = new FakeCommandRunner(({ input }) =>
      input!.includes("*mangle") ? incompatible("mangle") : { ...works, stdout: "-A POSTROUTING -j X\n" }
    );
    const { backend } = await chooseBackend(runner, CHAIN, [rulesetOf("default", "IPv4")]);
    assertEquals([backend, runner.commands.length], ["iptables-nft", 2]);
  });
  await t.step("rules that become too many for iptables", async () => {
    const cidrs = Array.from({ length: 70 }, (_, index) => `10.${index}.0.0/16`);
    const config = configOf({ rules: [{ from: cidrs, to: cidrs, action: "keep" }] });
    const runner = new FakeCommandRunner(() => ({}));
    const ruleset = buildRuleset("IPv4", config, { randomFully: true, toPorts: [] });
    const { backend, reason } = await chooseBackend(runner, CHAIN, [ruleset]);
    assertEquals([backend, runner.commands.map(({ name }) => name)], ["nftables", ["nft"]]);
    assertStringIncludes(reason, "4096");
  });
});
