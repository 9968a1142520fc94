/**
 * From the bytes of a config of 100,000 CIDRs to the text for nft, and through nft into the kernel of the namespace
 * that it runs in. Prints as JSON how long each step took in milliseconds, and the most memory in MiB.
 *
 * @module
 */
import { buildNftTable } from "../lib/backends/nftables/nft_table.ts";
import { formatChange } from "../lib/backends/nftables/nft_text.ts";
import { NftablesBackend } from "../lib/backends/nftables/nftables_backend.ts";
import { loadConfig } from "../lib/config/load_config.ts";
import { buildRuleset } from "../lib/rules/ruleset.ts";
import { ChildProcessRunner } from "../lib/system/command_runner.ts";

const COUNT = 100_000;

const lines = [`cidrLimit: ${COUNT}`, "nonMasqueradeCIDRs:"];
for (let index = 0; index < COUNT; index++) {
  // Every second /28 from 11.0.0.0 on, in an order that is not that of the addresses.
  const address = 0x0b000000 + (index * 7919 % COUNT) * 32;
  lines.push(`- ${[24, 16, 8, 0].map((shift) => address >>> shift & 255).join(".")}/28`);
}
const file = { name: "ip-masq-agent", bytes: new TextEncoder().encode(lines.join("\n")) };

const start = performance.now();
const { config, warnings } = loadConfig([file], {
  enableIpv6: false,
  allReservedRanges: false,
  backend: "nftables",
});
if (warnings.length > 0) throw new Error("The config is not clean");
const loaded = performance.now();
const ruleset = buildRuleset("IPv4", config, { randomFully: true, toPorts: [] });
const text = formatChange(buildNftTable(ruleset), { kind: "replace" });
const formatted = performance.now();
const memory = Number(/VmHWM:\s+(\d+)/.exec(await Deno.readTextFile("/proc/self/status"))?.[1]) / 1024;

const backend = new NftablesBackend("IPv4", new ChildProcessRunner());
const plan = await backend.plan(ruleset);
const planned = performance.now();
await plan.apply();
const applied = performance.now();
if (plan.text !== text) throw new Error("The plan is not what was formatted");
const again = await backend.plan(ruleset);
const checked = performance.now();
await backend.plan(ruleset);
const checkedAgain = performance.now();
if (again.drift.length > 0) throw new Error(`Drift right after writing: ${JSON.stringify(again.drift)}`);

Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({
  cidrs: config.nonMasqueradeCIDRs.length,
  textBytes: text.length,
  parseMs: loaded - start,
  buildAndTextMs: formatted - loaded,
  nftMs: applied - planned,
  firstCheckMs: checked - applied,
  laterCheckMs: checkedAgain - checked,
  memoryMib: memory,
})));
