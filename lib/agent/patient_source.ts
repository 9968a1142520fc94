/** A config source on a file system that may hang. */
import type { Clock, ConfigReading, ConfigSource } from "../ports.ts";

/** Milliseconds that reading the config may take before the agent goes on without it. */
const TIME_LIMIT_MS = 5_000;

/** Gives up waiting for another source after a while, and asks it again only once it has answered. */
export class PatientSource implements ConfigSource {
  readonly path: string;
  readonly #source: ConfigSource;
  readonly #clock: Clock;
  #pending: Promise<ConfigReading> | undefined;

  constructor(source: ConfigSource, clock: Clock) {
    this.path = source.path;
    this.#source = source;
    this.#clock = clock;
  }

  read(): Promise<ConfigReading> {
    this.#pending ??= this.#source.read().finally(() => this.#pending = undefined);
    const reading = this.#pending;
    // Without sleep(), which needs an AbortController: the first abort in a process costs it 1 ms.
    return new Promise((resolve, reject) => {
      const unreadable = `the file system did not answer within ${TIME_LIMIT_MS / 1000}s`;
      const cancel = this.#clock.after(TIME_LIMIT_MS, () => resolve({ unreadable }));
      reading.finally(cancel).then(resolve, reject);
    });
  }
}
