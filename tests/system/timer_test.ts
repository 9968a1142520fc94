import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { pause, startTimer } from "../../lib/system/timer.ts";

Deno.test("startTimer() calls back in the order of the times, in whatever order they were given", async (t) => {
  for (const blockedMs of [0, 100]) {
    await t.step(`where the program is busy for ${blockedMs} ms`, async () => {
      const calls: number[] = [];
      for (const milliseconds of [60, 20, 80, 40]) startTimer(milliseconds, () => calls.push(milliseconds));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockedMs);
      await pause(120);
      assertEquals(calls, [20, 40, 60, 80]);
    });
  }
});

Deno.test("startTimer() calls back neither too early nor much too late", async (t) => {
  for (const milliseconds of [0, 1, 30]) {
    await t.step(`${milliseconds} ms`, async () => {
      const start = performance.now();
      await pause(milliseconds);
      const took = performance.now() - start;
      assert(took >= milliseconds && took < milliseconds + 1_000, `${took} ms`);
    });
  }
});

Deno.test("startTimer() calls back after its own time where a shorter timer was stopped", async () => {
  startTimer(20, () => {})();
  const start = performance.now();
  await pause(60);
  assert(performance.now() - start >= 60);
});

Deno.test("startTimer() returns what stops it, also while others call back", async () => {
  const calls: string[] = [];
  const stops: (() => void)[] = [];
  for (const name of ["a", "b"]) {
    stops.push(startTimer(20, () => {
      calls.push(name);
      for (const stop of stops) stop();
    }));
  }
  await pause(60);
  assertEquals(calls, ["a"]);
});

Deno.test("startTimer() makes no signal where one comes early enough", async () => {
  const original = AbortSignal.timeout;
  let signals = 0;
  AbortSignal.timeout = (milliseconds) => {
    signals++;
    return original.call(AbortSignal, milliseconds);
  };
  try {
    const stops = Array.from({ length: 1_000 }, (_, index) => startTimer(200 + index, () => {}));
    assertEquals(signals, 1);
    for (const stop of stops) stop();
    await pause(300);
    // The one that comes after 200 ms sets the one for the pause.
    assert(signals <= 2, `${signals}`);
  } finally {
    AbortSignal.timeout = original;
  }
});

Deno.test("a timer keeps the program alive until it has called back", async () => {
  const module = fromFileUrl(new URL("../../lib/system/timer.ts", import.meta.url));
  const code = `import { pause } from "file://${module}"; await pause(50); console.log("done")`;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", "--no-config", code] })
    .output();
  assertEquals(new TextDecoder().decode(stdout), "done\n");
});
