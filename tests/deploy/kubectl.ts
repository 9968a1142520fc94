/**
 * kubectl, which not every machine has: without it a check says so, where everybody reads it.
 *
 * @module
 */

/** The first 1.x whose `-k` takes folders as resources: see docs/install.md. */
const OLDEST = 21;

/** Whether there is a kubectl that is new enough; where there is none, prints what is `NOT` done for that. */
export async function hasKubectl(notDone: string): Promise<boolean> {
  const minor = await findMinorVersion();
  if (minor !== undefined && minor >= OLDEST) return true;
  const why = minor === undefined ? "not installed" : `older than 1.${OLDEST}`;
  Deno.stderr.writeSync(new TextEncoder().encode(`\n*** kubectl is ${why}: ${notDone} ***\n`));
  return false;
}

async function findMinorVersion(): Promise<number | undefined> {
  try {
    const args = ["version", "--client", "--output=json"];
    const { stdout } = await new Deno.Command("kubectl", { args }).output();
    // Some vendors write "32+".
    return parseInt(JSON.parse(new TextDecoder().decode(stdout)).clientVersion.minor);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
