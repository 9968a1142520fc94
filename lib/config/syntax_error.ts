/** What the YAML and JSON parsers say -> where it is, what is wrong and what to do, in this house's words. */
import type { Position } from "./marked_text.ts";
import { printable } from "./printable.ts";

/** A syntax error for a person. */
export interface ExplainedError {
  readonly message: string;
  readonly position?: Position;
}

/** Mistakes that people make, by what the parsers call them. The first that matches is used. */
const KNOWN: readonly (readonly [RegExp, string])[] = [
  [
    /bad indentation/,
    'bad indentation: the keys must stand one below the other, and so must the "-" of a list',
  ],
  [
    /explicit mapping pair is incomplete|nested mapping|multiline key/,
    'a second ":" in what should be one value: put the value in quotes, or start a new line for a new key',
  ],
  [/missing comma between flow/, 'a "," or a closing bracket is missing before this'],
  [/unexpected end of the stream within a flow/, 'a "[" or "{" is never closed'],
  [/within a (?:single|double) quoted scalar/, "a quote is never closed"],
  [/unidentified alias/, 'a "*" starts an alias, and no "&" defines it: put the value in quotes'],
  [/unknown tag/, 'a "!" starts a tag, and no tag has a meaning here: put the value in quotes'],
  [/non-printable|control character/, "a control character is here: remove it, or write a blank"],
  [/tab characters/, "a tab is where blanks must be: indent with blanks"],
  [
    /end of the stream or a document separator/,
    'this does not fit the lines before: check the indentation, the ":" behind each key, and quotes around a ' +
    'value that starts with "@" or "`"',
  ],
  [/property name/, "a key in double quotes is expected here, or a comma before this is one too many"],
  [/after property value|after array element/, "a comma or a closing bracket is missing before this"],
  [/after JSON/, 'something follows the last "}": remove it'],
  [
    /Unexpected token|Unexpected number/,
    "no value: write true, false, a number, a list, or a text in double quotes",
  ],
];

/** Explains what a parser threw about `text`. */
export function explainSyntaxError(error: unknown, text: string, isJson: boolean): ExplainedError {
  if (error instanceof RangeError) {
    return { message: "nested too deeply: a config is a mapping of values and lists" };
  }
  const said = error instanceof Error ? error.message : String(error);
  return isJson ? explainJsonError(said, text) : explainYamlError(said, text);
}

function explainJsonError(said: string, text: string): ExplainedError {
  const position = jsonErrorPosition(text);
  const end = positionAt(text, text.trimEnd().length);
  if (position.line > end.line || position.line === end.line && position.column >= end.column) {
    return {
      message: "not JSON: the text ends too early: a quote or a bracket is never closed",
      position: end,
    };
  }
  return { message: `not JSON: ${inOurWords(said)}`, position };
}

function explainYamlError(said: string, text: string): ExplainedError {
  const position = yamlErrorPosition(said, text);
  if (position === undefined) return { message: `not YAML: ${inOurWords(said)}` };
  const slip = explainSlip(lineAt(text, position.line));
  return { message: `not YAML: ${slip ?? inOurWords(said)}`, position };
}

/** A mistake by its known name, or else the first line of what the parser said, without the place. */
function inOurWords(said: string): string {
  return KNOWN.find(([pattern]) => pattern.test(said))?.[1] ??
    printable(said.split("\n", 1)[0]!.replace(/ (?:at line|in JSON at) .*$/, ""));
}

/** @std/yaml puts the place into its message. At the end of the text it counts one line too many. */
function yamlErrorPosition(message: string, text: string): Position | undefined {
  const place = /at line (\d+), column (\d+)/.exec(message);
  if (place === null) return undefined;
  const line = Number(place[1]);
  const last = positionAt(text, text.trimEnd().length);
  return line > last.line ? last : { line, column: Number(place[2]) };
}

/**
 * JSON.parse gives a place for some errors only. The longest beginning of the text that could still be completed ends
 * where the error is, so halving finds it.
 */
function jsonErrorPosition(text: string): Position {
  let [good, bad] = [0, text.length + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (canGoOn(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return positionAt(text, good);
}

function canGoOn(beginning: string): boolean {
  try {
    JSON.parse(beginning);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const offset = /at position (\d+)/.exec(message);
    return /Unexpected end of JSON|Unterminated string/.test(message) ||
      offset !== null && Number(offset[1]) >= beginning.length;
  }
}

/** The line and column of an offset. */
export function positionAt(text: string, offset: number): Position {
  const lines = text.slice(0, offset).split("\n");
  return { line: lines.length, column: lines.at(-1)!.length + 1 };
}

/** What is plainly wrong with a line, whatever the parser called it. */
function explainSlip(line: string): string | undefined {
  if (/^\s*\t/.test(line)) return "a tab is in the indentation: indent with blanks";
  if (/^[^#"':]*:\s+-\s/.test(line)) return "a list starts on a line of its own, below its key";
  return undefined;
}

function lineAt(text: string, line: number): string {
  let start = 0;
  for (let number = 1; number < line; number++) start = text.indexOf("\n", start) + 1;
  // Of a very long line the beginning is enough.
  return text.slice(start, start + 1_000).split("\n", 1)[0]!;
}
