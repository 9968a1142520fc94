/**
 * Runs many syncs in one process inside of a sandbox, each with another config than the one before, and prints as JSON
 * how they ended. Arguments: number of rounds.
 *
 * @module
 */
import { Agent } from "../../lib/agent/agent.ts";
import { IptablesBackend } from "../../lib/backends/iptables/iptables_backend.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { ChildProcessRunner } from "../../lib/system/command_runner.ts";
import { FakeConfigSource, FakeLogger } from "../fakes/agent.ts";

const rounds = Number(Deno.args[0]);
const source = new FakeConfigSource();
const logger = new FakeLogger();
const agent = new Agent({
  source,
  backends: [new IptablesBackend("IPv4", parseChainName("IP-MASQ-AGENT"), new ChildProcessRunner())],
  clock: systemClock,
  logger,
  configOptions: { enableIpv6: false, allReservedRanges: false },
  masquerade: { randomFully: true, toPorts: [] },
});

let failures = 0;
for (let round = 1; round <= rounds; round++) {
  source.text = `nonMasqueradeCIDRs: ["10.${round >> 8}.${round & 255}.0/24"]`;
  while ((await agent.cycle()).failures > 0) {
    failures++;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const errors = [...new Set(logger.lines.filter((line) => line.startsWith("E")))];
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ failures, errors })));
