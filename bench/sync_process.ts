/**
 * Syncs again and again in one process where there is nothing to do, and prints the milliseconds of CPU that one sync
 * took, of this process and its children. Arguments: the variant of iptables, and how often.
 *
 * @module
 */
import { Agent } from "../lib/agent/agent.ts";
import { IptablesBackend } from "../lib/backends/iptables/iptables_backend.ts";
import { parseChainName } from "../lib/config/chain_name.ts";
import { LARGEST_CONFIG } from "../lib/config/decode.ts";
import { systemClock } from "../lib/system/clock.ts";
import { ChildProcessRunner } from "../lib/system/command_runner.ts";
import { FileConfigSource } from "../lib/system/config_source.ts";
import { createLogger } from "../lib/system/logger.ts";
import { cpuTimeOf } from "./cpu_time.ts";

const [variant, times] = [Deno.args[0] as "nft" | "legacy", Number(Deno.args[1])];
const agent = new Agent({
  source: new FileConfigSource("/etc/config/ip-masq-agent", LARGEST_CONFIG),
  backends: [
    new IptablesBackend(
      "IPv4",
      parseChainName("IP-MASQ-AGENT"),
      new ChildProcessRunner(),
      `iptables-${variant}`,
    ),
  ],
  clock: systemClock,
  logger: createLogger({ verbosity: 0, skipHeaders: true, logFormat: "text" }, (line) => {
    Deno.stderr.writeSync(new TextEncoder().encode(line));
  }),
  configOptions: { enableIpv6: false, allReservedRanges: false },
  masquerade: { randomFully: true, toPorts: [] },
});

async function sync(count: number): Promise<void> {
  for (let time = 0; time < count; time++) {
    if ((await agent.cycle()).failures > 0) throw new Error("A sync failed, see above");
  }
}

await sync(Math.max(50, times / 4));
const before = cpuTimeOf(Deno.pid);
await sync(times);
Deno.stdout.writeSync(new TextEncoder().encode(String((cpuTimeOf(Deno.pid) - before) / times)));
