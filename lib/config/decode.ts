/** Bytes of a config file -> text. */

/** All files of a config together may not be larger, in bytes. A ConfigMap has 1 MiB at most, a host's file may have more. */
export const LARGEST_CONFIG = 16 * 1_048_576;

/**
 * Decodes a config file as UTF-8 and drops a byte order mark.
 *
 * @throws {RangeError} It is larger than {@linkcode LARGEST_CONFIG}.
 * @throws {SyntaxError} It is not UTF-8 text.
 */
export function decodeConfig(bytes: Uint8Array): string {
  if (bytes.length > LARGEST_CONFIG) {
    throw new RangeError("the file is over 16 MiB, and no config is");
  }
  const [first, second] = bytes;
  const isMarked = first === 0xff && second === 0xfe || first === 0xfe && second === 0xff;
  // Without a mark one byte of each letter is zero.
  if (isMarked || (first === 0) !== (second === 0) && bytes.length % 2 === 0) {
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
