/** A source -> the config that it gives now. */
import type { LoadedConfig } from "../config/load_config.ts";
import { ConfigError } from "../config/problem.ts";
import { applyDefaults, type ConfigOptions } from "../config/config.ts";
import { findIpv6Gap } from "../config/ipv6_gap.ts";
import type { ConfigReading, ConfigSource } from "../ports.ts";

/**
 * Reads and loads the config.
 *
 * @throws {ConfigError} It can't be read, or is bad.
 */
export async function readConfig(source: ConfigSource, options: ConfigOptions): Promise<LoadedConfig> {
  const reading = await source.read();
  return await loadReading(source.path, reading, options);
}

/**
 * Loads what was read from `path`; no file at all gives the defaults. The parser, which is much code, is loaded with the
 * first file.
 *
 * @throws {ConfigError} It could not be read, or is bad.
 */
export async function loadReading(
  path: string,
  reading: ConfigReading,
  options: ConfigOptions,
): Promise<LoadedConfig> {
  if ("files" in reading) {
    if (reading.files.length === 0) {
      const config = applyDefaults({}, options);
      const gap = findIpv6Gap(config, options);
      return { config, warnings: gap === undefined ? [] : [gap] };
    }
    const { loadConfig } = await import("../config/load_config.ts");
    return loadConfig(reading.files, options);
  }
  throw new ConfigError([{
    severity: "error",
    origin: { file: path, key: "" },
    message: `cannot be read: ${reading.unreadable}`,
  }]);
}
