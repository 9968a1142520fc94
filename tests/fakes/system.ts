/**
 * A machine for commands: files in memory, a command runner that plays back, and what was printed.
 *
 * @module
 */
import { run } from "../../lib/cli/run.ts";
import type { System } from "../../lib/cli/system.ts";
import type { Command } from "../../lib/ports.ts";
import { FakeClock, FakeLogger } from "./agent.ts";
import { FakeCommandRunner, type Reply } from "./command_runner.ts";

/** What a run of the program did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
  /** Every command that it ran. */
  readonly commands: readonly Command[];
}

/** The machine on which to run. */
export interface Machine {
  /** Configs by path; `-` is standard input. */
  readonly files?: Readonly<Record<string, string>>;
  readonly reply?: (command: Command) => Reply;
  readonly useColor?: boolean;
}

/** Runs the program on a machine to its end. Commands that it runs fail unless the machine replies. */
export async function runOn(machine: Machine, ...args: readonly string[]): Promise<Ran> {
  const printed = { out: "", error: "" };
  const runner = new FakeCommandRunner(machine.reply ?? (() => new Error("This machine runs no commands")));
  const system: System = {
    clock: new FakeClock(),
    runner,
    build: { version: "1.2.3", commit: "0123456789ab", deno: "2.9.6" },
    useColor: machine.useColor ?? false,
    createConfigSource: (path) => ({
      path: path === "-" ? "<stdin>" : path,
      read: () => {
        const text = machine.files?.[path];
        const name = path === "-" ? "<stdin>" : path;
        return Promise.resolve({
          files: text === undefined ? [] : [{ name, bytes: new TextEncoder().encode(text) }],
        });
      },
    }),
    createConfigWatcher: () => ({ ensure: () => false, close: () => {} }),
    serveHttp: () => {
      throw new Error("This machine has no network");
    },
    revokeNetwork: () => {},
    createLogger: () => new FakeLogger(),
    printOut: (text) => printed.out += text,
    printError: (text) => printed.error += text,
    catchSignals: () => {},
    stop: new AbortController().signal,
    onReload: () => {},
  };
  const code = await run(args, system);
  return { code, ...printed, commands: runner.commands };
}
