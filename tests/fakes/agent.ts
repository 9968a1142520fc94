/**
 * The parts of an agent without a machine: time that the test moves, files in memory, a backend that is a list.
 *
 * @module
 */
import {
  type Backend,
  BackendError,
  type SyncPlan,
  type VerdictCounters,
} from "../../lib/backends/backend.ts";
import type { IpFamily } from "../../lib/config/ip_address.ts";
import type { Ruleset } from "../../lib/rules/ruleset.ts";
import type { Clock, ConfigReading, ConfigSource, Logger } from "../../lib/ports.ts";

/** A clock that stands still until the test lets the next sleeper go. */
export class FakeClock implements Clock {
  /** Milliseconds. */
  time = 0;
  /** Milliseconds by which somebody set the calendar forth, or back. */
  calendarOffset = 0;
  /** How long each sleep was to be, in order. */
  readonly sleeps: number[] = [];
  readonly #sleepers = new Map<() => void, number>();
  #whenAsleep: (() => void)[] = [];

  now(): number {
    return this.time;
  }

  epoch(): number {
    return 1_700_000_000_000 + this.time + this.calendarOffset;
  }

  after(milliseconds: number, callback: () => void): () => void {
    this.sleeps.push(milliseconds);
    const wake = () => {
      cancel();
      callback();
    };
    const cancel = () => void this.#sleepers.delete(wake);
    this.#sleepers.set(wake, this.time + milliseconds);
    for (const notify of this.#whenAsleep.splice(0)) notify();
    return cancel;
  }

  /** How many wait for their time. */
  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Resolves once something sleeps. */
  async asleep(): Promise<void> {
    if (this.#sleepers.size === 0) await new Promise<void>((resolve) => this.#whenAsleep.push(resolve));
  }

  /** Waits for a sleeper, and moves the time to the end of the shortest sleep. */
  async tick(): Promise<void> {
    await this.asleep();
    this.time = Math.max(this.time, Math.min(...this.#sleepers.values()));
    for (const [wake, end] of [...this.#sleepers]) if (end <= this.time) wake();
  }
}

/** A logger that keeps its lines, each with its level. */
export class FakeLogger implements Logger {
  readonly lines: string[] = [];
  /** As `-v`. */
  verbosity = 0;

  error(message: string): void {
    this.lines.push(`E ${message}`);
  }

  warning(message: string): void {
    this.lines.push(`W ${message}`);
  }

  info(message: string): void {
    this.lines.push(`I ${message}`);
  }

  verbose(level: number, message: () => string): void {
    if (this.verbosity >= level) this.lines.push(`I ${message()}`);
  }

  /** The lines since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }
}

/** A config file in memory; undefined is no file. */
export class FakeConfigSource implements ConfigSource {
  readonly path = "/etc/config/test";
  text: string | undefined;
  /** Why it can't be read, where it can't. */
  unreadable: string | undefined;

  constructor(text?: string) {
    this.text = text;
  }

  read(): Promise<ConfigReading> {
    if (this.unreadable !== undefined) return Promise.resolve({ unreadable: this.unreadable });
    const files = this.text === undefined
      ? []
      : [{ name: this.path, bytes: new TextEncoder().encode(this.text) }];
    return Promise.resolve({ files });
  }
}

/** A kernel of one family that is a list of rules in short, such as `10.0.0.0/8 RETURN`. */
export class FakeBackend implements Backend {
  readonly family: IpFamily;
  /** What stands; undefined before the first sync. The test may change it. */
  rules: readonly string[] | undefined;
  /** The message of the failure that the next calls have. */
  failure: string | undefined;
  /** Whether it can install without reading. */
  installs = false;
  /** How often it was read and written. */
  reads = 0;
  writes = 0;

  constructor(family: IpFamily = "IPv4") {
    this.family = family;
  }

  describe(): string {
    return "a list";
  }

  async install(ruleset: Ruleset): Promise<string | undefined> {
    if (!this.installs || this.rules !== undefined) return undefined;
    const plan = await this.plan(ruleset);
    this.reads--;
    await this.apply(plan);
    return plan.transaction;
  }

  plan({ rules }: Ruleset): Promise<SyncPlan> {
    this.reads++;
    if (this.failure !== undefined) return Promise.reject(new BackendError(this.failure));
    const wanted = rules.map(({ match, target }) => `${match.destination?.text ?? "*"} ${target}`);
    const same = this.rules?.join() === wanted.join();
    return Promise.resolve({
      family: this.family,
      drift: same ? [] : [{ kind: "chain-differs", detail: "the list differs" }],
      fresh: this.rules === undefined,
      transaction: same ? "" : wanted.join("\n"),
      standing: this.rules ?? [],
      wanted,
    });
  }

  apply({ wanted }: SyncPlan): Promise<void> {
    this.writes++;
    if (this.failure !== undefined) return Promise.reject(new BackendError(this.failure));
    this.rules = wanted;
    return Promise.resolve();
  }

  readCounters(): Promise<VerdictCounters> {
    if (this.failure !== undefined) return Promise.reject(new BackendError(this.failure));
    return Promise.resolve({ RETURN: { packets: 3, bytes: 180 }, MASQUERADE: { packets: 5, bytes: 300 } });
  }

  planRemoval(): Promise<SyncPlan> {
    const standing = this.rules ?? [];
    const fresh = this.rules === undefined;
    return Promise.resolve({
      family: this.family,
      drift: [],
      fresh,
      transaction: standing.join("\n"),
      standing,
      wanted: [],
    });
  }
}
