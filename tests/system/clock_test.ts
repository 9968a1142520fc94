import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../lib/system/clock.ts";

Deno.test("systemClock.sleep() ends after its time", async () => {
  const before = systemClock.now();
  await systemClock.sleep(20, new AbortController().signal);
  assert(systemClock.now() - before >= 19);
});

Deno.test("systemClock.sleep() ends at once when woken, and leaves no timer behind", async () => {
  const wake = new AbortController();
  const sleeping = systemClock.sleep(3_600_000, wake.signal);
  wake.abort();
  await sleeping;
  await systemClock.sleep(3_600_000, wake.signal);
  assertEquals(wake.signal.aborted, true);
});

Deno.test("systemClock.sleep() sleeps for a time that no timer can hold", async () => {
  const wake = new AbortController();
  let isAwake = false;
  const sleeping = systemClock.sleep(1_000 * 3_600_000, wake.signal).then(() => isAwake = true);
  await systemClock.sleep(50, new AbortController().signal);
  assertEquals(isAwake, false);
  wake.abort();
  await sleeping;
});
