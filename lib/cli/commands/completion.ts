/** `ip-masq-agent completion`. */
import type { CommandDefinition } from "../command_definitions.ts";
import { completionScript, SHELLS } from "../completion.ts";
import type { FlagValues } from "../flag_values.ts";
import { UsageError } from "../go_flags.ts";
import { EXIT, type System } from "../system.ts";

/** Prints the script for one shell. `commands` are all that there are. */
export function completion(
  flags: FlagValues,
  system: System,
  commands: readonly CommandDefinition[],
): Promise<number> {
  const shell = SHELLS.find((it) => it === flags.words[0]);
  if (shell === undefined || flags.words.length > 1) {
    throw new UsageError(`completion needs one shell: write one of ${SHELLS.join(", ")}`);
  }
  system.printOut(completionScript(shell, commands));
  return Promise.resolve(EXIT.done);
}
