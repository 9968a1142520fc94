import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BackendError } from "../../lib/backends/backend.ts";
import { chooseBackend } from "../../lib/backends/choose.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { CommandKilledError, CommandNotFoundError } from "../../lib/ports.ts";
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
    if (input?.includes("IP-MASQ-PROBE")) {
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
  return { ...await chooseBackend(runner, CHAIN), commands };
}

const NFT = "iptables-nft-restore --noflush -w 5";

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
      },
      "iptables-legacy",
      [NFT, "iptables-legacy-save"],
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
      "our own rules say nothing: four processes",
      {
        nft: { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED, stdout: "-A POSTROUTING -m comment -j MASQ\n" },
        nftRules: "-A POSTROUTING -j MASQ\n-A MASQ -j MASQUERADE\n",
        legacySave: "*nat\n:MASQ - [0:0]\nCOMMIT\n",
        version: "iptables-restore v1.8.9 (legacy)",
      },
      "iptables-legacy",
      [NFT, "iptables-legacy-save", NFT, "iptables-restore --version"],
    ],
    [
      "more rules in legacy",
      {
        nft: { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED },
        nftRules: "-A FORWARD -j ACCEPT\n",
        legacySave: "-A FORWARD -j ACCEPT\n-A INPUT -j DROP\n",
      },
      "iptables-legacy",
      [NFT, "iptables-legacy-save", NFT],
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
    ["iptables-restore: line 3 failed", "iptables-restore: line 3 failed: -A IP-MASQ-PROBE -m comment"],
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
    "No backend works here: iptables is not installed; nftables cannot work: Error: Could not process rule: Not supported: install",
  );
});

Deno.test("chooseBackend() takes no command that was killed for a finding", async () => {
  for (let kill = 1; kill <= 4; kill++) {
    const runner: FakeCommandRunner = new FakeCommandRunner(({ name }) => {
      if (runner.commands.length === kill) return new CommandKilledError(name);
      return { code: 1, stderr: LEGACY_TABLES + UNCOMMITTED };
    });
    await assertRejects(() => chooseBackend(runner, CHAIN), CommandKilledError);
    assertEquals(runner.commands.length, kill);
  }
  const runner = new FakeCommandRunner(({ name }) => name === "nft" ? new CommandKilledError(name) : MISSING);
  await assertRejects(() => chooseBackend(runner, CHAIN), CommandKilledError);
});
