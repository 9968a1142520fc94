/**
 * Syncs again and again in one process where there is nothing to do, and prints the milliseconds of CPU that one sync
 * took, of this process and its children. Arguments: the variant of iptables, and how often.
 *
 * @module
 */
import { LARGEST_CONFIG } from "../lib/config/decode.ts";
import { FileConfigSource } from "../lib/system/config_source.ts";
import { createLogger } from "../lib/system/logger.ts";
import { createRealAgent } from "../tests/fakes/real_agent.ts";
import { cpuTimeOf } from "./cpu_time.ts";

const [variant, times] = [Deno.args[0] as "nft" | "legacy", Number(Deno.args[1])];
const logger = createLogger({ verbosity: 0, skipHeaders: true, logFormat: "text" }, (line) => {
  Deno.stderr.writeSync(new TextEncoder().encode(line));
});
const source = new FileConfigSource("/etc/config/ip-masq-agent", LARGEST_CONFIG);
const agent = createRealAgent(source, logger, `iptables-${variant}`);

async function sync(count: number): Promise<void> {
  for (let time = 0; time < count; time++) {
    if ((await agent.cycle()).failures > 0) throw new Error("A sync failed, see above");
  }
}

await sync(Math.max(50, times / 4));
const before = cpuTimeOf(Deno.pid);
await sync(times);
Deno.stdout.writeSync(new TextEncoder().encode(String((cpuTimeOf(Deno.pid) - before) / times)));
