/**
 * Where the keys and list items of a config stand in its text. The YAML and JSON parsers give values without places,
 * so this reads the text a second time, knowing only the shape that a config has: a mapping at the top whose values
 * are scalars or lists. Text of another shape yields fewer places, never wrong values: see {@linkcode findPositions}.
 */

/** A place in a text, both numbers from 1. Columns count UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A key of the top mapping and the offsets at which it and the items of its list, if it has one, start. */
export interface KeyPosition {
  readonly key: string;
  readonly offset: number;
  readonly items: readonly number[];
}

/** What a text has where. Lists may be long, so places are kept as offsets until somebody asks. */
export interface Positions {
  /** The keys of the top mapping in the order of the text, repeated ones too. */
  readonly keys: readonly KeyPosition[];
  /** Line and column of an offset. */
  at(offset: number): Position;
}

/** Finds the keys of the top mapping and the items of their lists. */
export function findPositions(text: string): Positions {
  const scanner = new Scanner(text);
  const start = scanner.documentStart();
  const keys = text[start] === "{" ? scanner.flowMapping(start) : scanner.blockMapping();
  return { keys, at: (offset) => scanner.position(offset) };
}

// No two parts of these can match the same character, so that no line makes them slow.
const BLOCK_KEY = /^([ \t]*)("(?:[^"\\]|\\.)*" *|'(?:[^']|'')*' *|[^\s"'#&*!|>%@`[\]{},-][^#]*?):(?=[ \t]|$)/;
const BLOCK_ITEM = /^([ \t]*)-(?: +|\t+|$)/;
const PROPERTIES = /^(?:[&!][^\s]* +)+/;

class Scanner {
  readonly #text: string;
  /** Offset at which each line starts. */
  readonly #lines: number[] = [0];

  constructor(text: string) {
    this.#text = text;
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) this.#lines.push(at + 1);
  }

  /** Line and column of an offset. */
  position(offset: number): Position {
    let [low, high] = [0, this.#lines.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#lines[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#lines[low]! + 1 };
  }

  /** The first offset from `at` on that is neither white space nor a comment. */
  skipBlank(at: number): number {
    for (;;) {
      while (at < this.#text.length && /[\s\ufeff]/.test(this.#text[at]!)) at++;
      if (this.#text[at] !== "#") return at;
      const end = this.#text.indexOf("\n", at);
      at = end === -1 ? this.#text.length : end;
    }
  }

  /** The offset of the first thing behind directives (`%YAML 1.2`) and the `---` line. */
  documentStart(): number {
    const start = this.skipBlank(0);
    const header = /(?:%[^\n]*\n\s*)*---(?=\s)/y;
    header.lastIndex = start;
    return header.test(this.#text) ? this.skipBlank(header.lastIndex) : start;
  }

  /** Reads `key: value` lines that stand at the indent of the first one. */
  blockMapping(): KeyPosition[] {
    const keys: KeyPosition[] = [];
    let items: number[] = [];
    let indent: number | undefined;
    let itemIndent: number | undefined;
    for (let number = 0; number < this.#lines.length; number++) {
      const start = this.#lines[number]!;
      const line = this.#text.slice(start, this.#lines[number + 1] ?? this.#text.length).replace(
        /^\ufeff/,
        " ",
      );
      const key = BLOCK_KEY.exec(line.trimEnd());
      if (key !== null && key[1]!.length === (indent ??= key[1]!.length)) {
        items = [];
        itemIndent = undefined;
        keys.push({ key: unquote(key[2]!.trim()), offset: start + indent, items });
        const value = this.#skipProperties(start + key[0].length);
        if (this.#text[value] === "[") {
          for (const item of this.#flowSequence(value).items) items.push(item);
        }
        continue;
      }
      const item = BLOCK_ITEM.exec(line.trimEnd());
      if (item !== null && indent !== undefined && item[1]!.length === (itemIndent ??= item[1]!.length)) {
        items.push(start + item[0].length);
      }
    }
    return keys;
  }

  /** The offset behind blanks, an anchor and a tag, on the same line. */
  #skipProperties(at: number): number {
    while (this.#text[at] === " " || this.#text[at] === "\t") at++;
    const properties = PROPERTIES.exec(this.#text.slice(at, at + 200));
    return at + (properties?.[0].length ?? 0);
  }

  /** Reads `{"key": value, …}` from its brace on. */
  flowMapping(at: number): KeyPosition[] {
    const keys: KeyPosition[] = [];
    at = this.skipBlank(at + 1);
    while (at < this.#text.length && this.#text[at] !== "}") {
      const start = at;
      at = this.#skipFlowValue(at, ":");
      const key = unquote(this.#text.slice(start, at).trim());
      let items: readonly number[] = [];
      if (this.#text[at] === ":") {
        at = this.skipBlank(at + 1);
        if (this.#text[at] === "[") {
          const sequence = this.#flowSequence(at);
          items = sequence.items;
          at = sequence.end;
        }
        at = this.#skipFlowValue(at, ",");
      }
      keys.push({ key, offset: start, items });
      if (this.#text[at] !== ",") break;
      at = this.skipBlank(at + 1);
    }
    return keys;
  }

  /** Reads `[item, …]` from its bracket on. */
  #flowSequence(at: number): { items: number[]; end: number } {
    const items: number[] = [];
    at = this.skipBlank(at + 1);
    while (at < this.#text.length && this.#text[at] !== "]") {
      items.push(at);
      at = this.#skipFlowValue(at, ",");
      if (this.#text[at] !== ",") break;
      at = this.skipBlank(at + 1);
    }
    return { items, end: at + 1 };
  }

  /** The offset of `stop`, a comma or a closing bracket outside quotes, comments and inner brackets. */
  #skipFlowValue(at: number, stop: string): number {
    for (let depth = 0; at < this.#text.length; at++) {
      const character = this.#text[at]!;
      if (
        depth === 0 && (character === stop || character === "," || character === "]" || character === "}")
      ) return at;
      if (character === "[" || character === "{") depth++;
      else if (character === "]" || character === "}") depth--;
      else if (character === '"' || character === "'") at = this.#skipQuoted(at);
      else if (character === "#" && /\s/.test(this.#text[at - 1] ?? " ")) at = this.skipBlank(at) - 1;
    }
    return at;
  }

  #skipQuoted(at: number): number {
    const quote = this.#text[at];
    for (at++; at < this.#text.length && this.#text[at] !== quote; at++) {
      if (quote === '"' && this.#text[at] === "\\") at++;
    }
    return at;
  }
}

function unquote(text: string): string {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'");
  if (!text.startsWith('"')) return text;
  try {
    return String(JSON.parse(text));
  } catch {
    return text.slice(1, -1);
  }
}
