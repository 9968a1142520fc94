/** What the agent does: read the config, have a backend that suits the host, sync every family. */
import type { Backend, RuleCounters } from "../backends/backend.ts";
import type { BackendName } from "../backends/backend_name.ts";
import type { BackendDecision } from "../backends/choose.ts";
import type { ConfigOptions } from "../config/config.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { CommandError, type ConfigSource } from "../ports.ts";
import { buildRuleset, type MasqueradeOptions, type Ruleset } from "../rules/ruleset.ts";
import { ConfigKeeper } from "./config_keeper.ts";
import { Family, type FamilyParts } from "./family.ts";
import type { Health } from "./status.ts";

/** What an agent is made of. */
export interface AgentParts extends FamilyParts {
  readonly source: ConfigSource;
  /** The families that the agent looks after. */
  readonly families: readonly IpFamily[];
  /**
   * Decides on the backend of all families, whose rules it is to take: before the first sync, and again after failures.
   *
   * @throws {CommandError} None works here, for now.
   */
  readonly chooseBackend: (rulesets: readonly Ruleset[]) => Promise<BackendDecision>;
  readonly createBackend: (name: BackendName, family: IpFamily) => Promise<Backend>;
  readonly configOptions: ConfigOptions;
  readonly masquerade: MasqueradeOptions;
}

/** How one round of reading the config and syncing all families ended. */
export interface CycleResult {
  /** False where the config is bad or can't be read. */
  readonly configIsGood: boolean;
  /** How many families that the host has could not be synced, or still have stale rules. */
  readonly failures: number;
}

/** Milliseconds before the first retry of a failed sync; doubles with each failure in a row. */
const FIRST_RETRY_MS = 1_000;

/** After every so many cycles in a row in which no family succeeded the host is looked at again. */
const FAILURES_BEFORE_CHOICE = 3;

/** Milliseconds for which counters that were read are given again. */
const COUNTERS_FRESH_MS = 1_000;

/** Milliseconds that a reader of counters waits before it gets those that were read last. */
const COUNTERS_WAIT_MS = 2_000;

type Counters = ReadonlyMap<IpFamily, RuleCounters>;

/** Reads the config and keeps every family's rules as it says. When that happens is up to the loop. */
export class Agent {
  readonly families: readonly Family[];
  readonly config: ConfigKeeper;
  readonly #parts: AgentParts;
  #backendName: BackendName | undefined;
  #failuresInARow = 0;
  /** When an attempt last ended. */
  #lastAttemptMs: number;
  #counters: Counters = new Map();
  #countersMs = -Infinity;
  #reading: Promise<Counters> | undefined;

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#lastAttemptMs = parts.clock.now();
    this.config = new ConfigKeeper(parts.source, parts.configOptions, parts.logger, parts.clock);
    this.families = parts.families.map((family) => new Family(family, parts));
  }

  /** What health is judged by. */
  get health(): Health {
    return {
      families: this.families.map(({ status }) => status),
      configIsGood: this.config.isGood,
      resyncIntervalMs: this.config.resyncIntervalMs,
      lastAttemptMs: this.#lastAttemptMs,
    };
  }

  /** Milliseconds until the next sync is due: the interval, or less after failures. */
  get delayMs(): number {
    const interval = this.config.resyncIntervalMs;
    if (this.#failuresInARow === 0) return interval;
    return Math.min(interval, FIRST_RETRY_MS * 2 ** (this.#failuresInARow - 1));
  }

  /** Reads the config and syncs every family once. A tool that fails is a failure in the result. */
  async cycle(): Promise<CycleResult> {
    await this.readConfig();
    return await this.sync();
  }

  /** Reads the config. Returns whether another one came into force. */
  async readConfig(): Promise<boolean> {
    const changed = await this.config.read();
    if (changed) {
      for (const family of this.families) {
        family.ruleset = buildRuleset(family.family, this.config.config!, this.#parts.masquerade);
      }
    }
    return changed;
  }

  /** Syncs every family with the config in force; does nothing while there is none. */
  async sync(): Promise<CycleResult> {
    const hasConfig = this.config.config !== undefined;
    const results = hasConfig ? await this.#syncFamilies() : [];
    const failures =
      this.families.filter(({ status }, index) => results[index] === false && !status.isAbsentOnHost).length;
    this.#failuresInARow = hasConfig && !results.includes(false) ? 0 : this.#failuresInARow + 1;
    this.#lastAttemptMs = this.#parts.clock.now();
    return { configIsGood: this.config.isGood, failures };
  }

  async #syncFamilies(): Promise<readonly boolean[]> {
    const isStuck = this.#failuresInARow % FAILURES_BEFORE_CHOICE === 0 &&
      this.families.every(({ status }) => status.lastError !== undefined);
    try {
      if (this.#backendName === undefined || isStuck) await this.#choose();
    } catch (error) {
      for (const family of this.families) family.fail(error);
      return this.families.map(() => false);
    }
    return await Promise.all(this.families.map((family) => family.sync()));
  }

  /** @throws {CommandError} There is no backend yet, and none works. */
  async #choose(): Promise<void> {
    const { chooseBackend, createBackend, logger } = this.#parts;
    let decision: BackendDecision;
    try {
      decision = await chooseBackend(this.families.flatMap(({ ruleset }) => ruleset ?? []));
    } catch (error) {
      // The one in use may work again; why it does not is said already.
      if (this.#backendName !== undefined && error instanceof CommandError) return;
      throw error;
    }
    const { backend: name, reason } = decision;
    if (name === this.#backendName) return;
    if (reason !== "") logger.info(`Backend ${name}: ${reason}`);
    for (const family of this.families) family.use(await createBackend(name, family.family));
    this.#backendName = name;
  }

  /**
   * The kernel's counters by family, without those that can't be read. However many ask, one command runs at a time;
   * who would wait for long gets what was read before.
   */
  async counters(): Promise<Counters> {
    const { clock } = this.#parts;
    if (clock.now() - this.#countersMs < COUNTERS_FRESH_MS) return this.#counters;
    this.#reading ??= this.#readCounters().finally(() => this.#reading = undefined);
    const reading = this.#reading;
    return await new Promise((resolve, reject) => {
      const cancel = clock.after(COUNTERS_WAIT_MS, () => resolve(this.#counters));
      reading.finally(cancel).then(resolve, reject);
    });
  }

  async #readCounters(): Promise<Counters> {
    const counters = new Map<IpFamily, RuleCounters>();
    for (const family of this.families) {
      const values = await family.counters();
      if (values !== undefined) counters.set(family.family, values);
    }
    this.#counters = counters;
    this.#countersMs = this.#parts.clock.now();
    return counters;
  }
}
