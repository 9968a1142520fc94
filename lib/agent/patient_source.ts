/** A config source on a file system that may hang. */
import type { Clock } from "../system/clock.ts";
import type { ConfigReading, ConfigSource } from "../system/config_source.ts";

/** Milliseconds that reading the config may take before the agent goes on without it. */
const TIME_LIMIT_MS = 5_000;

/** Gives up waiting for another source after a while, and asks it again only once it has answered. */
export class PatientSource implements ConfigSource {
  readonly path: string;
  readonly #source: ConfigSource;
  readonly #clock: Clock;
  #pending: Promise<ConfigReading> | undefined;
  #ahead: Promise<ConfigReading> | undefined;

  constructor(source: ConfigSource, clock: Clock) {
    this.path = source.path;
    this.#source = source;
    this.#clock = clock;
  }

  /** Begins to read what the next `read()` will give, so that the caller can do something else meanwhile. */
  readAhead(): void {
    this.#ahead = this.#ask();
  }

  read(): Promise<ConfigReading> {
    const reading = this.#ahead ?? this.#ask();
    this.#ahead = undefined;
    // Without sleep(), which needs an AbortController: the first abort in a process costs it 1 ms.
    return new Promise((resolve, reject) => {
      const unreadable = `the file system did not answer within ${TIME_LIMIT_MS / 1000}s`;
      const cancel = this.#clock.after(TIME_LIMIT_MS, () => resolve({ unreadable }));
      reading.then(resolve, reject).finally(cancel);
    });
  }

  #ask(): Promise<ConfigReading> {
    return this.#pending ??= this.#source.read().finally(() => this.#pending = undefined);
  }
}
