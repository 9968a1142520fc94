import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../lib/system/clock.ts";

const pause = (milliseconds: number) =>
  new Promise<void>((resolve) => void systemClock.after(milliseconds, resolve));

Deno.test("systemClock.after() calls back after its time", async () => {
  const before = systemClock.now();
  await pause(20);
  assert(systemClock.now() - before >= 19);
});

Deno.test("systemClock.after() can be taken back", async () => {
  let called = false;
  systemClock.after(10, () => called = true)();
  await pause(50);
  assertEquals(called, false);
});

Deno.test("systemClock.after() waits for a time that no timer can hold", async () => {
  let called = false;
  const cancel = systemClock.after(1_000 * 3_600_000, () => called = true);
  await pause(50);
  assertEquals(called, false);
  cancel();
});
