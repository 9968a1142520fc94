/** The values of flags, given or by default, in the types that they stand for. */
import { type BackendChoice, parseBackendChoice } from "../backends/backend_name.ts";
import { type ChainName, parseChainName } from "../config/chain_name.ts";
import { nearest } from "../config/nearest.ts";
import { hasControlCharacters } from "../config/printable.ts";
import { parsePortRanges, type PortRange } from "../config/port_range.ts";
import { DEFAULT_CONFIG_PATHS } from "./config_paths.ts";
import type { FlagDefinition } from "./flag_definitions.ts";
import { type ParsedFlags, parseGoBoolean, UsageError } from "./go_flags.ts";

/** Reads the flags of one command line. Each name must be one of the definitions'. */
export class FlagValues {
  /** The words that are no flags. */
  readonly words: readonly string[];
  readonly #values: ReadonlyMap<string, string>;
  readonly #definitions: readonly FlagDefinition[];

  constructor({ values, words }: ParsedFlags, definitions: readonly FlagDefinition[]) {
    this.words = words;
    this.#values = values;
    this.#definitions = definitions;
  }

  /** Whether the flag was given. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The value as text. */
  text(name: string): string {
    return this.#values.get(name) ?? this.#definitions.find((flag) => flag.name === name)!.defaultValue;
  }

  /** The value of a boolean flag. */
  boolean(name: string): boolean {
    return parseGoBoolean(this.text(name)) === true;
  }

  /**
   * The value as `parse` reads it.
   *
   * @throws {UsageError} It can't; the message says which flag it is about.
   */
  parsed<T>(name: string, parse: (text: string) => T): T {
    try {
      return parse(this.text(name));
    } catch (error) {
      throw new UsageError(`--${name}: ${(error as Error).message}`);
    }
  }

  /**
   * The value, which must be one of `choices`.
   *
   * @throws {UsageError} It is not.
   */
  choice<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.text(name);
    const choice = choices.find((it) => it === value);
    if (choice !== undefined) return choice;
    const meant = nearest(value, choices);
    const hint = meant === undefined ? `write one of ${choices.join(", ")}` : `did you mean "${meant}"?`;
    throw new UsageError(`--${name}: "${value}" is not known: ${hint}`);
  }
}

/** The flags that decide about rules, which the agent shares with the commands. */
export interface RuleOptions {
  /** What `--config-path` names, or the usual places, of which the first that has a config counts. */
  readonly configPaths: readonly string[];
  readonly enableIpv6: boolean;
  readonly chainName: ChainName;
  readonly allReservedRanges: boolean;
  readonly resyncSeconds: number | undefined;
  readonly randomFully: boolean;
  readonly toPorts: readonly PortRange[];
}

/**
 * Reads the flags that decide about rules.
 *
 * @param parseConfigPath Checks `--config-path`.
 * @throws {UsageError} One of them has a bad value.
 */
export function readRuleOptions(
  flags: FlagValues,
  parseConfigPath: (text: string) => string = parseInputPath,
): RuleOptions {
  return {
    configPaths: readConfigPaths(flags, parseConfigPath),
    enableIpv6: flags.boolean("enable-ipv6"),
    chainName: flags.parsed("masq-chain", parseChainName),
    allReservedRanges: flags.boolean("nomasq-all-reserved-ranges"),
    resyncSeconds: flags.parsed("resync-interval", parseSeconds),
    randomFully: flags.boolean("random-fully"),
    toPorts: flags.parsed("to-ports", parsePortRanges),
  };
}

/**
 * Reads the flags of a command that looks into the kernel.
 *
 * @throws {UsageError} One of them has a bad value.
 */
export function readBackendOptions(flags: FlagValues): RuleOptions & { readonly backend: BackendChoice } {
  return { ...readRuleOptions(flags), backend: flags.parsed("backend", parseBackendChoice) };
}

/**
 * Reads `--config-path`; the usual places where it is not given.
 *
 * @throws {UsageError} `parse` refuses it.
 */
export function readConfigPaths(flags: FlagValues, parse: (text: string) => string): readonly string[] {
  return flags.has("config-path") ? [flags.parsed("config-path", parse)] : DEFAULT_CONFIG_PATHS;
}

function parseSeconds(text: string): number | undefined {
  if (text === "") return undefined;
  if (Number(text) >= 1) return Number(text);
  throw new RangeError(`${text} is too short: the shortest is 1 second`);
}

/**
 * Checks the path of a config that a command is to read, `-` for standard input.
 *
 * @throws {SyntaxError} It is empty or has control characters.
 */
export function parseInputPath(text: string): string {
  if (text === "") throw new SyntaxError('a path may not be empty: write "-" for standard input');
  if (hasControlCharacters(text)) throw new SyntaxError("a path may not have control characters");
  return text;
}
