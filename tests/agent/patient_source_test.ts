import { assertEquals } from "@std/assert";
import { PatientSource } from "../../lib/agent/patient_source.ts";
import type { ConfigReading } from "../../lib/ports.ts";
import { FakeClock } from "../fakes/agent.ts";

Deno.test("PatientSource goes on without a file system that hangs, and asks it once only", async () => {
  const clock = new FakeClock();
  let asked = 0;
  let answer: (reading: ConfigReading) => void = () => {};
  const hanging = {
    path: "/etc/config/x",
    read: () => {
      asked++;
      return new Promise<ConfigReading>((resolve) => answer = resolve);
    },
  };
  const source = new PatientSource(hanging, clock);
  const unreadable = { unreadable: "the file system did not answer within 5s" };
  for (let time = 0; time < 3; time++) {
    const reading = source.read();
    await clock.tick();
    assertEquals(await reading, unreadable);
  }
  assertEquals([asked, clock.time], [1, 15_000]);
  const reading = source.read();
  answer({ files: [] });
  assertEquals(await reading, { files: [] });
  const again = source.read();
  answer({ files: [] });
  await again;
  assertEquals(asked, 2);
  assertEquals(clock.sleepers, 0, "an answer ends the wait for the time limit");
});
