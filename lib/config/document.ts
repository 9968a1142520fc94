/** Text of a config -> plain data, in bounded time and memory. */
import { parse as parseYaml } from "@std/yaml/parse";
import type { Position } from "./positions.ts";
import { explainSyntaxError } from "./syntax_error.ts";

/** What a text holds. */
export interface Document {
  readonly value: unknown;
  readonly isJson: boolean;
  /** Why the text is bad although it was read: a key of a YAML mapping stands twice, and the last one counts. */
  readonly duplicate?: DocumentError;
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

/** A document may not have more values than this, with its aliases written out. Chains of 10,000 rules crawl already. */
const MOST_VALUES = 50_000;

/** Characters that aliases may stand for, were each as long as the whole text. A list as a key joins them all. */
const MOST_ALIASED = 16 * 1_048_576;

/**
 * Parses YAML 1.2 (core schema) or, where the text starts with `{`, JSON.
 *
 * @throws {DocumentError} It is neither, or aliases or nesting go beyond all bounds.
 */
export function parseDocument(text: string): Document {
  const isJson = /^\s*\{/.test(text);
  try {
    checkSeparators(text);
    if (!isJson) checkAliases(text);
    const value: unknown = isJson ? JSON.parse(text) : parseYaml(text, { schema: "core" });
    checkSize(value);
    return { value, isJson };
  } catch (error) {
    if (error instanceof DocumentError) throw error;
    const { message, position } = explainSyntaxError(error, text, isJson);
    const explained = new DocumentError(message, position);
    if (!isDuplicateKey(error)) throw explained;
    // The other errors of the text are worth telling, too.
    return { value: parseYamlWithDuplicates(text, explained), isJson, duplicate: explained };
  }
}

function isDuplicateKey(error: unknown): boolean {
  return error instanceof SyntaxError && error.message.includes("duplicated key");
}

function parseYamlWithDuplicates(text: string, duplicate: DocumentError): unknown {
  try {
    const value = parseYaml(text, { schema: "core", allowDuplicateKeys: true });
    checkSize(value);
    return value;
  } catch {
    throw duplicate;
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

/** Throws where aliases make the document circular, or where it is larger than any config. */
function checkSize(document: unknown): void {
  const sizes = new Map<object, number>();
  const open = new Set<object>();
  const measure = (value: unknown): number => {
    if (typeof value !== "object" || value === null) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    if (open.has(value)) throw new DocumentError("an alias stands inside of what it refers to: remove it");
    open.add(value);
    let size = 1;
    for (const inner of Array.isArray(value) ? value : Object.values(value)) size += measure(inner);
    open.delete(value);
    if (size > MOST_VALUES) throw tooLarge();
    sizes.set(value, size);
    return size;
  };
  measure(document);
}
