/**
 * What a new connection costs with each backend, and what a config of 100,000 CIDRs costs the agent. Everything runs
 * in throwaway namespaces; at most 40,000 flows and one second a round. Writes bench/flows.json and docs/flows.svg,
 * and fails where a figure misses its bar.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { expandRuleset } from "../lib/backends/iptables/chain_rule.ts";
import { formatInstallText } from "../lib/backends/iptables/restore_text.ts";
import { parseChainName } from "../lib/config/chain_name.ts";
import { buildRuleset } from "../lib/rules/ruleset.ts";
import { configOf } from "../tests/fakes/config.ts";
import { createHosts } from "../tests/sandbox/network.ts";
import { runScript, V8_FLAGS } from "../tests/sandbox/run_script.ts";
import { Sandbox, type Variant } from "../tests/sandbox/sandbox.ts";
import { formatChart } from "./chart.ts";

const BACKENDS = ["iptables-nft", "iptables-legacy", "nftables"] as const;
const CIDRS = [3, 64, 1_000, 10_000];
const CHAIN = parseChainName("IP-MASQ-AGENT");
const ROUNDS = 7;
const MOST_FLOWS = 40_000;
const MOST_MILLISECONDS = 1_000;

const path = (relative: string) => fromFileUrl(new URL(relative, import.meta.url));
const say = (line = "") => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

type Backend = typeof BACKENDS[number];

/** A node with rules, and the rates that were measured on it. */
interface Node {
  readonly backend: Backend;
  readonly cidrs: number;
  readonly isOneChain: boolean;
  readonly sandbox: Sandbox;
  /** New flows per second, one for each round. */
  readonly rates: number[];
}

/**
 * A pod, a node with rules for `cidrs` destinations that no packet goes to, and an outside that drops what it gets.
 * The destinations are between those of the packets, for rules far from them would be passed by too easily. On demand
 * they are in one chain, whatever their number, to show what sub-chains are good for.
 */
async function createNode(backend: Backend, cidrs: number, isOneChain = false): Promise<Node> {
  const sandbox = await Sandbox.create();
  await createHosts(sandbox);
  await sandbox.sh("ip route add blackhole 198.18.0.0/15", "outside");
  const entries = Array.from({ length: cidrs }, (_, index) => {
    const block = index * 7919 % 0x4000;
    return `198.${18 + (block >> 13)}.${block >> 5 & 255}.${(block & 31) * 8}/30`;
  });
  const config = { nonMasqueradeCIDRs: entries, cidrLimit: cidrs };
  await sandbox.writeConfig(JSON.stringify(config));
  const ruleset = buildRuleset("IPv4", configOf(config), { randomFully: true, toPorts: [] });
  const { code, stderr } = isOneChain
    ? await sandbox.run(`${backend}-restore`, ["--noflush"], {
      input: formatInstallText(CHAIN, new Map([[CHAIN, expandRuleset(ruleset)]])),
    })
    : await sandbox.agent("--once", `--backend=${backend}`);
  if (code !== 0) throw new Error(stderr);
  return { backend, cidrs, isOneChain, sandbox, rates: [] };
}

/** Sends flows from the pod and counts those that arrive outside, with the source address of the node. */
async function measure({ sandbox, rates }: Node): Promise<void> {
  const before = await received(sandbox);
  const args = ["run", "--no-config", "--quiet", "--allow-ffi", path("../tests/sandbox/udp_sender.ts")];
  const limits = [10_000 + rates.length, MOST_FLOWS, MOST_MILLISECONDS].map(String);
  // With priority, where that is allowed: other work on the machine is not what is to be measured.
  const command = ["-n", "-15", Deno.execPath(), ...args, ...limits];
  const { code, stdout, stderr } = await sandbox.run("nice", command, { netns: "pod" });
  if (code !== 0) throw new Error(stderr);
  const { sent, milliseconds }: { sent: number; milliseconds: number } = JSON.parse(stdout);
  const arrived = await received(sandbox) - before;
  if (arrived < sent * 0.95) throw new Error(`Only ${arrived} of ${sent} flows arrived`);
  rates.push(Math.min(arrived, sent) / milliseconds * 1_000);
}

async function received(sandbox: Sandbox): Promise<number> {
  const [link] = JSON.parse(await sandbox.sh("ip -s -j link show eth0", "outside"));
  return link.stats64.rx.packets;
}

/** By number of CIDRs; for the most of them also with one chain. */
async function measureFlows(): Promise<[Record<Backend, number[]>, Record<Variant, number>]> {
  const nodes: Node[] = [];
  try {
    for (const backend of BACKENDS) {
      for (const cidrs of CIDRS) nodes.push(await createNode(backend, cidrs));
      if (backend !== "nftables") nodes.push(await createNode(backend, CIDRS.at(-1)!, true));
    }
    // Round by round, so that a busy moment of the machine does not hit one backend only.
    for (let round = 0; round < ROUNDS; round++) {
      for (const node of nodes) await measure(node);
    }
    const rates = (backend: Backend, isOneChain = false) =>
      nodes.filter((node) => node.backend === backend && node.isOneChain === isOneChain)
        .map((node) => Math.round(Math.max(...node.rates)));
    return [{
      "iptables-nft": rates("iptables-nft"),
      "iptables-legacy": rates("iptables-legacy"),
      "nftables": rates("nftables"),
    }, { nft: rates("iptables-nft", true)[0]!, legacy: rates("iptables-legacy", true)[0]! }];
  } finally {
    for (const { sandbox } of nodes) await sandbox[Symbol.asyncDispose]();
  }
}

async function measureLargeConfig(): Promise<Record<string, number>> {
  await using sandbox = await Sandbox.create();
  return JSON.parse(await runScript(sandbox, "bench/large_config.ts", V8_FLAGS));
}

const [flows, oneChain] = await measureFlows();
say(`New UDP flows per second through a node, the best of ${ROUNDS} rounds`);
say(["CIDRs".padStart(8), ...BACKENDS.map((name) => name.padStart(16))].join(""));
for (const [index, cidrs] of CIDRS.entries()) {
  say(
    [String(cidrs).padStart(8), ...BACKENDS.map((name) => String(flows[name][index]).padStart(16))].join(""),
  );
}
say(`10,000 in one chain ${oneChain.nft} with iptables-nft, ${oneChain.legacy} with iptables-legacy`);
const largeRuns = [await measureLargeConfig(), await measureLargeConfig(), await measureLargeConfig()];
const large = largeRuns.toSorted((a, b) => a.parseMs! + a.nftMs! - b.parseMs! - b.nftMs!)[1]!;
say();
say("A config of 100,000 CIDRs, the middle one of three runs");
for (const [name, value] of Object.entries(large)) say(`${name.padStart(16)} ${Math.round(value)}`);

const chain = flows["iptables-nft"];
const legacyChain = flows["iptables-legacy"];
const set = flows.nftables;
const pureMs = large.parseMs! + large.buildAndTextMs!;
const bars: [name: string, value: number, bar: string, holds: boolean][] = [
  ["nftables at 10,000 against itself at 3", set[3]! / set[0]!, ">= 0.7", set[3]! >= 0.7 * set[0]!],
  [
    "iptables-nft at 10,000 against one chain",
    chain[3]! / oneChain.nft,
    ">= 10",
    chain[3]! >= 10 * oneChain.nft,
  ],
  [
    "iptables-legacy at 10,000 against one chain",
    legacyChain[3]! / oneChain.legacy,
    ">= 10",
    legacyChain[3]! >= 10 * oneChain.legacy,
  ],
  ["nftables against iptables-nft at 64", set[1]! / chain[1]!, ">= 1", set[1]! >= chain[1]!],
  ["100,000 CIDRs: parse to text, seconds", pureMs / 1_000, "<= 1.5", pureMs <= 1_500],
  ["100,000 CIDRs: memory, MiB", large.memoryMib!, "<= 400", large.memoryMib! <= 400],
  [
    "100,000 CIDRs: with nft -f, seconds",
    (pureMs + large.nftMs!) / 1_000,
    "<= 4",
    pureMs + large.nftMs! <= 4_000,
  ],
];
say();
for (const [name, value, bar, holds] of bars) {
  say(`${holds ? "ok    " : "MISSED"} ${name.padEnd(43)} ${value.toFixed(2)} (${bar})`);
}

const figures = { cidrs: CIDRS, flowsPerSecond: flows, oneChainPerSecond: oneChain, largeConfig: large };
await Deno.writeTextFile(path("flows.json"), `${JSON.stringify(figures, undefined, 2)}\n`);
const chart = formatChart({
  title: "New flows per second through a node, by number of CIDRs",
  series: BACKENDS,
  groups: CIDRS.map((cidrs, index) => ({
    label: `${cidrs.toLocaleString("en")} CIDRs`,
    values: BACKENDS.map((name) => flows[name][index]!),
  })),
  formatValue: (value) => `${Math.round(value / 1000)}k`,
});
await Deno.writeTextFile(path("../docs/flows.svg"), chart);
Deno.exitCode = bars.every(([, , , holds]) => holds) ? 0 : 1;
