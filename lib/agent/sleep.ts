/** A wait that can be ended early. */
import type { Clock } from "../ports.ts";

/** Resolves after `milliseconds`, 24 days at the most, or as soon as `signal` aborts. Never rejects. */
export function sleep(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = () => {
      cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(milliseconds, finish);
    signal.addEventListener("abort", finish);
  });
}
