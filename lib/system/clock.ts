/** Time, so that tests can have their own. */

/** The port: tells the time and waits. */
export interface Clock {
  /** Milliseconds since some moment in the past; never steps back. */
  now(): number;
  /** Milliseconds since 1970, as the calendar has it at the moment. */
  epoch(): number;
  /** Resolves after `milliseconds`, 24 days at the most, or as soon as `signal` aborts. Never rejects. */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

/** A timer that is to run for longer than this ends at once instead, and the agent would sync without a pause. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),

  sleep(milliseconds, signal) {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const timer = setTimeout(finish, Math.min(milliseconds, LONGEST_TIMER_MS));
      signal.addEventListener("abort", finish);
    });
  },
};
