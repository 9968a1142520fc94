/** When to read the config and when to sync. */
import type { Backend } from "../backends/backend.ts";
import { formatDuration } from "../config/duration.ts";
import type { ConfigOptions } from "../config/config.ts";
import { buildRuleset, type MasqueradeOptions } from "../rules/ruleset.ts";
import type { Clock, ConfigSource, ConfigWatcher, Logger } from "../ports.ts";
import { ConfigKeeper } from "./config_keeper.ts";
import { FamilyAgent } from "./family_agent.ts";
import type { Handover } from "./handover.ts";
import { Hints } from "./hints.ts";
import { sleep } from "./sleep.ts";

/** What an agent is made of. */
export interface AgentParts {
  readonly source: ConfigSource;
  /** Says when the config may have changed; without it only the interval does. */
  readonly watcher?: ConfigWatcher;
  /** One for each family that the agent looks after. */
  readonly backends: readonly Backend[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly configOptions: ConfigOptions;
  readonly masquerade: MasqueradeOptions;
  /** Removes what other backends left, once the rules of `backends` stand. None where there can be nothing. */
  readonly handover?: Pick<Handover, "finish">;
}

/** How one round of reading the config and syncing all families ended. */
export interface CycleResult {
  /** False where the config is bad or can't be read. */
  readonly configIsGood: boolean;
  /** How many families could not be synced, or still have rules of another backend. */
  readonly failures: number;
}

/** Milliseconds before the first retry of a failed sync; doubles with each failure in a row. */
const FIRST_RETRY_MS = 1_000;

/** Reads the config and keeps every family's rules as it says. Holds the only state that outlives a sync. */
export class Agent {
  readonly families: readonly FamilyAgent[];
  readonly config: ConfigKeeper;
  /** When the agent was made, in milliseconds of its clock. */
  readonly startMs: number;
  readonly #parts: AgentParts;
  #failuresInARow = 0;
  /** When the next sync is due, in milliseconds of the clock. */
  #due = 0;
  #wake = new AbortController();

  constructor(parts: AgentParts) {
    const { source, backends, clock, logger, configOptions } = parts;
    this.#parts = parts;
    this.startMs = clock.now();
    this.config = new ConfigKeeper(source, configOptions, logger);
    this.families = backends.map((backend) => new FamilyAgent(backend, clock, logger));
  }

  /**
   * Syncs now, and again after every interval, until `stop` aborts; and whenever a hint of the watcher turns out to be
   * another config. A sync that runs is finished first.
   */
  async run(stop: AbortSignal): Promise<void> {
    const { clock, logger, watcher } = this.#parts;
    const endWait = () => this.#wake.abort();
    const hints = new Hints(clock, endWait);
    stop.addEventListener("abort", endWait);
    while (!stop.aborted) {
      this.#wake = new AbortController();
      if (clock.now() >= this.#due) await this.cycle();
      else await this.#followHint();
      // Only a file system that answered is watched. What changed since it was read gives no event any more.
      if (this.config.isReadable && watcher?.ensure(() => hints.hint())) hints.hint();
      const wait = Math.max(0, this.#due - clock.now());
      logger.verbose(4, () => `Next sync in ${formatDuration(wait)}`);
      if (!stop.aborted) await sleep(clock, wait, this.#wake.signal);
    }
    stop.removeEventListener("abort", endWait);
    watcher?.close();
  }

  /** Makes the next sync happen now. A sync that runs is followed by another one. */
  wake(): void {
    this.#due = 0;
    this.#wake.abort();
  }

  /** Reads the config and syncs every family once. */
  async cycle(): Promise<CycleResult> {
    // Set before the work, so that a wake() in the midst of it is not lost.
    this.#due = Infinity;
    await this.#readConfig();
    return await this.#syncAll();
  }

  /** A hint costs reading the config; only where it is another one, the kernel is looked at. */
  async #followHint(): Promise<void> {
    if (!await this.#readConfig()) return;
    this.#due = Infinity;
    await this.#syncAll();
  }

  /** Returns whether another config came into force. */
  async #readConfig(): Promise<boolean> {
    const changed = await this.config.read();
    if (changed) {
      for (const family of this.families) {
        family.ruleset = buildRuleset(family.family, this.config.config!, this.#parts.masquerade);
      }
    }
    return changed;
  }

  async #syncAll(): Promise<CycleResult> {
    const results = await Promise.all(
      this.families.map(async (family) => {
        if (family.ruleset === undefined) return true;
        return await family.sync(family.ruleset) &&
          await this.#parts.handover?.finish(family.backend) !== false;
      }),
    );
    const failures = results.filter((succeeded) => !succeeded).length;
    const failed = failures > 0 || this.config.config === undefined;
    this.#failuresInARow = failed ? this.#failuresInARow + 1 : 0;
    this.#due = Math.min(this.#due, this.#parts.clock.now() + this.#intervalMs());
    return { configIsGood: this.config.isGood, failures };
  }

  #intervalMs(): number {
    const interval = this.config.resyncIntervalMs;
    if (this.#failuresInARow === 0) return interval;
    return Math.min(interval, FIRST_RETRY_MS * 2 ** (this.#failuresInARow - 1));
  }
}
