/** Where a command reads its config from. */
import type { ConfigSource } from "../ports.ts";
import type { System } from "./system.ts";

/** The source of a path, `-` for standard input, which a command can read where a file is closed to the program. */
export function commandSource(system: System, path: string): ConfigSource {
  const source = system.createConfigSource(path);
  return {
    path: source.path,
    read: async () => {
      const reading = await source.read();
      return "unreadable" in reading && reading.isOutside
        ? { unreadable: `${reading.unreadable}, or give it as standard input, with "-" as the path` }
        : reading;
    },
  };
}
