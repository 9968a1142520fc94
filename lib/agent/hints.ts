/** Many events of a file system -> one hint that the config may have changed. */
import type { Clock } from "../ports.ts";

/** Milliseconds without another event after which a change is taken to be complete. */
const QUIET_MS = 40;

/** Milliseconds after which nobody waits any longer for quiet. */
const LONGEST_MS = 120;

/** Calls back once a burst of events is over: a file that is being written is empty for a moment. */
export class Hints {
  readonly #clock: Clock;
  readonly #callback: () => void;
  #last = 0;
  #waiting = false;

  constructor(clock: Clock, callback: () => void) {
    this.#clock = clock;
    this.#callback = callback;
  }

  /** Tells of one event. */
  hint(): void {
    this.#last = this.#clock.now();
    if (this.#waiting) return;
    this.#waiting = true;
    this.#wait(this.#last);
  }

  #wait(first: number): void {
    const end = Math.min(this.#last + QUIET_MS, first + LONGEST_MS);
    const left = end - this.#clock.now();
    if (left > 0) this.#clock.after(left, () => this.#wait(first));
    else {
      this.#waiting = false;
      this.#callback();
    }
  }
}
