/** A source -> the config that it gives now. */
import { loadConfig, type LoadedConfig } from "../config/load_config.ts";
import { ConfigError } from "../config/problem.ts";
import type { ConfigOptions } from "../config/resolve_config.ts";
import type { ConfigReading, ConfigSource } from "../system/config_source.ts";

/**
 * Reads and loads the config.
 *
 * @throws {ConfigError} It can't be read, or is bad.
 */
export async function readConfig(source: ConfigSource, options: ConfigOptions): Promise<LoadedConfig> {
  return loadReading(source.path, await source.read(), options);
}

/**
 * Loads what was read from `path`.
 *
 * @throws {ConfigError} It could not be read, or is bad.
 */
export function loadReading(path: string, reading: ConfigReading, options: ConfigOptions): LoadedConfig {
  if ("files" in reading) return loadConfig(reading.files, options);
  throw new ConfigError([{
    severity: "error",
    origin: { file: path, key: "" },
    message: `cannot be read: ${reading.unreadable}`,
  }]);
}
