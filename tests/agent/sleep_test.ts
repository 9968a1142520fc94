import { assert, assertEquals } from "@std/assert";
import { sleep } from "../../lib/agent/sleep.ts";
import { FakeClock } from "../fakes/agent.ts";

Deno.test("sleep() ends after its time", async () => {
  const clock = new FakeClock();
  let isAwake = false;
  const sleeping = sleep(clock, 20, new AbortController().signal).then(() => isAwake = true);
  await Promise.resolve();
  assert(!isAwake);
  await clock.tick();
  await sleeping;
  assertEquals([isAwake, clock.time], [true, 20]);
});

Deno.test("sleep() ends at once when woken, and leaves no timer behind", async () => {
  const clock = new FakeClock();
  const wake = new AbortController();
  const sleeping = sleep(clock, 3_600_000, wake.signal);
  assertEquals(clock.sleepers, 1);
  wake.abort();
  await sleeping;
  await sleep(clock, 3_600_000, wake.signal);
  assertEquals([clock.time, clock.sleepers], [0, 0]);
});
