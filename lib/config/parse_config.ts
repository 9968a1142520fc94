/** Text of one config file -> its settings, or everything that is wrong with it. */
import { CONFIG_KEYS, type ConfigSettings, KEY_NAMES, type KeyName, makeSettings } from "./config.ts";
import { type Document, DocumentError, type Field, parseDocument } from "./document.ts";
import type { Position } from "./marked_text.ts";
import { nearestKey } from "./nearest.ts";
import { describe, printable } from "./printable.ts";
import { type ConfigProblem, type Origin, ProblemList, type Severity, UPSTREAM_REFUSES } from "./problem.ts";
import { BOOLEAN, COUNT, INTERVAL, type Place } from "./value_types.ts";

/** A parsed file: its settings are to be used only where no problem is an error. */
export interface ParsedConfig {
  readonly settings: ConfigSettings;
  readonly problems: readonly ConfigProblem[];
  /** How many values it has. */
  readonly size: number;
}

/** Where editors look for the schema of a JSON file. Means nothing here. */
const SCHEMA_KEY = "$schema";

/** Keys at the top of a ConfigMap, which somebody may have given instead of what is in it. */
const MANIFEST_KEYS: readonly string[] = ["apiVersion", "kind", "metadata", "data"];

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
  #size = 0;

  constructor(file: string) {
    this.#file = file;
    this.#problems = new ProblemList(file);
  }

  result(): ParsedConfig {
    const settings = makeSettings(({ name }) => this.#values.get(name));
    return {
      settings: { ...settings, origins: this.#origins },
      problems: this.#problems.list(),
      size: this.#size,
    };
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
    const { value, oddities, size } = document;
    this.#size = size;
    for (const { key, position, message } of oddities) {
      this.#problems.add({ key, ...position }, message, "warning");
    }
    if (value === null || value === undefined) return;
    if (typeof value !== "object" || Array.isArray(value)) {
      this.#problems.add({ key: "", line: 1, column: 1 }, explainNoMapping(value));
      return;
    }
    const keys = Object.keys(value);
    if (keys.length > MOST_KEYS) {
      this.#problems.add({ key: "" }, `${keys.length} keys: known are ${KEY_NAMES.join(", ")}`);
      return;
    }
    const top = new DocumentPlace({ file: this.#file, key: "" }, value, document, this.#problems);
    // The order in which the upstream agent takes them, which decides where two differ only by their case.
    for (const key of keys.sort()) this.#readKey(key, document.fields(value).get(key)!, top, document);
  }

  #readKey(key: string, { value }: Field, top: Place, document: Document): void {
    const place = top.field(key);
    const definition = CONFIG_KEYS.find(({ name }) => name.toLowerCase() === key.toLowerCase());
    if (definition === undefined) {
      if (key === SCHEMA_KEY || document.isMerged(value)) return;
      place.report(`unknown key, ignored: ${explainUnknownKey(key)}`, "warning");
      return;
    }
    const { name, type } = definition;
    if (value === null && [BOOLEAN, COUNT, INTERVAL].some((it) => it === type)) {
      const rollback = type === INTERVAL ? `; ${UPSTREAM_REFUSES}` : "";
      place.report(`null is read as if the key were not there: remove it${rollback}`, "warning");
      return;
    }
    const before = this.#origins.get(name);
    if (before !== undefined) {
      const line = before.line === undefined ? "" : ` in line ${before.line}`;
      place.report(`is the same key as "${before.key}"${line}, and counts: keep one of them`, "warning");
    }
    this.#origins.set(name, place.origin);
    this.#values.set(name, type.parse(value, place));
  }
}

/** The place of a value of a document. Lists may be long, so that it makes nothing before somebody asks. */
class DocumentPlace implements Place {
  readonly origin: Origin;
  readonly plain: string | undefined;
  readonly #value: unknown;
  readonly #document: Document;
  readonly #problems: ProblemList;

  constructor(origin: Origin, value: unknown, document: Document, problems: ProblemList, plain?: string) {
    this.origin = origin;
    this.plain = plain;
    this.#value = value;
    this.#document = document;
    this.#problems = problems;
  }

  report(message: string, severity?: Severity): void {
    this.#problems.add(this.origin, message, severity);
  }

  item(index: number): Place {
    const list = this.#value as readonly unknown[];
    const position = this.#document.itemPlaces(list)[index];
    return this.#inner(`${this.origin.key}[${index}]`, position, list[index]);
  }

  field(name: string): Place {
    const field = this.#document.fields(this.#value as object).get(name);
    const key = this.origin.key === "" ? printable(name) : `${this.origin.key}.${printable(name)}`;
    return this.#inner(key, field?.position, field?.value, field?.plain);
  }

  /** A value whose place is not known has that of what it is in. */
  #inner(key: string, position: Position | undefined, value: unknown, plain?: string): Place {
    const origin = { ...this.origin, ...position, key };
    return new DocumentPlace(origin, value, this.#document, this.#problems, plain);
  }
}

/** What somebody may have meant by a key that there is not. */
function explainUnknownKey(key: string): string {
  if (MANIFEST_KEYS.includes(key)) {
    return 'this looks like a Kubernetes manifest, and the config is the text inside of its "data"';
  }
  const meant = nearestKey(key, KEY_NAMES);
  return meant === undefined ? `known are ${KEY_NAMES.join(", ")}` : `did you mean "${meant}"?`;
}

/** A text at the top is most often a key whose colon, or the blank behind it, was forgotten. */
function explainNoMapping(value: unknown): string {
  const word = typeof value === "string" ? /^[A-Za-z0-9_]+/.exec(value)?.[0] : undefined;
  const key = word && nearestKey(word, KEY_NAMES);
  const fix = key === undefined ? 'write "key: value" lines' : `write a ":" and a blank behind "${word}"`;
  return `the config is ${describe(value)}, not a mapping: ${fix}`;
}
