/** Files -> one config: decode, parse, merge, resolve. */
import {
  type ConfigOptions,
  type ConfigSettings,
  type KeyName,
  makeSettings,
  type MasqConfig,
} from "./config.ts";
import { decodeConfig, LARGEST_CONFIG } from "./decode.ts";
import { MOST_VALUES } from "./document.ts";
import { findIpv6Gap } from "./ipv6_gap.ts";
import { parseConfig } from "./parse_config.ts";
import type { ConfigFile } from "../ports.ts";
import { ConfigError, type ConfigProblem, type Origin, sortProblems } from "./problem.ts";
import { resolveConfig } from "./resolve_config.ts";

/** A good config and what is odd about it. */
export interface LoadedConfig {
  readonly config: MasqConfig;
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Makes one config of all files; no file at all gives the defaults.
 *
 * @throws {ConfigError} A file is bad, which makes the whole set bad; it carries every error and warning.
 */
export function loadConfig(files: readonly ConfigFile[], options: ConfigOptions): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const settings: ConfigSettings[] = [];
  let [total, values] = [0, 0];
  for (const { name, bytes } of files) {
    total += bytes.length;
    try {
      if (total > LARGEST_CONFIG && total > bytes.length) {
        throw new RangeError("with the files before it, it is over 16 MiB, and no config is");
      }
      const parsed = parseConfig(decodeConfig(bytes), name);
      values += parsed.size;
      if (values > MOST_VALUES && values > parsed.size) {
        throw new RangeError(`with the files before it, it has over ${MOST_VALUES} values`);
      }
      settings.push(parsed.settings);
      problems.push(...parsed.problems);
    } catch (error) {
      problems.push({
        severity: "error",
        origin: { file: name, key: "" },
        message: (error as Error).message,
      });
    }
  }
  const resolved = resolveConfig(mergeSettings(settings), options);
  problems.push(...resolved.problems);
  const isBad = problems.some(({ severity }) => severity === "error");
  const gap = isBad ? undefined : findIpv6Gap(resolved.config, options);
  if (gap !== undefined) problems.push(gap);
  const order = files.map(({ name }) => name);
  const sorted = sortProblems(problems).sort((a, b) => indexOf(order, a) - indexOf(order, b));
  if (isBad) throw new ConfigError(sorted);
  return { config: resolved.config, warnings: sorted };
}

/** Merges settings in the order of their files, each key by its own rule. A key that no file sets stays unset. */
export function mergeSettings(files: readonly ConfigSettings[]): ConfigSettings {
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0) return only;
  const origins = new Map<KeyName, Origin>();
  const settings = makeSettings(({ name, merge }) => {
    const setting = files.filter((file) => file[name] !== undefined);
    if (setting.length === 0) return undefined;
    const merged = merge(setting.map((file) => file[name]));
    const decisive = setting.find((file) => file[name] === merged) ?? setting[0];
    const origin = decisive?.origins?.get(name);
    if (origin !== undefined) origins.set(name, origin);
    return merged;
  });
  return { ...settings, origins };
}

function indexOf(order: readonly string[], { origin }: ConfigProblem): number {
  return origin.file === undefined ? order.length : order.indexOf(origin.file);
}
