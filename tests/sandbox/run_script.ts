/**
 * Modules of this project in processes of their own.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import permissions from "../../tools/permissions" with { type: "text" };
import type { Sandbox } from "./sandbox.ts";

/** The flags of V8 that the program is compiled with: they decide when garbage is collected. */
export const V8_FLAGS: readonly string[] = permissions.split("\n").filter((flag) =>
  flag.startsWith("--v8-flags=")
);

/** Arguments for Deno that run a module with all permissions. `path` is relative to the project. */
export function scriptArgs(path: string, flags: readonly string[] = [], ...args: string[]): string[] {
  // tools/deno gives what a closed network needs; with JSR in reach there is nothing to give.
  const denoFlags = (Deno.env.get("DENO_FLAGS") ?? "").split(" ").filter((flag) => flag !== "");
  const module = fromFileUrl(new URL(`../../${path}`, import.meta.url));
  return ["run", "--quiet", "--no-check", ...denoFlags, "--allow-all", ...flags, module, ...args];
}

/** Runs a module inside of a sandbox and returns what it printed. Throws where it fails. */
export async function runScript(
  sandbox: Sandbox,
  path: string,
  flags: readonly string[] = [],
  ...args: string[]
): Promise<string> {
  const { code, stdout, stderr } = await sandbox.run(Deno.execPath(), scriptArgs(path, flags, ...args));
  if (code !== 0) throw new Error(`${path} failed: ${stderr}`);
  return stdout;
}
