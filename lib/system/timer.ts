/**
 * Timers without `setTimeout`, whose first call makes Deno load what Node's timers need: 8 ms of a start, and 3 MB of a
 * daemon. `AbortSignal.timeout` needs none of it, but can't be stopped, so timers share the few that are made.
 *
 * @module
 */

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

const timers = new Set<Timer>();

/** When the signals that are under way will come. Each one was made because it comes before all others. */
const alarms = new Set<number>();

/** Calls back once, after `milliseconds`. Returns what prevents that. */
export function startTimer(milliseconds: number, callback: () => void): () => void {
  const timer = { due: performance.now() + milliseconds, callback };
  timers.add(timer);
  setAlarm(timer.due);
  return () => void timers.delete(timer);
}

/** Resolves after `milliseconds`. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void startTimer(milliseconds, resolve));
}

/** Returns after `milliseconds`, in which nothing else happens in this program. */
export function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** Sees to it that a signal comes when it is `due` or before; whatever comes early sets the next one. */
function setAlarm(due: number): void {
  for (const time of alarms) if (time <= due) return;
  alarms.add(due);
  const signal = AbortSignal.timeout(Math.max(0, Math.ceil(due - performance.now())));
  signal.addEventListener("abort", () => {
    alarms.delete(due);
    callBack();
  });
}

function callBack(): void {
  const now = performance.now();
  let next = Infinity;
  for (const timer of timers) if (timer.due > now) next = Math.min(next, timer.due);
  if (next < Infinity) setAlarm(next);
  for (const timer of [...timers].filter(({ due }) => due <= now).sort((a, b) => a.due - b.due)) {
    // One that was called before may have stopped it.
    if (timers.delete(timer)) timer.callback();
  }
}
