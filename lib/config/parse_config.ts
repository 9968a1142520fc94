/** Text of one config file -> its settings, or everything that is wrong with it. */
import { parse as parseYaml } from "@std/yaml/parse";
import { parseCidr } from "./cidr.ts";
import {
  type CidrEntry,
  type ConfigSettings,
  DEFAULT_CIDR_LIMIT,
  type Origin,
  SHORTEST_RESYNC_INTERVAL_MS,
} from "./config.ts";
import { parseDuration } from "./duration.ts";
import { CONFIG_KEYS, type KeyDefinition } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { findPositions, type KeyPosition, type Position } from "./positions.ts";
import type { ConfigProblem } from "./problem.ts";

/** A parsed file: its settings are to be used only where no problem is an error. */
export interface ParsedConfig {
  readonly settings: ConfigSettings;
  readonly problems: readonly ConfigProblem[];
}

/** A text may not unfold to more values than this through YAML aliases. */
const MOST_VALUES = 1_000_000;

/** A wrong list can have as many errors as entries; nobody reads more than this of them. */
const MOST_PROBLEMS = 100;

/**
 * Parses a config in YAML or, where the text starts with `{`, JSON. An empty text and one with comments only set
 * nothing. Never throws: all errors and warnings are in the result, in the order of the text.
 *
 * @param file The file's name for messages.
 */
export function parseConfig(text: string, file: string): ParsedConfig {
  const parser = new ConfigParser(file);
  parser.parse(text);
  return parser.result();
}

class ConfigParser {
  readonly #file: string;
  readonly #problems: ConfigProblem[] = [];
  readonly #settings: { -readonly [K in keyof ConfigSettings]: ConfigSettings[K] } = {};
  /** Places of each key: several where it stands several times. */
  readonly #positions = new Map<string, KeyPosition[]>();
  #hiddenErrors = 0;
  #hiddenWarnings = 0;

  constructor(file: string) {
    this.#file = file;
  }

  result(): ParsedConfig {
    const hidden = this.#hiddenErrors + this.#hiddenWarnings;
    if (hidden > 0) {
      this.#problems.push({
        severity: this.#hiddenErrors > 0 ? "error" : "warning",
        origin: { file: this.#file, key: "" },
        message: `and ${hidden} more problems`,
      });
    }
    return { settings: this.#settings, problems: this.#problems };
  }

  parse(text: string): void {
    const isJson = text.trimStart().startsWith("{");
    let document: unknown;
    try {
      document = isJson ? JSON.parse(text) : parseYaml(text, { schema: "core" });
      checkExpansion(document);
    } catch (error) {
      this.#report({ key: "", ...placeOfSyntaxError(error, text) }, explainSyntaxError(error, isJson));
      return;
    }
    if (document === null || document === undefined) return;
    if (typeof document !== "object" || Array.isArray(document)) {
      this.#report(
        { key: "", line: 1, column: 1 },
        `the config is ${describe(document)}: write "key: value" lines`,
      );
      return;
    }
    for (const position of findPositions(text)) {
      const same = this.#positions.get(position.key);
      if (same === undefined) this.#positions.set(position.key, [position]);
      else same.push(position);
    }
    const seen = new Map<string, string>();
    for (const [key, value] of this.#entriesOf(document)) this.#readKey(key, value, seen);
  }

  /** The entries of the document, with keys that JSON.parse dropped because they came twice. */
  *#entriesOf(document: object): Iterable<[string, unknown]> {
    const values = new Map(Object.entries(document));
    for (const key of values.keys()) {
      const times = this.#positions.get(key)?.length ?? 1;
      for (let time = 0; time < times; time++) yield [key, values.get(key)];
    }
  }

  #readKey(key: string, value: unknown, seen: Map<string, string>): void {
    const definition = CONFIG_KEYS.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (definition === undefined) {
      const meant = nearest(key, CONFIG_KEYS.map(({ name }) => name));
      const hint = meant === undefined
        ? `known are ${CONFIG_KEYS.map(({ name }) => name).join(", ")}`
        : `did you mean "${meant}"?`;
      this.#report(this.#place(key), `unknown key, ignored: ${hint}`, "warning");
      return;
    }
    const before = seen.get(definition.name);
    if (before !== undefined) {
      const other = before === key ? "is there twice" : `is the same key as "${before}"`;
      this.#report(this.#place(key, { last: true }), `the key ${other}: keep one of them`);
      return;
    }
    seen.set(definition.name, key);
    this.#readValue(definition, key, value);
  }

  #readValue({ name, type }: KeyDefinition, key: string, value: unknown): void {
    const place = this.#place(key);
    const settings = this.#settings as Record<string, unknown>;
    switch (type) {
      case "cidrs":
        settings[name] = this.#readCidrs(key, value);
        return;
      case "boolean":
        if (typeof value === "boolean") settings[name] = value;
        else this.#report(place, `${describe(value)} is not a boolean: write true or false`);
        return;
      case "count":
        if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) settings[name] = value;
        else {this.#report(
            place,
            `${describe(value)} is not a whole number of 0 or more: write one such as ${DEFAULT_CIDR_LIMIT}`,
          );}
        return;
      case "duration":
        settings[name] = this.#readDuration(place, value);
        return;
    }
  }

  #readCidrs(key: string, value: unknown): CidrEntry[] {
    if (value === null) {
      this.#report(
        this.#place(key),
        "null is taken as an empty list: write [], or remove the key to get the default",
        "warning",
      );
      return [];
    }
    if (!Array.isArray(value)) {
      this.#report(
        this.#place(key),
        `${describe(value)} is not a list of CIDRs: write ["10.0.0.0/8"] or "- 10.0.0.0/8" lines`,
      );
      return [];
    }
    const entries: CidrEntry[] = [];
    for (const [index, item] of value.entries()) {
      const origin = this.#place(key, { index, length: value.length });
      if (typeof item !== "string") {
        this.#report(
          origin,
          `${describe(item)} is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`,
        );
        continue;
      }
      try {
        entries.push({ cidr: parseCidr(item), origin });
      } catch (error) {
        this.#report(origin, quoted(item, (error as Error).message));
      }
    }
    return entries;
  }

  #readDuration(place: Origin, value: unknown): number | undefined {
    if (typeof value !== "string") {
      const fix = typeof value === "number" && value > 0 ? `"${value}s"` : '"60s"';
      this.#report(place, `${describe(value)} is not a duration: write a string such as ${fix}`);
      return undefined;
    }
    try {
      const milliseconds = parseDuration(value);
      if (milliseconds >= SHORTEST_RESYNC_INTERVAL_MS) return milliseconds;
      this.#report(place, `"${value}" is too short: the shortest is "1s"`);
    } catch (error) {
      this.#report(place, quoted(value, (error as Error).message));
    }
    return undefined;
  }

  /** The place of a key or of one item of its list, as exactly as the text shows it. */
  #place(
    key: string,
    { index, length, last }: { index?: number; length?: number; last?: boolean } = {},
  ): Origin {
    const same = this.#positions.get(key);
    const found = same?.at(last ? -1 : 0);
    const name = printable(key) + (index === undefined ? "" : `[${index}]`);
    // A list whose length differs from what was parsed is one that the second reading did not understand.
    const item: Position | undefined = index !== undefined && found?.items.length === length
      ? found?.items[index]
      : undefined;
    const position = item ?? found;
    return { key: name, ...(position && { line: position.line, column: position.column }) };
  }

  #report(origin: Origin, message: string, severity: ConfigProblem["severity"] = "error"): void {
    if (this.#problems.length < MOST_PROBLEMS) {
      this.#problems.push({ severity, origin: { file: this.#file, ...origin }, message });
    } else if (severity === "error") this.#hiddenErrors++;
    else this.#hiddenWarnings++;
  }
}

/** Throws where aliases make the document circular, or larger than anybody would write. */
function checkExpansion(document: unknown): void {
  const sizes = new Map<object, number>();
  const open = new Set<object>();
  const measure = (value: unknown): number => {
    if (typeof value !== "object" || value === null) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    if (open.has(value)) throw new SyntaxError("An alias stands inside of what it refers to: remove it");
    open.add(value);
    let size = 1;
    for (const inner of Object.values(value)) size += measure(inner);
    open.delete(value);
    if (size > MOST_VALUES) {
      throw new SyntaxError(`Aliases unfold to over ${MOST_VALUES} values: write the list out`);
    }
    sizes.set(value, size);
    return size;
  };
  measure(document);
}

/** @std/yaml puts the place into its message, JSON.parse an offset or a place. */
function placeOfSyntaxError(error: unknown, text: string): Partial<Position> {
  const message = error instanceof Error ? error.message : "";
  const place = /line (\d+)[, ]+column (\d+)/.exec(message);
  if (place !== null) return { line: Number(place[1]), column: Number(place[2]) };
  const offset = /position (\d+)/.exec(message);
  if (offset === null) return {};
  const before = text.slice(0, Number(offset[1])).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}

function explainSyntaxError(error: unknown, isJson: boolean): string {
  if (error instanceof RangeError) return "nested too deeply: a config is a mapping of scalars and lists";
  const [reason = "unknown"] = (error as Error).message
    .replace(/ (?:at|in JSON at|\(|in ).*/s, "")
    .split("\n");
  return `not ${isJson ? "JSON" : "YAML"}: ${printable(reason.replace(/:$/, ""))}`;
}

/** A value for a message: scalars as they are, at most 80 characters of them, anything else by its kind. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return `"${printable(value)}"`;
  return typeof value === "object" && value !== null ? "a mapping" : printable(String(value));
}

/** A message that quotes `value`, with the value made printable. */
function quoted(value: string, message: string): string {
  return message.replace(`"${value}"`, () => `"${printable(value)}"`);
}

/** Cuts long texts, and writes control characters as escapes so that a message stays one line. */
function printable(text: string): string {
  const short = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return short.replace(
    /[\p{Cc}\u2028\u2029\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
