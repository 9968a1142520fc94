import { assertEquals } from "@std/assert";
import { Hints } from "../../lib/agent/hints.ts";
import { FakeClock } from "../fakes/agent.ts";

Deno.test("Hints calls back once for a burst, when it is quiet", async () => {
  const clock = new FakeClock();
  let calls = 0;
  const hints = new Hints(clock, () => calls++);
  hints.hint();
  hints.hint();
  clock.time = 30;
  hints.hint();
  await clock.tick(); // 40 ms after the first event: the last one was 10 ms ago
  assertEquals(calls, 0);
  await clock.tick();
  await Promise.resolve();
  assertEquals([calls, clock.time], [1, 70]);
  hints.hint();
  await clock.tick();
  await Promise.resolve();
  assertEquals([calls, clock.time], [2, 110]);
});

Deno.test("Hints does not wait for ever for quiet", async () => {
  const clock = new FakeClock();
  let calledAt = 0;
  const hints = new Hints(clock, () => calledAt = clock.time);
  hints.hint();
  for (let time = 0; calledAt === 0 && time < 100; time++) {
    clock.time += 20;
    hints.hint();
    await clock.tick();
    await Promise.resolve();
  }
  assertEquals(calledAt, 120);
});
