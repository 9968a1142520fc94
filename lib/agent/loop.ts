/** When the agent syncs: after every interval, sooner after failures, and whenever something asks for it. */
import { formatDuration } from "../config/duration.ts";
import type { Clock, ConfigWatcher, Logger, RuleMonitor } from "../ports.ts";
import type { Agent } from "./agent.ts";
import type { RuleWatch } from "./rule_watch.ts";

/** What a loop is made of. */
export interface LoopParts {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Says when the config may have changed; without it only the interval does. */
  readonly watcher?: ConfigWatcher;
  /** Says when the kernel's rules may have changed; without it only the interval does. */
  readonly monitor?: RuleMonitor | undefined;
}

/** Milliseconds without another event after which a change of the config is taken to be complete. */
const QUIET_MS = 40;

/** Milliseconds after which nobody waits any longer for quiet. */
const LONGEST_DEBOUNCE_MS = 120;

/** Runs an agent until it is stopped. */
export class Loop {
  readonly #parts: LoopParts;
  /** When the next sync is due, in milliseconds of the clock. */
  #dueMs = 0;
  /** Ends the wait that is under way; does nothing where none is. */
  #endWait = () => {};
  #isHinted = false;
  /** When the last event of the config's folder came, and the first one of the burst that it belongs to. */
  #lastEventMs = 0;
  #firstEventMs: number | undefined;
  #ruleWatches: readonly RuleWatch[] | undefined;

  constructor(parts: LoopParts) {
    this.#parts = parts;
  }

  /**
   * Syncs now, and again after every interval, until `stop` aborts; and whenever a hint of the watcher turns out to be
   * another config. A sync that runs is finished first. Never throws.
   */
  async run(stop: AbortSignal): Promise<void> {
    const { agent, clock, logger, watcher } = this.#parts;
    stop.addEventListener("abort", () => this.#endWait());
    while (!stop.aborted) {
      try {
        await this.#step();
        // Only a file system that answered is watched. What changed since it was read gives no event any more.
        if (!agent.config.isHanging && watcher?.ensure(() => this.#debounce())) this.#debounce();
        await this.#watchRules();
      } catch (error) {
        this.#dueMs = clock.now() + agent.config.resyncIntervalMs;
        logger.error(`Unexpected error: ${error instanceof Error ? error.message : error}`);
      }
      const wait = Math.max(0, this.#dueMs - clock.now());
      logger.verbose(4, () => `Next sync in ${formatDuration(wait)}`);
      if (!stop.aborted && !this.#isHinted) await this.#sleep(wait);
    }
    watcher?.close();
    await Promise.all(this.#ruleWatches?.map((it) => it.close()) ?? []);
  }

  /** Makes the next sync happen now. A sync that runs is followed by another one. */
  wake(): void {
    this.#dueMs = 0;
    this.#endWait();
  }

  /** Only behind the first sync, which is not to wait for it. */
  async #watchRules(): Promise<void> {
    const { agent, clock, logger, monitor } = this.#parts;
    if (monitor === undefined) return;
    const { RuleWatch } = await import("./rule_watch.ts");
    const parts = { clock, logger, monitor, onFailure: () => this.wake() };
    this.#ruleWatches ??= agent.families.map((family) => new RuleWatch(family, parts));
    for (const watch of this.#ruleWatches) watch.ensure();
  }

  async #step(): Promise<void> {
    const { agent, clock } = this.#parts;
    this.#isHinted = false;
    const isDue = clock.now() >= this.#dueMs;
    // Set before the work, so that a wake() in the midst of it is not lost.
    if (isDue) this.#dueMs = Infinity;
    // A hint costs reading the config; only where it is another one, the kernel is looked at.
    const hasChanged = await agent.readConfig();
    this.#dueMs = Math.min(this.#dueMs, clock.now() + agent.config.doubtMs);
    if (!isDue && !hasChanged) return;
    if (!isDue) this.#dueMs = Infinity;
    await agent.sync();
    this.#dueMs = Math.min(this.#dueMs, clock.now() + agent.delayMs);
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#parts.clock.after(milliseconds, () => this.#endWait());
      this.#endWait = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Takes many events of a file system for one hint: a file that is being written is empty for a moment. */
  #debounce(): void {
    this.#lastEventMs = this.#parts.clock.now();
    if (this.#firstEventMs !== undefined) return;
    this.#firstEventMs = this.#lastEventMs;
    this.#waitForQuiet(this.#firstEventMs);
  }

  #waitForQuiet(firstMs: number): void {
    const { clock } = this.#parts;
    const left = Math.min(this.#lastEventMs + QUIET_MS, firstMs + LONGEST_DEBOUNCE_MS) - clock.now();
    if (left > 0) {
      clock.after(left, () => this.#waitForQuiet(firstMs));
      return;
    }
    this.#firstEventMs = undefined;
    this.#isHinted = true;
    this.#endWait();
  }
}
