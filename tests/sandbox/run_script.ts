/** Runs a module of this project inside of a sandbox. */
import { fromFileUrl } from "@std/path";
import type { Sandbox } from "../tests/sandbox/sandbox.ts";

/** Returns what the module printed. `path` is relative to the project; throws where it fails. */
export async function runScript(
  sandbox: Sandbox,
  path: string,
  flags: readonly string[],
  ...args: string[]
): Promise<string> {
  // tools/deno gives what a closed network needs; with JSR in reach there is nothing to give.
  const denoFlags = (Deno.env.get("DENO_FLAGS") ?? "").split(" ").filter((flag) => flag !== "");
  const { code, stdout, stderr } = await sandbox.run(Deno.execPath(), [
    "run",
    "--quiet",
    "--no-check",
    ...denoFlags,
    "--allow-all",
    ...flags,
    fromFileUrl(new URL(`../${path}`, import.meta.url)),
    ...args,
  ]);
  if (code !== 0) throw new Error(`${path} failed: ${stderr}`);
  return stdout;
}

/** The flags that the program is compiled with: they decide when garbage is collected. */
export async function v8Flags(): Promise<string[]> {
  const flags = await Deno.readTextFile(fromFileUrl(new URL("../tools/permissions", import.meta.url)));
  return flags.split("\n").filter((flag) => flag.startsWith("--v8-flags="));
}
