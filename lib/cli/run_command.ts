/** What the program does instead of being the agent -> exit code. */
import { nearest } from "../config/nearest.ts";
import type { AgentOptions } from "./agent_options.ts";
import { commandSource } from "./command_source.ts";
import { COMMANDS } from "./command_definitions.ts";
import { COMMAND_NAMES } from "./command_names.ts";
import { showDifferences } from "./differences.ts";
import { FlagValues } from "./flag_values.ts";
import { parseGoFlags, UsageError } from "./go_flags.ts";
import { EXIT, type System } from "./system.ts";
import { commandUsage, usage } from "./usage.ts";
import { describeVersions } from "./version.ts";

/**
 * Runs the command that `name` names to its end and returns the exit code.
 *
 * @throws {UsageError} There is none, or its flags can't be used.
 */
export async function runCommand(name: string, args: readonly string[], system: System): Promise<number> {
  const command = COMMANDS.find((it) => it.name === name);
  if (command === undefined) throw unknownCommand(name);
  const flags = new FlagValues(parseGoFlags(args, command.flags), command.flags);
  if (flags.boolean("help")) {
    system.printOut(commandUsage(command));
    return EXIT.done;
  }
  const [word] = flags.words;
  if (word !== undefined && command.operands === "") {
    throw new UsageError(`Unexpected "${word}": ${name} takes flags only, see ${name} --help`);
  }
  // It asks the running agent first, and gives up the permission then.
  if (name !== "status") system.revokeNetwork();
  return await command.execute(flags, system);
}

/** Runs `--help`, `--version` or `--dry-run`, which are commands in the shape of a flag, and returns the exit code. */
export async function runFlagCommand(options: AgentOptions, system: System): Promise<number> {
  if (options.showHelp) {
    system.printOut(usage());
    return EXIT.done;
  }
  if (options.showVersion) {
    system.printOut(await describeVersions(system.build, system.runner));
    return EXIT.done;
  }
  system.revokeNetwork();
  const source = commandSource(system, options.configPaths);
  const { changed, failures } = await showDifferences(source, options, system);
  if (changed + failures === 0) system.printError("Nothing to change\n");
  return failures > 0 ? EXIT.failed : EXIT.done;
}

function unknownCommand(word: string): UsageError {
  const meant = nearest(word, COMMAND_NAMES);
  const hint = meant === undefined
    ? `there are ${COMMAND_NAMES.join(", ")}; without one, the agent runs`
    : `did you mean "${meant}"?`;
  return new UsageError(`Unknown command "${word}": ${hint}`);
}
