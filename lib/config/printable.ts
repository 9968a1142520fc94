/** Values of a config in messages: short, on one line, without control characters. */

/** Characters of a value that a message shows. */
const LONGEST = 80;

/** Characters that nobody sees, or that look like a blank, but are none. */
const INVISIBLE = /[\p{Cf}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** Cuts long texts, and writes control characters and invisible ones as escapes so that a message stays one line. */
export function printable(text: string, longest = LONGEST): string {
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return short.replace(
    new RegExp(`[\\p{Cc}\\p{Cs}]|${INVISIBLE.source}`, "gu"),
    (character) => `\\u${hex(character)}`,
  );
}

function hex(character: string): string {
  return character.codePointAt(0)!.toString(16).padStart(4, "0");
}

/** A text in quotes; an invisible character in it is named. */
function quote(text: string): string {
  const invisible = INVISIBLE.exec(text)?.[0];
  const name = invisible === undefined ? "" : ` (with the invisible U+${hex(invisible).toUpperCase()})`;
  return `"${printable(text)}"${name}`;
}

/** Whether there is any character of Unicode's category Cc, which has the first 32 of each half of Latin-1 and DEL. */
export function hasControlCharacters(text: string): boolean {
  // The first regular expression with \p{Cc} costs a process a quarter of a millisecond.
  return [...text].some((character) => character < " " || character >= "\x7f" && character <= "\x9f");
}

/** `1 rule`, `2 rules`. */
export function plural(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** A value for a message: a text in quotes, other scalars as they are, anything else by its kind. */
export function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return quote(value);
  return typeof value === "object" && value !== null ? "a mapping" : printable(String(value));
}

/** A message that quotes `value` as it is, made printable. */
export function printableMessage(value: string, message: string): string {
  return printable(message.replaceAll(`"${value}"`, () => quote(value)), 4 * LONGEST);
}
