/** Follows what others do to one family's rules, and has them checked. */
import type { Backend } from "../backends/backend.ts";
import { EventReader } from "../backends/rule_events.ts";
import type { Clock, Logger, RuleMonitor } from "../ports.ts";
import type { Family } from "./family.ts";

/** What a watch is made of. */
export interface RuleWatchParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly monitor: RuleMonitor;
  /** Called where a check failed: when it is tried again is not up to the watch. */
  readonly onFailure: () => void;
}

/** From the start of nft to a check: what changed before it listened gives no event. */
const START_MS = 1_000;

/** How long to wait before nft is started again, at first and at most; it doubles each time. */
const [FIRST_RETRY_MS, LONGEST_RETRY_MS] = [1_000, 600_000];

/** An nft that ran for so long had begun well. */
const GOOD_RUN_MS = 60_000;

/** The hints about one family's rules. */
export class RuleWatch {
  readonly #family: Family;
  readonly #parts: RuleWatchParts;
  #followed: Backend | undefined;
  #stop = new AbortController();
  #cancelCheck: (() => void) | undefined;
  #following: Promise<void> = Promise.resolve();
  #checking: Promise<void> = Promise.resolve();
  /** What was last said of events that can't be had. */
  #said = "";
  /** What {@linkcode Family.transactions} is made of: of runs of nft that ended, and of the one that listens. */
  #counted = 0;
  #listening: EventReader | undefined;

  constructor(family: Family, parts: RuleWatchParts) {
    this.#family = family;
    this.#parts = parts;
    family.transactions = () => this.#listening && this.#counted + this.#listening.transactions;
  }

  /** Follows the rules of the backend in use from now on, unless it does already, or waits to try again. */
  ensure(): void {
    const { backend } = this.#family;
    // There is nothing to follow before the rules are in force.
    if (
      backend === undefined || backend === this.#followed || this.#family.status.lastSuccess === undefined
    ) return;
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#followed = backend;
    this.#following = this.#follow(backend, this.#stop.signal);
  }

  /** Ends following; resolves once a check that runs has ended, too. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#cancelCheck?.();
    await Promise.all([this.#following, this.#checking]);
  }

  async #follow(backend: Backend, stop: AbortSignal): Promise<void> {
    const { clock, monitor } = this.#parts;
    for (let retryMs = FIRST_RETRY_MS;; retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
      const { events } = backend;
      if (events === undefined) return this.#say(`there are no events of ${backend.describe()}`);
      const startMs = clock.now();
      const reader = new EventReader(events);
      const cancel = clock.after(START_MS, () => {
        this.#listening = reader;
        this.#hint();
      });
      const why = await monitor.follow(events.script, (text) => void this.#hear(reader.read(text)), stop);
      cancel();
      // One more, for what nobody listened to.
      this.#counted += reader.transactions + 1;
      this.#listening = undefined;
      if (stop.aborted) return;
      this.#say(why);
      if (clock.now() - startMs > GOOD_RUN_MS) retryMs = FIRST_RETRY_MS;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(retryMs, resolve);
        stop.addEventListener("abort", () => {
          cancel();
          resolve();
        });
      });
      if (stop.aborted) return;
    }
  }

  #say(why: string): void {
    const message = `${this.#family.family}: changes by others are found only once a resyncInterval: ${why}`;
    if (message !== this.#said) this.#parts.logger.info(message);
    this.#said = message;
  }

  async #hear(writers: readonly string[]): Promise<void> {
    if (writers.length === 0) return;
    const { pace } = this.#family;
    // What is seen while a sync runs may be its own write: that is known once it has ended.
    await this.#family.idle();
    if (!pace.isForeign(writers.length, this.#parts.clock.now())) return;
    this.#family.lastWriter = writers.at(-1)!;
    this.#hint();
  }

  #hint(): void {
    if (this.#cancelCheck !== undefined || this.#stop.signal.aborted) return;
    const { clock } = this.#parts;
    const now = clock.now();
    this.#cancelCheck = clock.after(this.#family.pace.dueMs(now) - now, () => {
      this.#cancelCheck = undefined;
      this.#checking = this.#check();
    });
  }

  async #check(): Promise<void> {
    // After a failure it is tried again anyway, and not more often because others are busy.
    if (this.#family.status.lastError !== undefined) return;
    this.#family.pace.checked(this.#parts.clock.now());
    if (!await this.#family.sync()) this.#parts.onFailure();
  }
}
