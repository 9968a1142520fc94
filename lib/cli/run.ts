/** argv -> exit code. Puts the parts together; what touches the machine comes in as arguments. */
import { BackendError } from "../backends/backend.ts";
import { nearest } from "../config/nearest.ts";
import { ConfigError } from "../config/problem.ts";
import { parseAgentOptions } from "./agent_options.ts";
import { type CommandDefinition, COMMANDS } from "./command_definitions.ts";
import { FlagValues } from "./flag_values.ts";
import { parseGoFlags, UsageError } from "./go_flags.ts";
import { runAgent } from "./run_agent.ts";
import { EXIT, type System } from "./system.ts";

/** Runs the program to its end and returns the exit code. */
export async function run(args: readonly string[], system: System): Promise<number> {
  try {
    const [word, ...others] = args;
    if (word === "help") return await run([...others, "--help"], system);
    if (word === undefined || !/^[A-Za-z]/.test(word)) return await runFlags(args, system);
    const command = COMMANDS.find(({ name }) => name === word);
    if (command === undefined) throw unknownCommand(word);
    return await runCommand(command, others, system);
  } catch (error) {
    if (error instanceof ConfigError) system.printError(`${error.message}\n`);
    else if (error instanceof UsageError || error instanceof BackendError) {
      system.printError(`ip-masq-agent: ${error.message}\n`);
    } else throw error;
    return error instanceof BackendError ? EXIT.failed : EXIT.badInput;
  }
}

async function runFlags(args: readonly string[], system: System): Promise<number> {
  const options = parseAgentOptions(args);
  if (options.showHelp) {
    const { usage } = await import("./usage.ts");
    system.printOut(usage());
    return EXIT.done;
  }
  if (options.showVersion) {
    const { describeVersions } = await import("./version.ts");
    system.printOut(await describeVersions(system.build, system.runner));
    return EXIT.done;
  }
  if (options.dryRun) {
    system.revokeNetwork();
    const { showDifferences } = await import("./differences.ts");
    const { changed, failures } = await showDifferences(
      system.createConfigSource(options.configPath),
      options,
      system,
    );
    if (changed + failures === 0) system.printError("Nothing to change\n");
    return failures > 0 ? EXIT.failed : EXIT.done;
  }
  return await runAgent(options, system);
}

async function runCommand(
  command: CommandDefinition,
  args: readonly string[],
  system: System,
): Promise<number> {
  const flags = new FlagValues(parseGoFlags(args, command.flags), command.flags);
  if (flags.boolean("help")) {
    const { commandUsage } = await import("./usage.ts");
    system.printOut(commandUsage(command));
    return EXIT.done;
  }
  const [word] = flags.words;
  if (word !== undefined && command.operands === "") {
    throw new UsageError(
      `Unexpected "${word}": ${command.name} takes flags only, see ${command.name} --help`,
    );
  }
  system.revokeNetwork();
  const execute = await command.load();
  return await execute(flags, system);
}

function unknownCommand(word: string): UsageError {
  const names = COMMANDS.map(({ name }) => name);
  const meant = nearest(word, names);
  const hint = meant === undefined
    ? `there are ${names.join(", ")}; without one, the agent runs`
    : `did you mean "${meant}"?`;
  return new UsageError(`Unknown command "${word}": ${hint}`);
}
