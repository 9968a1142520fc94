/** What YAML 1.1 and Go make of a scalar without quotes. */

const WORDS: ReadonlyMap<string, null | boolean> = new Map([
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
]);

/** The words of YAML 1.1 for booleans that YAML 1.2 takes for texts: its type "bool". */
const OLD_BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"].map((word) => [word, true] as const),
  ...["n", "N", "no", "No", "NO", "off", "Off", "OFF"].map((word) => [word, false] as const),
]);

const INTEGER = /^(?:0x[\da-f]+|0b[01]+|0o?[0-7]+|0|[1-9]\d*)$/i;
const FLOAT = /^(?:\.\d+|\d+(?:\.\d*)?)(?:e[-+]?\d+)?$/i;
const SPECIAL = /^\.(?:(inf|Inf|INF)|nan|NaN|NAN)$/;

/** The value of a scalar without quotes; a word for a boolean that only YAML 1.1 has stays a text. */
export function parsePlain(text: string): null | boolean | number | string {
  const word = WORDS.get(text);
  if (word !== undefined) return word;
  return parseNumber(text) ?? text;
}

/** A boolean in one of YAML 1.1's words. */
export function parseOldBoolean(text: string): boolean | undefined {
  return OLD_BOOLEANS.get(text);
}

function parseNumber(text: string): number | undefined {
  if (!/^[-+.\d]/.test(text)) return undefined;
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = text.replace(/^[-+]/, "").replaceAll("_", "");
  if (INTEGER.test(digits)) return sign * Number(digits.replace(/^0(?=[0-7])/, "0o"));
  if (FLOAT.test(digits)) return sign * Number(digits);
  const special = SPECIAL.exec(digits);
  return special === null ? undefined : special[1] === undefined ? NaN : sign * Infinity;
}
