/** When a change that somebody made deserves a check, and when two undo each other. Times are milliseconds. */

/** From the first event of a burst to the check: who changes much is not repaired in the midst of it. */
const DEBOUNCE_MS = 200;

/** Between two checks. */
const GAP_MS = 500;

/** Checks within a minute. */
const MOST_CHECKS = 30;

const MINUTE_MS = 60_000;

/** For so long after a write of our own its event is waited for. */
const OWN_EVENT_MS = 1_000;

/** A repair so soon after the one before is part of a fight. */
const FIGHT_GAP_MS = 10_000;

/** So many repairs in a row are a fight. */
const FIGHT_REPAIRS = 5;

/** How long repairs wait in a fight, at first and at most; it doubles with each. */
const [FIRST_REST_MS, LONGEST_REST_MS] = [1_000, 60_000];

/** What is known of the changes of one family's rules: by events, by checks and by repairs. */
export class CheckPace {
  /** The checks of the last minute. */
  #checks: number[] = [];
  #ownWriteMs = -Infinity;
  #repairs = 0;
  #repairMs = -Infinity;

  /**
   * Whether others made some of so many transactions, which were seen while nothing of ours runs. A write of our own is
   * one, and only of it nothing is to be checked.
   */
  isForeign(transactions: number, nowMs: number): boolean {
    const isOwn = transactions > 0 && nowMs - this.#ownWriteMs <= OWN_EVENT_MS;
    if (isOwn) this.#ownWriteMs = -Infinity;
    return transactions > (isOwn ? 1 : 0);
  }

  /** When a change that has just been seen is to be checked. */
  dueMs(nowMs: number): number {
    this.#checks = this.#checks.filter((time) => nowMs - time < MINUTE_MS);
    const free = this.#checks.length < MOST_CHECKS ? 0 : this.#checks[0]! + MINUTE_MS;
    return Math.max(
      nowMs + DEBOUNCE_MS,
      (this.#checks.at(-1) ?? -Infinity) + GAP_MS,
      free,
      this.#repairMs + this.restMs,
    );
  }

  /** To be called with each check because of an event. */
  checked(nowMs: number): void {
    this.#checks.push(nowMs);
  }

  /** To be called behind each write. */
  wrote(nowMs: number): void {
    this.#ownWriteMs = nowMs;
  }

  /** To be called behind each repair. Returns whether it shows that a fight began. */
  repaired(nowMs: number): boolean {
    this.#repairs = nowMs - this.#repairMs <= this.restMs + FIGHT_GAP_MS ? this.#repairs + 1 : 1;
    this.#repairMs = nowMs;
    return this.#repairs === FIGHT_REPAIRS;
  }

  /** To be called behind each check that found nothing. Returns whether it shows that a fight ended. */
  found(nowMs: number): boolean {
    if (this.restMs === 0 || nowMs - this.#repairMs <= this.restMs + FIGHT_GAP_MS) return false;
    this.#repairs = 0;
    return true;
  }

  /** How long after a repair the next one waits; 0 where nobody fights. */
  get restMs(): number {
    const blows = this.#repairs - FIGHT_REPAIRS;
    return blows < 0 ? 0 : Math.min(FIRST_REST_MS * 2 ** blows, LONGEST_REST_MS);
  }
}
