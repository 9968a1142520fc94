/** `ip-masq-agent diff`. */
import { commandSource } from "../command_source.ts";
import { showDifferences } from "../differences.ts";
import { type FlagValues, readBackendOptions } from "../flag_values.ts";
import { EXIT, type System } from "../system.ts";

/** 0 nothing differs, 1 something does, 2 it can't be told, as diff(1). */
export async function diff(flags: FlagValues, system: System): Promise<number> {
  const options = readBackendOptions(flags);
  const source = commandSource(system, options.configPaths);
  const { changed, failures } = await showDifferences(source, options, system);
  return failures > 0 ? EXIT.badInput : changed > 0 ? EXIT.failed : EXIT.done;
}
