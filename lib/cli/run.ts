/** argv -> exit code. Puts the parts together; what touches the machine comes in as arguments. */
import { ConfigError } from "../config/problem.ts";
import { CommandError } from "../ports.ts";
import { parseAgentOptions } from "./agent_options.ts";
import { UsageError } from "./go_flags.ts";
import { runAgent } from "./run_agent.ts";
import { EXIT, type System } from "./system.ts";

/** Runs the program to its end and returns the exit code. */
export async function run(args: readonly string[], system: System): Promise<number> {
  try {
    const [word, ...others] = args;
    if (word === "help") return await run([...others, "--help"], system);
    if (word === undefined || !/^[A-Za-z]/.test(word)) return await runFlags(args, system);
    // All of the commands' code, which the agent need not pay for.
    const { runCommand } = await import("./run_command.ts");
    return await runCommand(word, others, system);
  } catch (error) {
    if (error instanceof ConfigError) system.printError(`${error.message}\n`);
    else if (error instanceof UsageError || error instanceof CommandError) {
      system.printError(`ip-masq-agent: ${error.message}\n`);
    } else throw error;
    return error instanceof CommandError ? EXIT.failed : EXIT.badInput;
  }
}

async function runFlags(args: readonly string[], system: System): Promise<number> {
  const options = parseAgentOptions(args);
  if (!options.showHelp && !options.showVersion && !options.dryRun) return await runAgent(options, system);
  const { runFlagCommand } = await import("./run_command.ts");
  return await runFlagCommand(options, system);
}
