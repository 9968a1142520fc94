/** Text of one config file -> its settings, or everything that is wrong with it. */
import { CONFIG_KEYS, type ConfigSettings, KEY_NAMES, type KeyName, makeSettings } from "./config.ts";
import { type Document, DocumentError, parseDocument } from "./document.ts";
import { nearest } from "./nearest.ts";
import { findPositions, type KeyPosition, type Positions } from "./positions.ts";
import { describe, printable } from "./printable.ts";
import { type ConfigProblem, type Origin, ProblemList } from "./problem.ts";
import { BOOLEAN, COUNT, INTERVAL, type Place } from "./value_types.ts";

/** A parsed file: its settings are to be used only where no problem is an error. */
export interface ParsedConfig {
  readonly settings: ConfigSettings;
  readonly problems: readonly ConfigProblem[];
}

/** Where editors look for the schema of a JSON file. Means nothing here. */
const SCHEMA_KEY = "$schema";

/** Keys at the top of a ConfigMap, which somebody may have given instead of what is in it. */
const MANIFEST_KEYS: readonly string[] = ["apiVersion", "kind", "metadata", "data"];

/** The words of YAML 1.1 for booleans that YAML 1.2 takes for texts: its type "bool". */
const YAML_1_1_BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "off", "Off", "OFF"].map((word) => [word, false] as const),
]);

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
  readonly #values = new Map<KeyName, unknown>();
  readonly #origins = new Map<KeyName, Origin>();
  readonly #file: string;
  #source = "";
  #isJson = false;
  #text: Positions | undefined;
  /** Places of each key: several where it stands several times. */
  #positions: ReadonlyMap<string, readonly KeyPosition[]> = new Map();

  constructor(file: string) {
    this.#file = file;
    this.#problems = new ProblemList(file);
  }

  result(): ParsedConfig {
    const settings = makeSettings(({ name }) => this.#values.get(name));
    return { settings: { ...settings, origins: this.#origins }, problems: this.#problems.list() };
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
    this.#source = text;
    this.#isJson = isJson;
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
    this.#positions = Map.groupBy(this.#text.keys, ({ key }) => key);
    let keys = 0;
    for (const [key, inner] of entries) {
      // Of a key that comes twice only the last value is left: its places tell how often it came.
      const times = isJson || duplicate !== undefined ? this.#positions.get(key)?.length ?? 1 : 1;
      for (let time = 0; time < times; time++) this.#readKey(key, inner, time);
      keys += times;
    }
    if (duplicate !== undefined && keys === entries.length) {
      this.#problems.add({ key: "", ...duplicate.position }, duplicate.message);
    }
  }

  #readKey(key: string, value: unknown, time: number): void {
    const definition = CONFIG_KEYS.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (definition === undefined) {
      if (key === SCHEMA_KEY) return;
      this.#placeOf(key).report(`unknown key, ignored: ${explainUnknownKey(key)}`, "warning");
      return;
    }
    const { name, type } = definition;
    const before = this.#origins.get(name)?.key;
    if (before !== undefined) {
      const other = before === key ? "stands twice" : `is the same key as "${before}"`;
      this.#placeOf(key, time).report(`${other}: keep one of them`);
      return;
    }
    const place = this.#placeOf(key);
    const word = type === BOOLEAN ? this.#yaml11Boolean(key, value) : undefined;
    if (word !== undefined) place.report(`${describe(value)} is read as ${word}: write ${word}`, "warning");
    else if (value === null && [BOOLEAN, COUNT, INTERVAL].some((it) => it === type)) {
      place.report("null is read as if the key were not there: remove it", "warning");
      return;
    }
    this.#origins.set(name, place.origin);
    this.#values.set(name, type.parse(word ?? value, place));
  }

  /** YAML 1.1, which upstream reads, has more words for true and false, where no quotes make a text of them. */
  #yaml11Boolean(key: string, value: unknown): boolean | undefined {
    const offset = this.#positions.get(key)?.at(-1)?.offset;
    if (typeof value !== "string" || offset === undefined || this.#isJson) return undefined;
    const [, quote] = /:[ \t]+(["']?)/.exec(this.#source.slice(offset).split("\n", 1)[0]!) ?? [];
    return quote === "" ? YAML_1_1_BOOLEANS.get(value) : undefined;
  }

  /** The place of a key, the last time that it stands there by default. */
  #placeOf(key: string, time = -1): Place {
    const found = this.#positions.get(key)?.at(time);
    return this.#place(printable(key), found?.offset, found?.items);
  }

  #place(key: string, offset: number | undefined, items: readonly number[] = []): Place {
    const origin = { file: this.#file, ...(offset !== undefined && this.#text!.at(offset)), key };
    return {
      origin,
      report: (message, severity) => this.#problems.add(origin, message, severity),
      // A list whose length differs from what was parsed is one that the second reading did not understand.
      item: (index, length) =>
        this.#place(`${key}[${index}]`, items.length === length ? items[index] : offset),
      field: (name) => this.#place(`${key}.${name}`, offset),
    };
  }
}

/** What somebody may have meant by a key that there is not. */
function explainUnknownKey(key: string): string {
  if (MANIFEST_KEYS.includes(key)) {
    return 'this looks like a Kubernetes manifest, and the config is the text inside of its "data"';
  }
  const meant = nearest(key, KEY_NAMES);
  return meant === undefined ? `known are ${KEY_NAMES.join(", ")}` : `did you mean "${meant}"?`;
}

/** A text at the top is most often a key whose colon, or the blank behind it, was forgotten. */
function explainNoMapping(value: unknown): string {
  const word = typeof value === "string" ? /^[A-Za-z0-9_]+/.exec(value)?.[0] : undefined;
  const key = word && nearest(word, KEY_NAMES);
  const fix = key === undefined ? 'write "key: value" lines' : `write a ":" and a blank behind "${word}"`;
  return `the config is ${describe(value)}, not a mapping: ${fix}`;
}
