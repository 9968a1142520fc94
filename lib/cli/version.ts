/** What `--version` prints. */
import { type CommandName, CommandNotFoundError, type CommandRunner } from "../ports.ts";

/** Where the running program comes from. */
export interface Build {
  /** The release, such as `1.2.3`. */
  readonly version: string;
  /** The commit it was compiled from; `unknown` where the compiler was not told. */
  readonly commit: string;
  /** The version of the Deno runtime inside of it. */
  readonly deno: string;
}

/** The commands through which the rules are written; each family's command of one variant has the same version. */
const COMMANDS: readonly CommandName[] = [
  "iptables-restore",
  "iptables-nft-restore",
  "iptables-legacy-restore",
  "nft",
];

/** Describes the program and what this machine has to write rules with, one thing a line. */
export async function describeVersions(build: Build, runner: CommandRunner): Promise<string> {
  const tools = await Promise.all(
    COMMANDS.map(async (command) => [command, await askVersion(command, runner)] as const),
  );
  const rows = [["commit", build.commit], ["Deno", build.deno], ...tools];
  return [
    `ip-masq-agent ${build.version}`,
    ...rows.map(([name, version]) => `  ${name!.padEnd(24)} ${version}`),
    "",
  ].join("\n");
}

/** A version without the command's own name before it, or why there is none. */
async function askVersion(name: CommandName, runner: CommandRunner): Promise<string> {
  try {
    const { code, stdout } = await runner.run({ name, args: ["--version"] });
    return code === 0 ? stdout.trim().replace(/^\S+ /, "") : `failed with exit code ${code}`;
  } catch (error) {
    return error instanceof CommandNotFoundError ? "not found" : String(error);
  }
}
