/** The commit that the program was compiled from. */

/** `deno task compile` writes this file and puts it into the executable. */
const FILE = new URL("../../dist/commit", import.meta.url);

/** Reads the commit; `unknown` after a plain `deno compile`, which has no such file, and when run from source. */
export function readBuildCommit(): string {
  try {
    return Deno.readTextFileSync(FILE).trim();
  } catch {
    return "unknown";
  }
}
