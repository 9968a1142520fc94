import { assert, assertEquals } from "@std/assert";
import { sleep, systemClock } from "../../lib/system/clock.ts";

Deno.test("sleep() ends after its time", async () => {
  const before = systemClock.now();
  await sleep(systemClock, 20, new AbortController().signal);
  assert(systemClock.now() - before >= 19);
});

Deno.test("sleep() ends at once when woken, and leaves no timer behind", async () => {
  const wake = new AbortController();
  const sleeping = sleep(systemClock, 3_600_000, wake.signal);
  wake.abort();
  await sleeping;
  await sleep(systemClock, 3_600_000, wake.signal);
  assertEquals(wake.signal.aborted, true);
});

Deno.test("sleep() sleeps for a time that no timer can hold", async () => {
  const wake = new AbortController();
  let isAwake = false;
  const sleeping = sleep(systemClock, 1_000 * 3_600_000, wake.signal).then(() => isAwake = true);
  await sleep(systemClock, 50, new AbortController().signal);
  assertEquals(isAwake, false);
  wake.abort();
  await sleeping;
});
