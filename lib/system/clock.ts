/** Time, so that tests can have their own. */

/** The port: tells the time and calls back. */
export interface Clock {
  /** Milliseconds since some moment in the past; never steps back. */
  now(): number;
  /** Milliseconds since 1970, as the calendar has it at the moment. */
  epoch(): number;
  /** Calls back after `milliseconds`, 24 days at the most. Returns what prevents that. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** A timer that is to run for longer than this ends at once instead, and the agent would sync without a pause. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),

  after(milliseconds, callback) {
    const timer = setTimeout(callback, Math.min(milliseconds, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
