/** Values of a config in messages: short, on one line, without control characters. */

/** Characters of a value that a message shows. */
const LONGEST = 80;

/** Cuts long texts, and writes control characters as escapes so that a message stays one line. */
export function printable(text: string, longest = LONGEST): string {
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return short.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
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
  if (typeof value === "string") return `"${printable(value)}"`;
  return typeof value === "object" && value !== null ? "a mapping" : printable(String(value));
}

/** A message that quotes `value` as it is, made printable. */
export function printableMessage(value: string, message: string): string {
  return printable(message.replaceAll(`"${value}"`, () => `"${printable(value)}"`), 4 * LONGEST);
}
