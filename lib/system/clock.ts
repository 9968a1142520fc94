/** Time, so that tests can have their own. */

import type { Clock } from "../ports.ts";
import { startTimer } from "./timer.ts";

/** A timer that is to run for longer than this ends at once instead, and the agent would sync without a pause. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  epoch: () => Date.now(),

  after(milliseconds, callback) {
    return startTimer(Math.min(milliseconds, LONGEST_TIMER_MS), callback);
  },
};
