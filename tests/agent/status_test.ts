import { assertEquals } from "@std/assert";
import {
  DURATION_BUCKETS,
  FamilyStatus,
  type Health,
  isAlive,
  readinessProblems,
} from "../../lib/agent/status.ts";

const NEVER = undefined;

function family(succeededMs: number | undefined, error?: string): FamilyStatus {
  const status = new FamilyStatus("IPv4");
  if (succeededMs !== undefined) status.succeed("unchanged", 0, { monotonicMs: succeededMs, epochMs: 0 });
  if (error !== undefined) status.fail(error, 0, false);
  return status;
}

function health(parts: Partial<Health>): Health {
  return { families: [], configIsGood: true, resyncIntervalMs: 60_000, lastAttemptMs: 0, ...parts };
}

Deno.test("isAlive() is false when no attempt ended for three intervals, a minute at least", () => {
  const cases: [lastAttemptMs: number, resyncIntervalMs: number, nowMs: number, alive: boolean][] = [
    [0, 60_000, 180_000, true],
    [0, 60_000, 180_001, false],
    [100_000, 60_000, 280_000, true],
    [100_000, 60_000, 280_001, false],
    [0, 1_000, 60_000, true],
    [0, 1_000, 60_001, false],
  ];
  for (const [lastAttemptMs, resyncIntervalMs, now, alive] of cases) {
    assertEquals(isAlive(health({ lastAttemptMs, resyncIntervalMs }), now), alive, String(now));
  }
});

Deno.test("readinessProblems() names everything that is missing", () => {
  const problems = (parts: Partial<Health>, nowMs = 0) => readinessProblems(health(parts), nowMs);
  assertEquals(problems({ families: [family(1), family(1)] }), []);
  assertEquals(problems({ families: [family(1)], configIsGood: false }), ["the config is bad"]);
  assertEquals(problems({ families: [family(1), family(NEVER)], configIsGood: false }), [
    "the config is bad",
    "IPv4: the rules are not known to be in force: not synced yet",
  ]);
  assertEquals(problems({ families: [family(NEVER, "no table")] }), [
    "IPv4: the rules are not known to be in force: no table",
  ]);
  assertEquals(problems({ families: [family(0, "busy")] }, 180_000), []);
  assertEquals(problems({ families: [family(0, "busy")] }, 180_001).length, 1);
});

Deno.test("the histogram tells a quick sync from the longest one, with bounds that lie close to each other", () => {
  assertEquals([DURATION_BUCKETS[0], DURATION_BUCKETS.at(-1)], [0.005, 30]);
  for (const [index, bound] of DURATION_BUCKETS.slice(1).entries()) {
    assertEquals([2, 2.5, 3].includes(bound / DURATION_BUCKETS[index]!), true, String(bound));
  }
});

Deno.test("FamilyStatus knows whether the last sync failed because the host lacks the family", () => {
  const status = new FamilyStatus("IPv6");
  const seen = [status.isAbsentOnHost];
  status.fail("no IPv6", 0, true);
  seen.push(status.isAbsentOnHost);
  status.succeed("applied", 0, { monotonicMs: 0, epochMs: 0 });
  seen.push(status.isAbsentOnHost);
  assertEquals(seen, [false, true, false]);
});

Deno.test("FamilyStatus fills the cumulative buckets of the histogram", () => {
  const status = new FamilyStatus("IPv4");
  for (const milliseconds of [4, 5, 6, 60_000]) {
    status.succeed("unchanged", milliseconds, { monotonicMs: 0, epochMs: 0 });
  }
  assertEquals(status.syncs, { unchanged: 4, applied: 0, failed: 0 });
  assertEquals(status.durationCounts.slice(0, 2), [2, 3]);
  assertEquals(status.durationCounts.at(-1), 3);
  assertEquals(status.durationCounts.length, DURATION_BUCKETS.length);
  assertEquals(status.durationSum, 60.015);
});
