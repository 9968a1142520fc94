/** What the agent knows of itself, for metrics and health. */
import type { Drift } from "../backends/backend.ts";
import type { IpFamily } from "../config/ip_address.ts";

/** The ways in which a sync ends. */
export const OUTCOMES = ["unchanged", "applied", "failed"] as const;

/** One of them. */
export type Outcome = typeof OUTCOMES[number];

/** Upper bounds of the duration histogram, in seconds. */
export const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

/** A moment: milliseconds of the clock that never steps back, and of the calendar. */
export interface Moment {
  readonly monotonicMs: number;
  readonly epochMs: number;
}

/** What is known of one family. Its numbers only grow, as counters of Prometheus do. */
export class FamilyStatus {
  readonly family: IpFamily;
  readonly syncs: Record<Outcome, number> = { unchanged: 0, applied: 0, failed: 0 };
  /** Repairs of what somebody else changed, by what had drifted. */
  readonly repairs = new Map<Drift["kind"], number>();
  /** How many syncs took at most as long as each of {@linkcode DURATION_BUCKETS}. */
  readonly durationCounts: number[] = DURATION_BUCKETS.map(() => 0);
  /** Seconds that all syncs took together. */
  durationSum = 0;
  /** When a sync last succeeded. */
  lastSuccess: Moment | undefined;
  /** What the last sync failed with; undefined where it succeeded. */
  lastError: string | undefined;
  /** Whether the last sync failed because this host does not have the family at all. */
  isAbsentOnHost = false;

  constructor(family: IpFamily) {
    this.family = family;
  }

  /** Counts a sync that succeeded after `milliseconds`. */
  succeed(outcome: Exclude<Outcome, "failed">, milliseconds: number, moment: Moment): void {
    this.#count(outcome, milliseconds);
    this.lastSuccess = moment;
    this.isAbsentOnHost = false;
  }

  /** Counts a sync that failed after `milliseconds`. */
  fail(message: string, milliseconds: number, isAbsentOnHost: boolean): void {
    this.#count("failed", milliseconds);
    this.lastError = message;
    this.isAbsentOnHost = isAbsentOnHost;
  }

  #count(outcome: Outcome, milliseconds: number): void {
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

/** What health is judged by. Times are milliseconds of the clock that never steps back. */
export interface Health {
  readonly families: readonly FamilyStatus[];
  readonly configIsGood: boolean;
  readonly resyncIntervalMs: number;
  /** When an attempt to sync last ended, however it ended; when the agent was made, before the first. */
  readonly lastAttemptMs: number;
}

const INTERVALS = 3;

/** An attempt whose commands all wait for locks takes this long, in milliseconds, however short the interval is. */
const LONGEST_ATTEMPT_MS = 60_000;

function isRecent(momentMs: number, nowMs: number, { resyncIntervalMs }: Health): boolean {
  return nowMs - momentMs <= Math.max(INTERVALS * resyncIntervalMs, LONGEST_ATTEMPT_MS);
}

/**
 * Whether the loop runs: an attempt to sync ended within three intervals. Why attempts fail does not matter: a restart
 * repairs neither a bad config nor a missing kernel module.
 */
export function isAlive(health: Health, nowMs: number): boolean {
  return isRecent(health.lastAttemptMs, nowMs, health);
}

/** Whether the rules of a family are known to be in force: a sync succeeded within three intervals. */
export function isInForce({ lastSuccess }: FamilyStatus, health: Health, nowMs: number): boolean {
  return lastSuccess !== undefined && isRecent(lastSuccess.monotonicMs, nowMs, health);
}

/** Why the agent is not ready, one line each; none where the config is good and the rules of every family are in force. */
export function readinessProblems(health: Health, nowMs: number): string[] {
  const problems = health.configIsGood ? [] : ["the config is bad"];
  for (const status of health.families) {
    if (isInForce(status, health, nowMs)) continue;
    const { family, lastError } = status;
    problems.push(`${family}: the rules are not known to be in force: ${lastError ?? "not synced yet"}`);
  }
  return problems;
}
