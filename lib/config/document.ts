/** Text of a config -> plain data and where it stands, in bounded time and memory. */
import { parse as parseYaml } from "@std/yaml/parse";
import { markScalars, type Position, unmark } from "./marked_text.ts";
import { parseOldBoolean, parsePlain } from "./plain_scalar.ts";
import { printable } from "./printable.ts";
import { UPSTREAM_REFUSES } from "./problem.ts";
import { explainSyntaxError, positionAt } from "./syntax_error.ts";

/** What a text holds: of several documents the first one. */
export interface Document {
  readonly value: unknown;
  /** How many values it has, aliases written out. */
  readonly size: number;
  /** What is odd about the text, whatever it means. */
  readonly oddities: readonly Oddity[];
  /** Where the items of a list in `value` stand, by their numbers. */
  itemPlaces(list: readonly unknown[]): readonly (Position | undefined)[];
  /** What is known of the keys of a mapping in `value`. */
  fields(mapping: object): ReadonlyMap<string, Field>;
  /** Whether a value was merged into a mapping by `<<`. */
  isMerged(value: unknown): boolean;
}

/** A key of a mapping. */
export interface Field {
  readonly value: unknown;
  /** Where the key stands, as far as it is known. */
  readonly position: Position | undefined;
  /** The value as it is written, where it is a scalar without quotes. */
  readonly plain: string | undefined;
  readonly isMerged: boolean;
}

/** Something that is taken, and better written otherwise. */
export interface Oddity {
  readonly key: string;
  readonly position: Position | undefined;
  readonly message: string;
}

/** A text that is no document. */
export class DocumentError extends Error {
  override readonly name = "DocumentError";
  /** Where, as far as it is known. */
  readonly position: Position | undefined;

  constructor(message: string, position?: Position) {
    super(message);
    this.position = position;
  }
}

/** A document may not have more values than this, with its aliases written out. */
export const MOST_VALUES = 150_000;

/** Characters that aliases may stand for, were each as long as the whole text. A list as a key joins them all. */
const MOST_ALIASED = 16 * 1_048_576;

/**
 * Parses YAML (1.2 and, as far as the upstream agent takes it, 1.1) or, where the text starts with `{`, JSON.
 *
 * @throws {DocumentError} It is neither, or aliases or nesting go beyond all bounds.
 */
export function parseDocument(text: string): Document {
  text = text.replace(/^\ufeff/, "");
  const isJson = /^\s*\{/.test(text);
  const oddities: Oddity[] = [];
  try {
    checkSeparators(text);
    if (isJson) JSON.parse(text);
    else {
      checkAliases(text);
      text = firstDocument(text, oddities);
    }
    const { parsed, mark } = parseMarked(text, isJson);
    return new Reader(mark, oddities).read(parsed);
  } catch (error) {
    if (error instanceof DocumentError) throw error;
    const { message, position } = explainSyntaxError(error, text, isJson);
    throw new DocumentError(message, position);
  }
}

/** Values stand between these, so counting them first spares the memory for a document that is too large anyway. */
function checkSeparators(text: string): void {
  let separators = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (
      code === COMMA || code === BRACKET || code === BRACE || code === LINE_FEED && !isBlankLine(text, at + 1)
    ) separators++;
  }
  if (separators > MOST_VALUES) throw tooLarge();
}

const [COMMA, BRACKET, BRACE, LINE_FEED] = [0x2c, 0x5b, 0x7b, 0x0a];

/** Whether a line that starts here is empty or a comment, at first sight. */
function isBlankLine(text: string, at: number): boolean {
  const character = text[at];
  return character === undefined || character === "\n" || character === "\r" || character === "#";
}

function tooLarge(): DocumentError {
  return new DocumentError(`over ${MOST_VALUES} values, aliases written out: a config has far fewer`);
}

/** A list as a key is joined to a text by the parser, with every alias in it written out. */
function checkAliases(text: string): void {
  if (!text.includes("&")) return;
  const aliases = text.match(/(?:^|[\s,[{:?-])\*(?=[^\s*,[\]{}])/gm)?.length ?? 0;
  if (aliases * text.length > MOST_ALIASED) {
    throw new DocumentError(`too many aliases (${aliases}) for a text of this size: write the lists out`);
  }
}

/** The text up to the end of its first document, which alone counts, as in the upstream agent. */
function firstDocument(text: string, oddities: Oddity[]): string {
  const hasContent = (from: number, to?: number) => /^[^\S\n]*[^\s#%]/m.test(text.slice(from, to));
  const directive = /^%(?!TAG|YAML[ \t]+1\.1\s)/m.exec(text);
  if (directive !== null && !hasContent(0, directive.index)) {
    const position = positionAt(text, directive.index);
    oddities.push({ key: "", position, message: `${UPSTREAM_REFUSES}: remove this line` });
  }
  let start: number | undefined;
  for (const { 0: separator, index } of text.matchAll(/^(?:---|\.\.\.)(?=\s|$)/gm)) {
    if (start === undefined && !hasContent(0, index)) {
      start = index + separator.length;
      continue;
    }
    const position = positionAt(text, index);
    const isEmpty = !hasContent(start ?? 0, index);
    const hasOthers = /^[^\S\n]*(?!(?:---|\.\.\.)\s)[^\s#%]/m.test(text.slice(index + separator.length));
    if (isEmpty && hasOthers) {
      throw new DocumentError("the document before this line is empty, and only the first counts", position);
    }
    if (separator === "---" || hasOthers) {
      oddities.push({
        key: "",
        position,
        message: `"${separator}" ends the config, for only the first document counts: remove this line` +
          (hasOthers ? " and what follows" : ""),
      });
    }
    return text.slice(0, index);
  }
  return text;
}

/** What the parser gives, with marks in all scalars where `mark` is there. */
function parseMarked(text: string, isJson: boolean): { readonly parsed: unknown; readonly mark?: string } {
  // Of each value and its key.
  const marked = markScalars(text, 2 * MOST_VALUES);
  if (marked?.tab !== undefined && !isJson) {
    throw new DocumentError("not YAML: a tab is in the indentation: indent with blanks", marked.tab);
  }
  try {
    if (marked !== undefined) {
      const parsed = parseYaml(marked.text, { schema: "failsafe", allowDuplicateKeys: true });
      return { parsed, mark: marked.mark };
    }
  } catch (error) {
    if (error instanceof RangeError) throw error;
  }
  // Wrong texts: the place of the error is right only without marks. Others have odd quotes in a block of text.
  return {
    parsed: isJson ? JSON.parse(text) : parseYaml(text, { schema: "core", allowDuplicateKeys: true }),
  };
}

/** What the parser gave -> a document. */
class Reader implements Document {
  value: unknown;
  readonly oddities: Oddity[];
  readonly #mark: string | undefined;
  readonly #items = new Map<object, readonly (Position | undefined)[]>();
  readonly #fields = new Map<object, ReadonlyMap<string, Field>>();
  readonly #merged = new Set<unknown>();
  /** What was read, for other aliases of it, and what is being read. */
  readonly #known = new Map<object, Reading & { readonly size: number }>();
  readonly #open = new Set<object>();
  #size = 0;

  constructor(mark: string | undefined, oddities: Oddity[]) {
    this.#mark = mark;
    this.oddities = oddities;
  }

  read(parsed: unknown): Document {
    this.value = this.#read(parsed).value;
    return this;
  }

  get size(): number {
    return this.#size;
  }

  itemPlaces(list: readonly unknown[]): readonly (Position | undefined)[] {
    return this.#items.get(list) ?? [];
  }

  fields(mapping: object): ReadonlyMap<string, Field> {
    return this.#fields.get(mapping) ?? new Map();
  }

  isMerged(value: unknown): boolean {
    return this.#merged.has(value);
  }

  #read(node: unknown): Reading {
    this.#grow(1);
    if (typeof node === "string") return this.#readScalar(node);
    if (typeof node !== "object" || node === null) return { value: node };
    const known = this.#known.get(node);
    if (known !== undefined) {
      this.#grow(known.size);
      return known;
    }
    if (this.#open.has(node)) {
      throw new DocumentError("an alias stands inside of what it refers to: remove it");
    }
    this.#open.add(node);
    const before = this.#size;
    const reading = Array.isArray(node) ? this.#readList(node) : this.#readMapping(node);
    this.#open.delete(node);
    this.#known.set(node, { ...reading, size: this.#size - before });
    return reading;
  }

  /** Counts values, of which there may not be too many. */
  #grow(size: number): void {
    this.#size += size;
    if (this.#size > MOST_VALUES) throw tooLarge();
  }

  #readScalar(marked: string): Reading {
    const { text, position, isPlain, tag, isFlowColon } = unmark(marked, this.#mark);
    if (tag !== "") {
      const message = `a tag is of no use in a config: remove it`;
      this.oddities.push({ key: printable(tag), position, message });
    }
    if (isFlowColon) {
      const message = `${UPSTREAM_REFUSES}, for it starts with ":" in brackets: put it in quotes`;
      this.oddities.push({ key: printable(text), position, message });
    }
    if (isPlain && tag === "") return { value: parsePlain(text), position, plain: text };
    const type = /^!(?:!|<tag:yaml\.org,2002:)(int|float|bool|null)>?$/.exec(tag)?.[1];
    if (type === undefined) return { value: text, position };
    return { value: (type === "bool" ? parseOldBoolean(text) : undefined) ?? parsePlain(text), position };
  }

  #readList(list: readonly unknown[]): Reading {
    const places: (Position | undefined)[] = [];
    const value = list.map((item) => {
      const { value, position } = this.#read(item);
      places.push(position);
      return value;
    });
    this.#items.set(value, places);
    return { value, position: places[0] };
  }

  #readMapping(mapping: object): Reading {
    const fields = new Map<string, Field>();
    let first: Position | undefined;
    for (const [marked, node] of Object.entries(mapping)) {
      const { text, position, isPlain } = unmark(marked, this.#mark);
      first ??= position;
      const { value, plain } = this.#read(node);
      if (text === "<<" && isPlain) this.#merge(fields, value, position);
      else this.#put(fields, text, { value, position, plain, isMerged: false }, position);
    }
    const value = Object.fromEntries([...fields].map(([key, { value }]) => [key, value]));
    this.#fields.set(value, fields);
    return { value, position: first };
  }

  /** As the upstream agent does it: what is merged takes the place of what stands before it. */
  #merge(fields: Map<string, Field>, value: unknown, position: Position | undefined): void {
    // The first one of several counts, so it comes last.
    for (const mapping of Array.isArray(value) ? value.toReversed() : [value]) {
      const others = this.#fields.get(mapping);
      if (others === undefined) throw new DocumentError('"<<" takes a mapping, or a list of them', position);
      this.#merged.add(mapping);
      for (const [key, field] of others) this.#put(fields, key, { ...field, isMerged: true }, position);
    }
  }

  #put(fields: Map<string, Field>, key: string, field: Field, position: Position | undefined): void {
    const before = fields.get(key);
    if (before?.isMerged === false) {
      const where = before.position === undefined ? "there" : `in line ${before.position.line}`;
      const message = `is ${where} already, and the last one counts: keep one of them`;
      this.oddities.push({ key: printable(key), position, message });
    }
    fields.set(key, field);
  }
}

/** A value with its place, and how it is written where it is a scalar without quotes. */
interface Reading {
  readonly value: unknown;
  readonly position?: Position | undefined;
  readonly plain?: string;
}
