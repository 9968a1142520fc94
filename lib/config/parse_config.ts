/** Text of one config file -> its settings, or everything that is wrong with it. */
import { parseCidr } from "./cidr.ts";
import {
  type CidrEntry,
  type ConfigSettings,
  type Origin,
  type SettingName,
  SHORTEST_RESYNC_INTERVAL_MS,
} from "./config.ts";
import { DEFAULT_CIDR_LIMIT } from "./defaults.ts";
import { type Document, DocumentError, parseDocument } from "./document.ts";
import { parseDuration } from "./duration.ts";
import { CONFIG_KEYS, type KeyDefinition } from "./keys.ts";
import { findPositions, type KeyPosition, type Positions } from "./positions.ts";
import { describe, printable, printableMessage } from "./printable.ts";
import { type ConfigProblem, ProblemList } from "./problem.ts";
import { explainItem, explainNoMapping, explainUnknownKey, itemText, KEY_NAMES } from "./slips.ts";

/** A parsed file: its settings are to be used only where no problem is an error. */
export interface ParsedConfig {
  readonly settings: ConfigSettings;
  readonly problems: readonly ConfigProblem[];
}

/** Where editors look for the schema of a JSON file. Means nothing here. */
const SCHEMA_KEY = "$schema";

/** A mapping with more keys than this is no config. */
const MOST_KEYS = 1_000;

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
  readonly #problems: ProblemList;
  readonly #settings: { -readonly [K in keyof ConfigSettings]: ConfigSettings[K] } = {};
  readonly #origins = new Map<SettingName, Origin>();
  readonly #file: string;
  #text: Positions | undefined;
  /** Places of each key: several where it stands several times. */
  readonly #positions = new Map<string, KeyPosition[]>();

  constructor(file: string) {
    this.#file = file;
    this.#problems = new ProblemList(file);
  }

  result(): ParsedConfig {
    return { settings: { ...this.#settings, origins: this.#origins }, problems: this.#problems.list() };
  }

  parse(text: string): void {
    let document: Document;
    try {
      document = parseDocument(text);
    } catch (error) {
      if (!(error instanceof DocumentError)) throw error;
      this.#problems.add({ key: "", ...error.position }, error.message);
      return;
    }
    const { value, isJson, duplicate } = document;
    if (value === null || value === undefined) return;
    if (typeof value !== "object" || Array.isArray(value)) {
      this.#problems.add({ key: "", line: 1, column: 1 }, explainNoMapping(value));
      return;
    }
    const entries = Object.entries(value);
    if (entries.length > MOST_KEYS) {
      this.#problems.add({ key: "" }, `${entries.length} keys: known are ${KEY_NAMES.join(", ")}`);
      return;
    }
    this.#text = findPositions(text);
    for (const position of this.#text.keys) {
      const same = this.#positions.get(position.key);
      if (same === undefined) this.#positions.set(position.key, [position]);
      else same.push(position);
    }
    const seen = new Map<string, string>();
    let keys = 0;
    for (const [key, inner] of entries) {
      // Of a key that comes twice only the last value is left: its places tell how often it came.
      const times = isJson || duplicate !== undefined ? this.#positions.get(key)?.length ?? 1 : 1;
      for (let time = 0; time < times; time++) this.#readKey(key, inner, time, seen);
      keys += times;
    }
    if (duplicate !== undefined && keys === entries.length) {
      this.#problems.add({ key: "", ...duplicate.position }, duplicate.message);
    }
  }

  #readKey(key: string, value: unknown, time: number, seen: Map<string, string>): void {
    const definition = CONFIG_KEYS.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (definition === undefined) {
      if (key === SCHEMA_KEY) return;
      this.#problems.add(this.#place(key), `unknown key, ignored: ${explainUnknownKey(key)}`, "warning");
      return;
    }
    const before = seen.get(definition.name);
    if (before !== undefined) {
      const other = before === key ? "stands twice" : `is the same key as "${before}"`;
      this.#problems.add(this.#place(key, { time }), `${other}: keep one of them`);
      return;
    }
    seen.set(definition.name, key);
    this.#origins.set(definition.name, this.#place(key));
    this.#readValue(definition, key, value);
  }

  #readValue({ name, type }: KeyDefinition, key: string, value: unknown): void {
    const read = {
      cidrs: () => this.#readCidrs(key, value),
      boolean: () => this.#readBoolean(this.#place(key), value),
      count: () => this.#readCount(this.#place(key), value),
      duration: () => this.#readDuration(this.#place(key), value),
    }[type]();
    if (read !== undefined) (this.#settings as Record<string, unknown>)[name] = read;
  }

  #readBoolean(place: Origin, value: unknown): boolean | undefined {
    if (typeof value === "boolean") return value;
    this.#problems.add(place, `${describe(value)} is not a boolean: write true or false, without quotes`);
    return undefined;
  }

  #readCount(place: Origin, value: unknown): number | undefined {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    const fix = `write one such as ${DEFAULT_CIDR_LIMIT}, without quotes`;
    this.#problems.add(place, `${describe(value)} is not a whole number of 0 or more: ${fix}`);
    return undefined;
  }

  #readCidrs(key: string, value: unknown): CidrEntry[] {
    if (value === null) {
      this.#problems.add(
        this.#place(key),
        "null is taken as an empty list: write [], or remove the key to get the default",
        "warning",
      );
      return [];
    }
    if (!Array.isArray(value)) {
      const fix = typeof value === "string" && /^-\S/.test(value)
        ? 'write a blank behind "-"'
        : 'write ["10.0.0.0/8"] or "- 10.0.0.0/8" lines';
      this.#problems.add(this.#place(key), `${describe(value)} is not a list of CIDRs: ${fix}`);
      return [];
    }
    const entries: CidrEntry[] = [];
    for (const [index, item] of value.entries()) {
      const origin = this.#place(key, { index, length: value.length });
      const text = itemText(item);
      if (text === undefined) {
        this.#problems.add(
          origin,
          `${describe(item)} is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`,
        );
        continue;
      }
      const slip = explainItem(text);
      if (slip !== undefined) {
        this.#problems.add(origin, `${describe(text)} ${slip}`);
        continue;
      }
      try {
        entries.push({ cidr: parseCidr(text), origin });
      } catch (error) {
        const message = printableMessage(text, (error as Error).message);
        const hint = message.endsWith("not an IP address") ? ': write one such as "10.0.0.0/8"' : "";
        this.#problems.add(origin, message + hint);
      }
    }
    return entries;
  }

  #readDuration(place: Origin, value: unknown): number | undefined {
    if (typeof value !== "string") {
      const fix = typeof value === "number" && value >= 1 && value < 1e9 ? `"${value}s"` : '"60s"';
      this.#problems.add(place, `${describe(value)} is not a duration: write a string such as ${fix}`);
      return undefined;
    }
    try {
      const milliseconds = parseDuration(value);
      if (milliseconds >= SHORTEST_RESYNC_INTERVAL_MS) return milliseconds;
      this.#problems.add(place, `"${value}" is too short: the shortest is "1s"`);
    } catch (error) {
      this.#problems.add(place, printableMessage(value, (error as Error).message));
    }
    return undefined;
  }

  /** The place of a key, the last time that it stands there by default, or of one item of its list, if it can be told. */
  #place(
    key: string,
    { index, length, time = -1 }: { index?: number; length?: number; time?: number } = {},
  ): Origin {
    const found = this.#positions.get(key)?.at(time);
    const name = printable(key) + (index === undefined ? "" : `[${index}]`);
    if (found === undefined) return { file: this.#file, key: name };
    // A list whose length differs from what was parsed is one that the second reading did not understand.
    const item = index !== undefined && found.items.length === length ? found.items[index] : undefined;
    const { line, column } = this.#text!.at(item ?? found.offset);
    return { file: this.#file, line, column, key: name };
  }
}
