/** What the agent knows of itself, for metrics and health. */
import type { Drift } from "../backends/backend.ts";
import type { IpFamily } from "../config/ip_address.ts";

/** The ways in which a sync ends. */
export const OUTCOMES = ["unchanged", "applied", "failed"] as const;

/** One of them. */
export type Outcome = typeof OUTCOMES[number];

/** Upper bounds of the duration histogram, in seconds. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** The numbers of one family. They only grow, as counters of Prometheus do. */
export class FamilyStatus {
  readonly family: IpFamily;
  readonly syncs: Record<Outcome, number> = { unchanged: 0, applied: 0, failed: 0 };
  /** Repairs of what somebody else changed, by what had drifted. */
  readonly repairs = new Map<Drift["kind"], number>();
  /** How many syncs took at most as long as each of {@linkcode DURATION_BUCKETS}. */
  readonly durationCounts: number[] = DURATION_BUCKETS.map(() => 0);
  /** Seconds that all syncs took together. */
  durationSum = 0;
  /** When a sync last succeeded: milliseconds of the clock that never steps back, and of the calendar. */
  lastSuccess: { readonly monotonicMs: number; readonly epochMs: number } | undefined;

  constructor(family: IpFamily) {
    this.family = family;
  }

  /** Counts one sync that took `milliseconds`. */
  count(outcome: Outcome, milliseconds: number): void {
    this.syncs[outcome]++;
    const seconds = milliseconds / 1000;
    this.durationSum += seconds;
    for (const [index, bound] of DURATION_BUCKETS.entries()) {
      if (seconds <= bound) this.durationCounts[index]!++;
    }
  }

  /** Counts the repair of a drift. */
  countRepair(drift: readonly Drift[]): void {
    for (const { kind } of drift) this.repairs.set(kind, (this.repairs.get(kind) ?? 0) + 1);
  }
}

/** A family without success for this many intervals makes the agent unhealthy. */
const UNHEALTHY_INTERVALS = 3;

/** Whether every family had a success within three intervals, counted from `startMs` where it had none yet. */
export function isHealthy(
  families: readonly FamilyStatus[],
  nowMs: number,
  startMs: number,
  resyncIntervalMs: number,
): boolean {
  const limit = UNHEALTHY_INTERVALS * resyncIntervalMs;
  return families.every(({ lastSuccess }) => nowMs - (lastSuccess?.monotonicMs ?? startMs) <= limit);
}

/** Whether the rules of every family stand, as far as is known, and what the config says now is good. */
export function isReady(families: readonly FamilyStatus[], configIsGood: boolean): boolean {
  return configIsGood && families.every(({ lastSuccess }) => lastSuccess !== undefined);
}
