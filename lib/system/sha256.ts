/** A hash to tell files apart by, the one that sha256sum(1) prints. */

/** The SHA-256 of these bytes one behind the other, in hex digits. */
export async function sha256(parts: readonly Uint8Array[]): Promise<string> {
  const bytes = await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer();
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
