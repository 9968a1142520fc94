import { assert, assertEquals } from "@std/assert";
import { CommandOutput, LogOutput } from "../../lib/system/output.ts";

/** A stream that takes what the test lets it take. */
class FakeStream {
  text = "";
  /** What the next writes do: how many bytes they take, or why they fail; all of them where there is nothing. */
  readonly outcomes: (number | Error)[] = [];
  /** Whether asynchronous writes wait. */
  isStalled = false;
  #resume = () => {};

  writeSync(bytes: Uint8Array): number {
    const outcome = this.outcomes.shift() ?? bytes.length;
    if (outcome instanceof Error) throw outcome;
    this.text += new TextDecoder().decode(bytes.subarray(0, outcome));
    return Math.min(outcome, bytes.length);
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.isStalled) await new Promise<void>((resolve) => this.#resume = resolve);
    return this.writeSync(bytes);
  }

  resume(): void {
    this.isStalled = false;
    this.#resume();
  }
}

const BROKEN = new Deno.errors.BrokenPipe("Broken pipe (os error 32)");
const FULL_DISK = new Error("No space left on device (os error 28)");
const BUSY = new Deno.errors.WouldBlock("Resource temporarily unavailable (os error 11)");

Deno.test("CommandOutput writes all, also to a pipe that takes a part at a time or asks to wait", () => {
  const stream = new FakeStream();
  const output = new CommandOutput(stream);
  stream.outcomes.push(2, BUSY, 1, BUSY, BUSY);
  const start = performance.now();
  output.write("hello\n");
  assert(performance.now() - start >= 25, "it did not wait");
  assertEquals([stream.text, output.error], ["hello\n", undefined]);
});

Deno.test("CommandOutput remembers its first failure, and writes nothing after it", () => {
  for (const [error, isUnread] of [[BROKEN, true], [FULL_DISK, false]] as const) {
    const stream = new FakeStream();
    const output = new CommandOutput(stream);
    stream.outcomes.push(2, error);
    output.write("hello\n");
    output.write("again\n");
    assertEquals([stream.text, output.error, output.isUnread], ["he", error, isUnread]);
  }
});

Deno.test("LogOutput writes lines in order, also to a pipe that takes a part at a time or asks to wait", async () => {
  const stream = new FakeStream();
  const log = new LogOutput(stream);
  stream.outcomes.push(2, BUSY, 1, BUSY);
  log.write("one\n");
  log.write("two\n");
  assertEquals(log.isIdle, false);
  await log.flush(10_000);
  assertEquals([stream.text, log.isIdle], ["one\ntwo\n", true]);
  log.write("three\n");
  await log.flush(10_000);
  assertEquals(stream.text, "one\ntwo\nthree\n");
});

Deno.test("LogOutput loses lines that can't be written, and tells how many once others can", async () => {
  const stream = new FakeStream();
  const log = new LogOutput(stream);
  log.onLoss = (lines) => log.write(`lost ${lines}\n`);
  stream.outcomes.push(BROKEN, FULL_DISK);
  log.write("one\n");
  log.write("two\n");
  await log.flush(10_000);
  assertEquals(stream.text, "");
  log.write("three\n");
  log.write("four\n");
  await log.flush(10_000);
  assertEquals(stream.text, "three\nfour\nlost 2\n");
});

Deno.test("LogOutput that is closed takes no more lines, but tells what was lost", async () => {
  const stream = new FakeStream();
  const log = new LogOutput(stream);
  log.onLoss = (lines) => log.write(`lost ${lines}\n`);
  stream.outcomes.push(BROKEN);
  log.write("one\n");
  log.write("two\n");
  const closed = log.close(10_000);
  log.write("three\n");
  await closed;
  log.write("four\n");
  await log.flush(10_000);
  assertEquals(stream.text, "two\nlost 1\n");
});

Deno.test("LogOutput keeps only so many lines for a reader that is stalled, and nobody waits for it", async () => {
  const stream = new FakeStream();
  const log = new LogOutput(stream);
  let lost = 0;
  log.onLoss = (lines) => lost += lines;
  stream.isStalled = true;
  const line = `${"x".repeat(999)}\n`;
  for (let count = 0; count < 1_000; count++) log.write(line);
  const start = performance.now();
  await log.flush(50);
  assert(performance.now() - start < 1_000);
  assertEquals(stream.text, "");
  stream.resume();
  await log.flush(10_000);
  const kept = stream.text.length / line.length;
  assert(kept > 100 && kept < 500, String(kept));
  assertEquals(kept + lost, 1_000);
});
