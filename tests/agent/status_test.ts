import { assertEquals } from "@std/assert";
import { DURATION_BUCKETS, FamilyStatus, isHealthy, isReady } from "../../lib/agent/status.ts";

function succeededAt(monotonicMs: number | undefined): FamilyStatus {
  const status = new FamilyStatus("IPv4");
  if (monotonicMs !== undefined) status.lastSuccess = { monotonicMs, epochMs: 0 };
  return status;
}

Deno.test("isHealthy() is false when a family had no success for three intervals", () => {
  const cases: [successes: (number | undefined)[], now: number, healthy: boolean][] = [
    [[undefined], 0, true],
    [[undefined], 180_000, true],
    [[undefined], 180_001, false],
    [[100_000], 280_000, true],
    [[100_000], 280_001, false],
    [[100_000, 200_000], 280_001, false],
    [[200_000, 200_000], 280_001, true],
  ];
  for (const [successes, now, healthy] of cases) {
    assertEquals(
      isHealthy(successes.map(succeededAt), now, 0, 60_000),
      healthy,
      JSON.stringify([successes, now]),
    );
  }
});

Deno.test("isReady() needs rules of every family and a good config", () => {
  assertEquals(isReady([succeededAt(1), succeededAt(1)], true), true);
  assertEquals(isReady([succeededAt(1), succeededAt(undefined)], true), false);
  assertEquals(isReady([succeededAt(1)], false), false);
});

Deno.test("FamilyStatus.count() fills the cumulative buckets of the histogram", () => {
  const status = new FamilyStatus("IPv4");
  for (const milliseconds of [4, 5, 6, 60_000]) status.count("unchanged", milliseconds);
  assertEquals(status.syncs, { unchanged: 4, applied: 0, failed: 0 });
  assertEquals(status.durationCounts.slice(0, 2), [2, 3]);
  assertEquals(status.durationCounts.at(-1), 3);
  assertEquals(status.durationCounts.length, DURATION_BUCKETS.length);
  assertEquals(status.durationSum, 60.015);
});
