import { assertEquals } from "@std/assert";
import { Handover } from "../../lib/agent/handover.ts";
import type { BackendName } from "../../lib/backends/backend_name.ts";
import { createBackend } from "../../lib/backends/create_backend.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { CommandNotFoundError } from "../../lib/ports.ts";
import { FakeLogger } from "../fakes/agent.ts";
import { FakeCommandRunner, type Reply } from "../fakes/command_runner.ts";
import { configOf } from "../fakes/config.ts";

const CHAIN = parseChainName("MASQ");
const RULESET = buildRuleset("IPv4", configOf({}), { randomFully: true, toPorts: [] });
const MISSING = new CommandNotFoundError("nft", ["/usr/sbin"]);
const LEGACY_TABLES = "# Warning: iptables-legacy tables present, use iptables-legacy to see them\n";
const OURS = "-P POSTROUTING ACCEPT\n-A POSTROUTING -j MASQ\n-N MASQ\n";
const NOTHING = "-P POSTROUTING ACCEPT\n";

/** What stands on a host: `has` by command, where the agent's rules are not; the rest is empty. */
interface Host {
  readonly has?: Readonly<Record<string, string>>;
  readonly missing?: readonly string[];
  readonly legacyTables?: boolean;
  /** Commands that refuse to write. */
  readonly refusing?: readonly string[];
  readonly unreadable?: readonly string[];
  readonly version?: string;
}

/** Syncs with a backend and hands over; returns the commands of the handover, with what they do. */
async function handOver(active: BackendName, host: Host, rounds = 1) {
  const logger = new FakeLogger();
  const commands: string[] = [];
  const runner = new FakeCommandRunner(({ name, args, input }): Reply => {
    const isWrite = name === "nft" ? args.includes("-f") : /^(?:-D|-A|-F|:)/m.test(input ?? "");
    if (host.missing?.includes(name)) return MISSING;
    if (name === "iptables-legacy-save") {
      commands.push(name);
      return { stdout: host.has?.["iptables-legacy-restore"] === undefined ? "" : ":MASQ - [0:0]\n" };
    }
    commands.push(`${name}${args[0] === "--version" ? " version" : isWrite ? " write" : ""}`);
    if (args[0] === "--version") return { stdout: host.version ?? "iptables-restore v1.8.9 (nf_tables)" };
    if (host.unreadable?.includes(name)) return { code: 1, stderr: "Cannot initialize\n" };
    if (isWrite) return host.refusing?.includes(name) ? { code: 4, stderr: "No\n" } : {};
    if (name === "nft") {
      return host.has?.nft === undefined
        ? { code: 1, stderr: "Error: No such file or directory\n" }
        : { stdout: '{"nftables": []}' };
    }
    return {
      code: host.has?.[name] === undefined ? 1 : 0,
      stdout: host.has?.[name] ?? NOTHING,
      stderr: host.legacyTables && name.includes("-nft") ? LEGACY_TABLES : "",
    };
  });
  const backend = await createBackend(active, "IPv4", CHAIN, runner);
  await backend.plan(RULESET);
  commands.length = 0;
  const handover = new Handover({ chainName: CHAIN, runner, logger });
  const results: boolean[] = [];
  for (let round = 0; round < rounds; round++) results.push(await handover.finish(backend));
  return { commands, results, lines: logger.lines };
}

Deno.test("a handover looks where rules may be, with as few commands as it can", async (t) => {
  const cases: [active: BackendName, host: Host, commands: string[]][] = [
    ["iptables-nft", {}, ["nft"]],
    ["iptables-nft", { legacyTables: true }, ["iptables-legacy-save", "nft"]],
    ["iptables-legacy", {}, ["iptables-nft-restore", "nft"]],
    ["iptables", {}, ["nft"]],
    ["iptables", { version: "iptables v1.6.1" }, ["iptables-nft-restore", "nft"]],
    ["iptables", { version: "iptables v1.6.1", missing: ["nft", "iptables-nft-restore"] }, []],
    ["nftables", {}, ["iptables-nft-restore"]],
    ["nftables", { legacyTables: true }, ["iptables-nft-restore", "iptables-legacy-save"]],
    ["nftables", { missing: ["iptables-nft-restore"] }, ["iptables-legacy-save"]],
    ["nftables", { missing: ["iptables-nft-restore", "iptables-legacy-save"] }, ["iptables-legacy-restore"]],
    [
      "nftables",
      { missing: ["iptables-nft-restore", "iptables-legacy-save", "iptables-legacy-restore"] },
      ["iptables-restore"],
    ],
  ];
  for (const [active, host, commands] of cases) {
    await t.step(`${active} ${JSON.stringify(host)}`, async () => {
      const found = await handOver(active, host, 3);
      // With iptables two looks are taken side by side.
      if (active !== "nftables") found.commands.sort();
      assertEquals([found.commands, found.results, found.lines], [commands, [true, true, true], []]);
    });
  }
});

Deno.test("a handover removes what it finds, once, and says so", async () => {
  const { commands, lines } = await handOver("nftables", {
    has: { "iptables-nft-restore": OURS, "iptables-legacy-restore": OURS },
    legacyTables: true,
  }, 2);
  assertEquals(commands, [
    "iptables-nft-restore",
    "iptables-nft-restore write",
    "iptables-legacy-save",
    "iptables-legacy-restore",
    "iptables-legacy-restore write",
  ]);
  assertEquals(
    lines,
    ["iptables-nft", "iptables-legacy"].map((name) =>
      `I IPv4: removed what ${name} had, now that the rules stand with nftables, table ip ip-masq-agent`
    ),
  );
});

Deno.test("a handover removes the table of nftables", async () => {
  const { commands } = await handOver("iptables-nft", { has: { nft: "" } });
  assertEquals(commands, ["nft", "nft write"]);
});

Deno.test("rules that can't be removed are a failure, tried again each time and said once", async () => {
  const host = { has: { "iptables-nft-restore": OURS }, refusing: ["iptables-nft-restore"] };
  const { commands, results, lines } = await handOver("nftables", host, 8);
  assertEquals([commands.length, results], [16, new Array(8).fill(false)]);
  assertEquals(lines.length, 1);
  assertEquals(
    lines[0]!.startsWith("W IPv4: the rules of iptables-nft still stand and can't be removed: "),
    true,
  );
});

Deno.test("rules in two places that can't be removed are said once each", async () => {
  const commands = ["nft", "iptables-nft-restore"];
  const host = { has: { nft: "", "iptables-nft-restore": OURS }, refusing: commands };
  const { lines } = await handOver("iptables-legacy", host, 4);
  assertEquals(lines.length, 2);
});

Deno.test("a tool that can't read is no failure and is not asked for ever", async () => {
  const { commands, results, lines } = await handOver("iptables-nft", { unreadable: ["nft"] }, 8);
  assertEquals([commands.length, results, lines], [5, new Array(8).fill(true), []]);
});
