/** Standard output and standard error, also where nobody reads them, or the disk behind them is full. */
import { block, pause, startTimer } from "./timer.ts";

/** Milliseconds until the next attempt at a pipe that is full and may not be waited for. */
const RETRY_MS = 10;

/** Characters of log lines that wait for a reader. */
const MOST_WAITING = 262_144;

/**
 * What a command prints. It waits for its reader, as other tools do. After a failure nothing is written any more: the
 * command goes on to its end, so that a cleanup, say, is not left half done.
 */
export class CommandOutput {
  readonly #stream: { writeSync(bytes: Uint8Array): number };
  #error: Error | undefined;

  constructor(stream: { writeSync(bytes: Uint8Array): number }) {
    this.#stream = stream;
  }

  /** Why not all could be written. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Whether that is because nobody reads it any more. */
  get isUnread(): boolean {
    return this.#error instanceof Deno.errors.BrokenPipe;
  }

  /** Never throws. */
  write(text: string): void {
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0 && this.#error === undefined) {
      try {
        bytes = bytes.subarray(this.#stream.writeSync(bytes));
      } catch (error) {
        if (error instanceof Deno.errors.WouldBlock) block(RETRY_MS);
        else this.#error = error as Error;
      }
    }
  }
}

/** Log lines. Nobody waits for their reader: what can't be written is lost, and counted. */
export class LogOutput {
  /** Called once lines can be written again, with how many were lost. */
  onLoss: (lines: number) => void = () => {};
  readonly #stream: { write(bytes: Uint8Array): Promise<number> };
  readonly #waiting: string[] = [];
  /** Characters of the lines that wait. */
  #size = 0;
  #lost = 0;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(stream: { write(bytes: Uint8Array): Promise<number> }) {
    this.#stream = stream;
  }

  /** Whether nothing waits to be written. */
  get isIdle(): boolean {
    return this.#writing === undefined;
  }

  /** Writes a line, later where others wait. Never throws. */
  write(line: string): void {
    if (this.#isClosed) return;
    if (this.#size + line.length > MOST_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting.push(line);
    this.#size += line.length;
    this.#writing ??= this.#writeWaiting();
  }

  /** Takes no more lines; resolves once all that wait are written, or after `milliseconds`. */
  async close(milliseconds: number): Promise<void> {
    this.#isClosed = true;
    await this.flush(milliseconds);
  }

  /** Resolves once all is written, or after `milliseconds`. */
  async flush(milliseconds: number): Promise<void> {
    if (this.#writing === undefined) return;
    const timeout = Promise.withResolvers<void>();
    const stopTimer = startTimer(milliseconds, timeout.resolve);
    await Promise.race([this.#writing, timeout.promise]);
    stopTimer();
  }

  /** Never rejects. */
  async #writeWaiting(): Promise<void> {
    for (let line = this.#waiting[0]; line !== undefined; line = this.#waiting[0]) {
      const isWritten = await this.#writeLine(line);
      this.#waiting.shift();
      this.#size -= line.length;
      if (!isWritten) this.#lost++;
      else if (this.#lost > 0) this.#tellLoss();
    }
    this.#writing = undefined;
  }

  /** Also where no other line is taken any more. */
  #tellLoss(): void {
    const lost = this.#lost;
    const isClosed = this.#isClosed;
    this.#lost = 0;
    this.#isClosed = false;
    this.onLoss(lost);
    this.#isClosed = isClosed;
  }

  async #writeLine(line: string): Promise<boolean> {
    let bytes = new TextEncoder().encode(line);
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(await this.#stream.write(bytes));
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) return false;
        await pause(RETRY_MS);
      }
    }
    return true;
  }
}
