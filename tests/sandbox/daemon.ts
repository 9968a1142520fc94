/**
 * The compiled agent as a daemon in a sandbox or on a host in it, with its log lines as they come.
 *
 * @module
 */
import { EXECUTABLE, type Sandbox } from "./sandbox.ts";

/** A running daemon. Disposing of it kills it where it still runs. */
export class Daemon implements AsyncDisposable {
  /** Standard error so far, without the part of a line that is not complete yet. */
  readonly lines: string[] = [];
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<void>;
  #notify: () => void = () => {};

  constructor(machine: Pick<Sandbox, "spawn">, ...flags: string[]) {
    this.#child = machine.spawn(EXECUTABLE, ["--skip_headers", ...flags]);
    this.#reading = this.#read();
  }

  /** The process, which is the agent itself. */
  get pid(): number {
    return this.#child.pid;
  }

  async #read(): Promise<void> {
    let rest = "";
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      this.lines.push(...lines);
      this.#notify();
    }
  }

  /**
   * Waits for a line that comes after `from` others; fails after `milliseconds`, a time that a busy machine keeps.
   * Returns how long it took.
   */
  async line(pattern: RegExp, { from = 0, milliseconds = 60_000 } = {}): Promise<number> {
    const start = performance.now();
    while (!this.lines.slice(from).some((line) => pattern.test(line))) {
      const left = start + milliseconds - performance.now();
      if (left <= 0) {
        throw new Error(`No line like ${pattern} within ${milliseconds} ms in:\n${this.lines.join("\n")}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#notify = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return performance.now() - start;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Waits for the end and returns the exit code. */
  async status(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.#reading;
    await this.#child.stdout.cancel();
    await this.#child.stdin.abort();
  }
}
