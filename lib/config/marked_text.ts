/**
 * Places of scalars. The YAML parser gives values without places, so each scalar has its own written into it before:
 * `a: b` becomes `¤1:1p¤a: ¤1:4p¤b`. The structure is the parser's business alone. A mark too many does no harm: inside
 * of a scalar it is taken out again, and anywhere else the parser refuses it, so that the text is read without marks.
 */

/** A place in a text, both numbers from 1. Columns count UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A text with marks. */
export interface MarkedText {
  readonly text: string;
  /** The character around each mark, which stands nowhere else. */
  readonly mark: string;
  /** Where a tab indents a block, which only some parsers take. */
  readonly tab?: Position;
}

/** A scalar without its marks. */
export interface Scalar {
  readonly text: string;
  /** Where it begins, as far as it is known; with its tag. */
  readonly position?: Position;
  /** Whether it stands there without quotes, so that it may be more than a text. */
  readonly isPlain: boolean;
  /** Such as `!!int`; empty where there is none. */
  readonly tag: string;
  /** Whether it starts with a colon and stands in brackets without quotes. */
  readonly isFlowColon: boolean;
}

// No two parts of these can match the same character, so that no text makes them slow. White space is what YAML takes
// for it: "\s" has other blanks, too.
const TAG = /![^ \t\r\n,[\]{}"'\\]*/.source;
const QUOTED = /"[^"\\]*(?:\\[^][^"\\]*)*"|'[^']*(?:''[^']*)*'/.source;
const PLAIN_START = /(?:[^ \t\r\n,[\]{}#&*!|>'"%@`:?-]|[:?-](?=[^ \t\r\n,[\]{}]))/.source;
const PLAIN = `${PLAIN_START}${
  /[^\n,[\]{}:#]*(?:(?::(?=[^ \t\r\n])|(?<=[^ \t\r\n])#)[^\n,[\]{}:#]*)*/.source
}`;
const LINE_END = /(?=[ \t]*(?:#.*)?$)/.source;

/**
 * What begins where a scalar can: a comment, a directive, a separator, the line above a text block, an item of which
 * nothing stands in its line, a scalar, a tag.
 */
const TOKEN = new RegExp(
  `(?<=^|[ \\t\\r\\n,[{]|["']:)(?:[#%].*|(?:---|\\.\\.\\.)(?=\\s|$)|(?<header>[|>][-+\\d]*${LINE_END})|` +
    `(?<item>-${LINE_END})|` +
    `(?<tag>${TAG}[ \\t]+)?(?:(?<quoted>${QUOTED})|(?<plain>${PLAIN}))|(?<lone>${TAG}))`,
  "gm",
);

/**
 * Marks the scalars of a text in YAML or JSON, and blanks out tags of lists and mappings.
 *
 * @returns Undefined where there would be more than `most` marks.
 */
export function markScalars(text: string, most: number): MarkedText | undefined {
  const mark = freeCharacter(text);
  if (mark === undefined) return undefined;
  const pieces: string[] = [];
  let [count, line, lineStart, scanned, copied, depth] = [0, 1, 0, 0, 0, 0];
  let lineEnd = text.indexOf("\n");
  let isInBlock = false;
  let tab: Position | undefined;
  for (const { 0: token, index, groups } of text.matchAll(TOKEN)) {
    const { header, item, tag = "", quoted, plain, lone } = groups!;
    const gap = text.slice(scanned, index);
    for (const character of gap) depth += "[{".includes(character) ? 1 : "]}".includes(character) ? -1 : 0;
    for (; lineEnd !== -1 && lineEnd < index; line++) {
      lineStart = lineEnd + 1;
      lineEnd = text.indexOf("\n", lineStart);
    }
    const tabbed = depth <= 0 && lineStart >= scanned ? /^[ ?-]*\t/.exec(text.slice(lineStart, index)) : null;
    if (tabbed !== null && !/^[#%]/.test(token)) tab ??= { line, column: tabbed[0].length };
    scanned = index + token.length;
    const column = index - lineStart + 1;
    const scalar = quoted ?? plain;
    if (scalar !== undefined) {
      if (++count > most) return undefined;
      const isColon = depth > 0 && plain?.startsWith(":");
      const kind = quoted !== undefined || isInBlock ? "q" : isColon ? "c" : "p";
      const quote = quoted?.[0] ?? "";
      pieces.push(text.slice(copied, index), quote, mark, `${line}:${column}${kind}${tag}`, mark);
      copied = index + tag.length + quote.length;
    } else if (item !== undefined && isEmptyItem(text, scanned, column)) {
      // To the parser nothing and null are the same.
      pieces.push(text.slice(copied, scanned), ` ${mark}${line}:${column}p${mark}`);
      copied = scanned;
    } else if (lone !== undefined) {
      if (++count > most) return undefined;
      pieces.push(text.slice(copied, index), " ".repeat(lone.length));
      copied = scanned;
    }
    if (!token.startsWith("#")) isInBlock = header !== undefined;
  }
  pieces.push(text.slice(copied));
  return { text: pieces.join(""), mark, ...(tab && { tab }) };
}

/** Whether no deeper line follows behind the dash of an item at `column`. */
function isEmptyItem(text: string, behind: number, column: number): boolean {
  const deeper = /(?:[ \t]*(?:#.*)?\r?\n)*( *)(?=[^ \r\n])/y;
  deeper.lastIndex = behind;
  const next = deeper.exec(text);
  return next === null || next[1]!.length < column;
}

/** A character of one byte, to keep the text small, that is not in it, nor comes of its escapes. */
function freeCharacter(text: string): string | undefined {
  for (let code = 0xa1; code <= 0xff; code++) {
    const character = String.fromCharCode(code);
    const escape = new RegExp(`\\\\[xuU]0*${code.toString(16)}`, "i");
    if (!text.includes(character) && !(text.includes("\\") && escape.test(text))) return character;
  }
  return undefined;
}

/** Takes the marks out of what the parser made of a scalar. */
export function unmark(marked: string, mark: string | undefined): Scalar {
  const parts = mark === undefined ? [marked] : marked.split(mark);
  const own = parts[0] === "" ? parts[1] : undefined;
  let text = parts[0]!;
  for (let at = 1; at < parts.length; at += 2) {
    // A tag behind the beginning is none, but belongs to the text.
    if (at > 1 || own === undefined) text += /[cpq](.*)/s.exec(parts[at]!)![1];
    text += parts[at + 1];
  }
  if (own === undefined) return { text, isPlain: false, tag: "", isFlowColon: false };
  const [, line, column, kind, tag] = /^(\d+):(\d+)([cpq])(.*)/s.exec(own)!;
  const position = { line: Number(line), column: Number(column) };
  return { text, position, isPlain: kind !== "q", tag: tag!.trim(), isFlowColon: kind === "c" };
}
