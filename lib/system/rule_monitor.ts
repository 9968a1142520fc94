/** Follows events of nf_tables, by an nft that prints them. */
import { CommandError, type RuleMonitor } from "../ports.ts";
import { type ChildProcessRunner, kill } from "./command_runner.ts";
import { block, pause } from "./timer.ts";

/** Bytes of one read. */
const BUFFER_SIZE = 65_536;

/** Milliseconds between two reads, for many lines at once. */
const PAUSE_MS = 100;

/**
 * Milliseconds for which nothing waits while nft goes on printing. It writes word by word, and each word wakes up who
 * waits for one, be it for the next read only: 4,000 times for 1,000 rules, more than all the rest costs.
 */
const BLOCK_MS = 20;

/**
 * A transaction that changes nothing, which is an event. An nft that waits for the end of its input runs it when this
 * program is gone, however it ended: the nft that prints events finds nobody to read them then, and ends. By itself it
 * would not notice before somebody changes a rule. Many events, for a program that ends closes its files one by one:
 * the first ones may still find it reading.
 */
const LAST_WORD = "add table ip ip-masq-agent-ended\ndelete table ip ip-masq-agent-ended\n".repeat(200);

/** Runs nft as long as its events are asked for. */
export class NftMonitor implements RuleMonitor {
  readonly #runner: ChildProcessRunner;

  constructor(runner: ChildProcessRunner) {
    this.#runner = runner;
  }

  async follow(script: string, onText: (text: string) => void, stop: AbortSignal): Promise<string> {
    const children: Deno.ChildProcess[] = [];
    const end = () => children.forEach(kill);
    stop.addEventListener("abort", end);
    try {
      const events = this.#runner.spawn("nft", [script], { stdin: "null", stdout: "piped", stderr: "null" });
      children.push(events);
      const guard = this.#runner.spawn("nft", ["-f", "-"], {
        stdin: "piped",
        stdout: "null",
        stderr: "null",
      });
      children.push(guard);
      const input = guard.stdin.getWriter();
      await input.write(new TextEncoder().encode(LAST_WORD));
      if (stop.aborted) end();
      void guard.status.then(end);
      await read(events.stdout, onText);
      const { code } = await events.status;
      end();
      await guard.status;
      await input.abort().catch(() => {});
      return `nft '${script}' ended with exit code ${code}`;
    } catch (error) {
      end();
      await Promise.all(children.map((child) => child.status));
      return error instanceof CommandError ? error.message : `nft: ${(error as Error).message}`;
    } finally {
      stop.removeEventListener("abort", end);
    }
  }
}

async function read(stream: ReadableStream<Uint8Array>, onText: (text: string) => void): Promise<void> {
  // One buffer for all: V8 does not count these, and would collect them too late.
  const reader = stream.getReader({ mode: "byob" });
  const decoder = new TextDecoder();
  let buffer = new ArrayBuffer(BUFFER_SIZE);
  for (;;) {
    const { value, done } = await reader.read(new Uint8Array(buffer));
    if (done) return;
    onText(decoder.decode(value));
    block(BLOCK_MS);
    if (value.length < BUFFER_SIZE) await pause(PAUSE_MS);
    buffer = value.buffer;
  }
}
