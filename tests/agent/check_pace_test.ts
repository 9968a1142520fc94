import { assertEquals } from "@std/assert";
import { CheckPace } from "../../lib/agent/check_pace.ts";

Deno.test("CheckPace waits 200 ms after a change, 500 ms after a check, and a minute after 30", () => {
  const pace = new CheckPace();
  let now = 1_000;
  assertEquals(pace.dueMs(now), 1_200);
  pace.checked(1_200);
  assertEquals(pace.dueMs(1_201), 1_700);
  assertEquals(pace.dueMs(2_000), 2_200);
  for (let checks = 1; checks < 30; checks++) {
    now = pace.dueMs(now);
    pace.checked(now);
  }
  assertEquals([now, pace.dueMs(now)], [15_700, 61_200]);
});

Deno.test("CheckPace takes one transaction after a write for its own", async (t) => {
  const cases: [name: string, transactions: number, afterMs: number, isForeign: boolean][] = [
    ["its own", 1, 1_000, false],
    ["another one, too", 2, 0, true],
    ["none", 0, 0, false],
    ["one that comes late", 1, 1_001, true],
  ];
  for (const [name, transactions, afterMs, isForeign] of cases) {
    await t.step(name, () => {
      const pace = new CheckPace();
      pace.wrote(5_000);
      assertEquals(pace.isForeign(transactions, 5_000 + afterMs), isForeign);
    });
  }
  await t.step("the second after its own", () => {
    const pace = new CheckPace();
    pace.wrote(0);
    assertEquals([pace.isForeign(0, 1), pace.isForeign(1, 1), pace.isForeign(1, 1)], [false, false, true]);
  });
});

Deno.test("CheckPace sees a fight in five quick repairs, and lets repairs rest until a minute lies between", () => {
  const pace = new CheckPace();
  const rests: number[] = [];
  let now = 0;
  const fights: number[] = [];
  for (let repairs = 1; repairs <= 13; repairs++) {
    if (pace.repaired(now)) fights.push(repairs);
    rests.push(pace.dueMs(now) - now);
    now = pace.dueMs(now);
  }
  assertEquals(fights, [5]);
  const seconds = [1, 2, 4, 8, 16, 32, 60, 60, 60].map((it) => it * 1_000);
  assertEquals(rests, [200, 200, 200, 200, ...seconds]);
});

Deno.test("CheckPace sees no fight in repairs that are 10 s apart", () => {
  const pace = new CheckPace();
  for (let now = 0; now < 200_020; now += 10_001) assertEquals(pace.repaired(now), false);
  assertEquals([pace.restMs, pace.found(1_000_000)], [0, false]);
});

Deno.test("CheckPace sees a fight end where nothing was undone for 10 s beyond the rest, and begin anew", () => {
  const pace = new CheckPace();
  for (let time = 0; time < 5; time++) pace.repaired(0);
  assertEquals([pace.found(11_000), pace.found(11_001), pace.found(20_000)], [false, true, false]);
  const again = [1, 2, 3, 4, 5].map(() => pace.repaired(30_000));
  assertEquals(again, [false, false, false, false, true]);
});
