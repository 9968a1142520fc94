/** Where a command reads its config from. */
import type { ConfigSource } from "../ports.ts";
import { createSource } from "./config_paths.ts";
import type { System } from "./system.ts";

/**
 * The source of the paths, `-` for standard input, which a command can read where a file is closed to the program.
 * Of several paths it says on standard error which one it took where that is not the first, unless `saysPath` is false.
 */
export function commandSource(
  system: System,
  paths: readonly string[],
  { saysPath = true } = {},
): ConfigSource {
  const source = createSource(system, paths);
  return {
    get path() {
      return source.path;
    },
    read: async () => {
      const reading = await source.read();
      if ("unreadable" in reading) {
        return reading.isOutside
          ? { unreadable: `${reading.unreadable}, or give it as standard input, with "-" as the path` }
          : reading;
      }
      if (saysPath && source.path !== paths[0] && paths.length > 1) {
        const what = reading.files.length > 0 ? source.path : `none at ${source.path}, so the defaults`;
        system.printError(`Config: ${what}\n`);
      }
      return reading;
    },
  };
}
