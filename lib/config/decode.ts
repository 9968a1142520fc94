/** Bytes of a config file -> text. */

/** A config file may not be larger, in bytes (1 MiB, as a ConfigMap). */
export const LARGEST_CONFIG = 1_048_576;

/**
 * Decodes a config file as UTF-8 and drops a byte order mark.
 *
 * @throws {RangeError} It is larger than {@linkcode LARGEST_CONFIG}.
 * @throws {SyntaxError} It is not UTF-8 text.
 */
export function decodeConfig(bytes: Uint8Array): string {
  if (bytes.length > LARGEST_CONFIG) {
    throw new RangeError("the file is over 1 MiB: a config has a few lines");
  }
  if (bytes[0] === 0xff && bytes[1] === 0xfe || bytes[0] === 0xfe && bytes[1] === 0xff) {
    throw new SyntaxError("the file is UTF-16 text: save it as UTF-8");
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new SyntaxError("the file is not UTF-8 text: save it as UTF-8");
  }
  if (text.includes("\0")) throw new SyntaxError("the file has NUL bytes: it is not text");
  return text;
}
