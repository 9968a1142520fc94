/** argv -> exit code. Puts the parts together; what touches the machine comes in as arguments. */
import { type AgentOptions, parseAgentOptions } from "./agent_options.ts";
import { UsageError } from "./go_flags.ts";
import { runAgent } from "./run_agent.ts";
import { EXIT, type System } from "./system.ts";
import { usage } from "./usage.ts";

/** Runs the program to its end and returns the exit code. */
export async function run(args: readonly string[], system: System): Promise<number> {
  let options: AgentOptions;
  try {
    options = parseAgentOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    system.printError(`ip-masq-agent: ${error.message}\n`);
    return EXIT.badInput;
  }
  if (options.showHelp) {
    system.printOut(usage());
    return EXIT.done;
  }
  if (options.showVersion) {
    system.printOut(`ip-masq-agent ${system.version}\n`);
    return EXIT.done;
  }
  if (options.metricsHost === undefined || options.once) system.revokeNetwork();
  return await runAgent(options, system);
}
