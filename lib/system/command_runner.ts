/** Runs the few commands that the agent may run. The only seam to processes. */

import {
  type Command,
  CommandError,
  CommandKilledError,
  type CommandName,
  CommandNotFoundError,
  type CommandResult,
  type CommandRunner,
  CommandTimeoutError,
} from "../ports.ts";
import { startTimer } from "./timer.ts";

/** Where commands are looked for, in this order: the administrator's folders of PATH, but never PATH itself. */
const SEARCH_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Milliseconds after which a command is killed: well over the 5 s that it may wait for the lock. */
const TIME_LIMIT_MS = 30_000;

/** What a command printed whose output is ignored. */
const NOTHING = new Uint8Array();

/** A collection takes some milliseconds; with 16 runs between two, a daemon's memory went up and down by 4 MiB. */
const RUNS_BETWEEN_COLLECTIONS = 8;

/** More commands than a start runs, which is not to wait for a collection. */
const RUNS_OF_A_START = 16;

/** Milliseconds after which what a start or a long text left is collected. By then nobody waits. */
const COLLECTION_DELAY_MS = 2_000;

/** Characters of input and output from which on a text is long. */
const LONG_TEXT = 262_144;

/** What a runner may be told otherwise. */
export interface RunnerOptions {
  /** Absolute paths of the folders to look for commands in. */
  readonly folders?: readonly string[];
  /** Milliseconds that a command may take. */
  readonly timeLimitMs?: number;
}

/** What a command's streams are. */
export type Streams = Readonly<Record<"stdin" | "stdout" | "stderr", "piped" | "null">>;

/** Runs commands as child processes with an empty environment but `LC_ALL=C`, by absolute path, through no shell. */
export class ChildProcessRunner implements CommandRunner {
  /** The folder in which a command was found last time. */
  readonly #found = new Map<CommandName, string>();
  readonly #folders: readonly string[];
  readonly #timeLimitMs: number;
  #runs = 0;
  #isCollectionDue = false;

  constructor({ folders = SEARCH_FOLDERS, timeLimitMs = TIME_LIMIT_MS }: RunnerOptions = {}) {
    this.#folders = folders;
    this.#timeLimitMs = timeLimitMs;
  }

  async run(command: Command): Promise<CommandResult> {
    this.#runs++;
    // Deno reads output into buffers of 64 KiB that V8 does not count as its own, so it would collect them too late:
    // a daemon grew by 100 MiB.
    if (this.#runs > RUNS_OF_A_START && this.#runs % RUNS_BETWEEN_COLLECTIONS === 0) collectGarbage();
    if (this.#runs === 1) this.#collectLater();
    if (command.signal?.aborted) throw new CommandKilledError(command.name);
    const output = command.ignoreOutput ? "null" : "piped";
    const child = this.spawn(command.name, command.args, {
      stdin: command.input === undefined ? "null" : "piped",
      stdout: output,
      stderr: output,
    });
    let killed: CommandError | undefined;
    const end = (why: CommandError) => {
      killed ??= why;
      kill(child);
    };
    const stopTimer = startTimer(
      this.#timeLimitMs,
      () => end(new CommandTimeoutError(command.name, this.#timeLimitMs)),
    );
    const onAbort = () => end(new CommandKilledError(command.name));
    command.signal?.addEventListener("abort", onAbort);
    try {
      // Reading starts before writing: a child that prints much before it reads would block for ever otherwise.
      const ended = command.ignoreOutput
        ? child.status.then(({ code }) => ({ code, stdout: NOTHING, stderr: NOTHING }))
        : child.output();
      if (command.input !== undefined) await writeInput(child.stdin, command.input);
      const { code, stdout, stderr } = await ended;
      if (killed !== undefined) throw killed;
      if ((command.input?.length ?? 0) + stdout.length > LONG_TEXT) this.#collectLater();
      const decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    } finally {
      stopTimer();
      command.signal?.removeEventListener("abort", onAbort);
    }
  }

  #collectLater(): void {
    if (this.#isCollectionDue) return;
    this.#isCollectionDue = true;
    startTimer(COLLECTION_DELAY_MS, () => {
      this.#isCollectionDue = false;
      collectGarbage();
    });
  }

  /**
   * Starts a command.
   *
   * @throws {CommandError} It can't be started.
   */
  spawn(name: CommandName, args: readonly string[], streams: Streams): Deno.ChildProcess {
    const known = this.#found.get(name);
    for (const folder of known === undefined ? this.#folders : [known, ...this.#folders]) {
      try {
        const child = new Deno.Command(`${folder}/${name}`, {
          args: [...args],
          clearEnv: true,
          env: { LC_ALL: "C" },
          ...streams,
        }).spawn();
        this.#found.set(name, folder);
        return child;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) {
          throw new CommandError(`Cannot run ${folder}/${name}: ${(error as Error).message}`);
        }
      }
    }
    throw new CommandNotFoundError(name, this.#folders);
  }
}

/** The only flavor that gives memory back to the system. tools/permissions has the flag that makes gc() available. */
function collectGarbage(): void {
  const { gc } = globalThis as { gc?: (options: Readonly<Record<string, string>>) => void };
  gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
}

/** Ends a child at once, unless it has ended. */
export function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has just ended by itself.
  }
}

/** A child that ends without reading all of its input makes this fail; its exit code and message say why. */
async function writeInput(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // A broken pipe, or a stream that broke before it was closed: how the child ended is what counts.
  }
}
