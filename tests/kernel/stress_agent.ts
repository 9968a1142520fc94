/**
 * Runs many syncs in one process inside of a sandbox, each with another config than the one before, and prints as JSON
 * the errors that it logged. Arguments: number of rounds.
 *
 * @module
 */
import { FakeConfigSource, FakeLogger } from "../fakes/agent.ts";
import { createRealAgent } from "../fakes/real_agent.ts";

const rounds = Number(Deno.args[0]);
const source = new FakeConfigSource();
const logger = new FakeLogger();
const agent = createRealAgent(source, logger);

for (let round = 1; round <= rounds; round++) {
  source.text = `nonMasqueradeCIDRs: ["10.${round >> 8}.${round & 255}.0/24"]`;
  while ((await agent.cycle()).failures > 0) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
const errors = [...new Set(logger.lines.filter((line) => line.startsWith("E")))];
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(errors)));
