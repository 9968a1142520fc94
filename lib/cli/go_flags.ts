/** Command lines as Go's flag packages read them, turned into what @std/cli reads without leniency. */
import { parseArgs } from "@std/cli/parse-args";
import { nearest } from "../config/nearest.ts";
import type { FlagDefinition } from "./flag_definitions.ts";

/** A command line that can't be used. The message is one line and says what to write instead. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Values as they were written, checked against their type; and the words that are no flags. */
export interface ParsedFlags {
  /** The value of each flag that was given, by its name. */
  readonly values: ReadonlyMap<string, string>;
  readonly words: readonly string[];
}

const TRUE = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE = ["0", "f", "F", "false", "FALSE", "False"];

/** Reads a boolean as Go's `strconv.ParseBool` does; undefined for any other text. */
export function parseGoBoolean(text: string): boolean | undefined {
  return TRUE.includes(text) ? true : FALSE.includes(text) ? false : undefined;
}

/**
 * Parses `-flag`, `--flag`, `--flag=value` and `--flag value`; a boolean takes a value only behind `=`. `--` ends the
 * flags. Where a flag is repeated, the last one counts. `-` and `_` are the same within a name, as in pflag.
 *
 * @throws {UsageError} An unknown flag, a missing value, or one of the wrong type.
 */
export function parseGoFlags(args: readonly string[], definitions: readonly FlagDefinition[]): ParsedFlags {
  const flags: string[] = [];
  const names = new Set<string>();
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--") {
      words.push(...args.slice(at + 1));
      break;
    }
    const match = /^--?([^=]*)(?:=(.*))?$/s.exec(arg);
    if (match === null || arg === "-") {
      words.push(arg);
      continue;
    }
    const definition = findFlag(match[1]!, arg, definitions);
    let value = match[2];
    if (value === undefined) {
      if (definition.type === "boolean") value = "true";
      else value = args[++at];
    }
    if (value === undefined || isFlag(value, definitions)) {
      throw new UsageError(`--${definition.name} needs a value: write --${definition.name}=VALUE`);
    }
    checkType(definition, value);
    flags.push(`--${definition.name}=${value}`);
    names.add(definition.name);
  }
  const parsed = parseArgs(flags, { string: [...names] });
  const values = new Map([...names].map((name) => [name, String([parsed[name]].flat().at(-1))]));
  return { values, words };
}

function findFlag(name: string, arg: string, definitions: readonly FlagDefinition[]): FlagDefinition {
  const withHyphens = (text: string) => text.replaceAll("_", "-");
  const wanted = withHyphens(name);
  const definition = definitions.find((it) => withHyphens(it.name) === wanted || it.alias === name);
  if (definition !== undefined) return definition;
  const meant = nearest(name, definitions.map((it) => it.name));
  const hint = meant === undefined ? "see --help" : `did you mean --${meant}?`;
  throw new UsageError(`Unknown flag "${arg.replace(/=.*/s, "")}": ${hint}`);
}

/** A value that is itself a known flag was most likely forgotten. */
function isFlag(value: string, definitions: readonly FlagDefinition[]): boolean {
  return definitions.some(({ name }) => value === `--${name}` || value.startsWith(`--${name}=`));
}

function checkType({ name, type }: FlagDefinition, value: string): void {
  if (type === "boolean" && parseGoBoolean(value) === undefined) {
    throw new UsageError(`--${name}=${value} is not a boolean: write --${name}=true or --${name}=false`);
  }
  if (type === "count" && !/^[0-9]{1,6}$/.test(value)) {
    throw new UsageError(`--${name}=${value} is not a number: write one such as --${name}=2`);
  }
}
