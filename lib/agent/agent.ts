/** When to sync, and what to say about it. Holds the only state that outlives a sync. */
import type { Backend } from "../backends/backend.ts";
import { DEFAULT_RESYNC_INTERVAL_MS, type MasqConfig } from "../config/config.ts";
import { formatDuration } from "../config/duration.ts";
import { loadConfig } from "../config/load_config.ts";
import { ConfigError, formatProblem } from "../config/problem.ts";
import type { ConfigOptions } from "../config/resolve_config.ts";
import { buildRuleset, type MasqueradeOptions, type Ruleset } from "../rules/ruleset.ts";
import type { Clock } from "../system/clock.ts";
import type { ConfigSource } from "../system/config_source.ts";
import type { Logger } from "../system/logger.ts";
import { reconcile, type SyncResult } from "./reconciler.ts";

/** What an agent is made of. */
export interface AgentParts {
  readonly source: ConfigSource;
  /** One for each family that the agent looks after. */
  readonly backends: readonly Backend[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly configOptions: ConfigOptions;
  readonly masquerade: MasqueradeOptions;
}

/** How one round of reading the config and syncing all families ended. */
export interface CycleResult {
  /** False where the config is bad or can't be read. */
  readonly configIsGood: boolean;
  /** How many families could not be synced. */
  readonly failures: number;
}

/** Milliseconds before the first retry of a failed sync; doubles with each failure in a row. */
const FIRST_RETRY_MS = 1_000;

/** Reads the config and keeps every family's rules as it says. */
export class Agent {
  readonly #parts: AgentParts;
  readonly #families: readonly FamilyState[];
  /** The last good config: what heals while a newer one is bad. */
  #config: MasqConfig | undefined;
  /** What was last said about the config, so that it is said once. */
  #configReport = "";
  #failuresInARow = 0;
  #wake: AbortController = new AbortController();

  constructor(parts: AgentParts) {
    this.#parts = parts;
    this.#families = parts.backends.map((backend) => new FamilyState(backend, parts.logger));
  }

  /** Syncs now, and again after every interval, until `stop` aborts. A sync that runs is finished first. */
  async run(stop: AbortSignal): Promise<void> {
    const wakeUp = () => this.wake();
    stop.addEventListener("abort", wakeUp);
    while (!stop.aborted) {
      this.#wake = new AbortController();
      await this.cycle();
      const wait = this.#nextWaitMs();
      this.#parts.logger.verbose(4, () => `Next sync in ${formatDuration(wait)}`);
      if (!stop.aborted) await this.#parts.clock.sleep(wait, this.#wake.signal);
    }
    stop.removeEventListener("abort", wakeUp);
  }

  /** Ends the wait for the next sync. A sync that runs now is followed by another one. */
  wake(): void {
    this.#wake.abort();
  }

  /** Reads the config and syncs every family once. */
  async cycle(): Promise<CycleResult> {
    const configIsGood = await this.#readConfig();
    let failures = 0;
    if (this.#config !== undefined) {
      const results = await Promise.all(this.#families.map((family) => family.sync(this.#rulesetOf(family))));
      failures = results.filter(({ outcome }) => outcome === "failed").length;
    }
    this.#failuresInARow = failures > 0 || this.#config === undefined ? this.#failuresInARow + 1 : 0;
    return { configIsGood, failures };
  }

  #nextWaitMs(): number {
    const interval = this.#config?.resyncIntervalMs ?? DEFAULT_RESYNC_INTERVAL_MS;
    if (this.#failuresInARow === 0) return interval;
    return Math.min(interval, FIRST_RETRY_MS * 2 ** (this.#failuresInARow - 1));
  }

  #rulesetOf({ family, ruleset }: FamilyState): Ruleset {
    return ruleset ?? buildRuleset(family, this.#config!, this.#parts.masquerade);
  }

  /** Keeps the last good config where the new one is bad. Returns whether what is there now is good. */
  async #readConfig(): Promise<boolean> {
    const { source, configOptions, logger } = this.#parts;
    try {
      const reading = await source.read();
      if ("unreadable" in reading) throw unreadable(source.path, reading.unreadable);
      const { config, warnings } = loadConfig(reading.files, configOptions);
      const report = warnings.map(formatProblem).join("\n");
      if (report !== this.#configReport) {
        if (this.#configReport !== "" && report === "") logger.info(`Config ${source.path} is good again`);
        for (const warning of warnings) logger.warning(formatProblem(warning));
        this.#configReport = report;
      }
      this.#useConfig(config);
      return true;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#reportBadConfig(error);
      return false;
    }
  }

  #useConfig(config: MasqConfig): void {
    const before = this.#config;
    const text = describeConfig(config);
    if (before !== undefined && describeConfig(before) === text) return;
    this.#config = config;
    for (const family of this.#families) family.ruleset = undefined;
    this.#parts.logger.verbose(2, () => `Config: ${text}`);
  }

  #reportBadConfig(error: ConfigError): void {
    if (error.message === this.#configReport) return;
    this.#configReport = error.message;
    const { logger, source } = this.#parts;
    for (const line of error.message.split("\n")) logger.error(line);
    logger.error(
      this.#config === undefined
        ? `Config ${source.path} is bad: no rule is touched until it is good`
        : `Config ${source.path} is bad: the last good one stays in force`,
    );
  }
}

function unreadable(path: string, why: string): ConfigError {
  return new ConfigError([{
    severity: "error",
    origin: { file: path, key: "" },
    message: `cannot be read: ${why}`,
  }]);
}

/** A text that is the same for configs that mean the same. */
function describeConfig(config: MasqConfig): string {
  const texts = (entries: MasqConfig["masqueradeCidrs"]) => entries.map(({ cidr }) => cidr.text);
  return JSON.stringify({
    ...config,
    nonMasqueradeCidrs: texts(config.nonMasqueradeCidrs),
    masqueradeCidrs: texts(config.masqueradeCidrs),
  });
}

/** What is remembered about one family. */
class FamilyState {
  readonly #backend: Backend;
  readonly #logger: Logger;
  /** What the family's rules are to be; undefined until they are made from a new config. */
  ruleset: Ruleset | undefined;
  /** The ruleset that the kernel last had. */
  #synced: Ruleset | undefined;
  /** What was last said about a failure, so that it is said once. */
  #failure = "";

  constructor(backend: Backend, logger: Logger) {
    this.#backend = backend;
    this.#logger = logger;
  }

  get family(): Backend["family"] {
    return this.#backend.family;
  }

  async sync(ruleset: Ruleset): Promise<SyncResult> {
    this.ruleset = ruleset;
    const result = await reconcile(this.#backend, ruleset);
    this.#report(result, ruleset);
    if (result.outcome !== "failed") this.#synced = ruleset;
    return result;
  }

  #report(result: SyncResult, ruleset: Ruleset): void {
    const { family } = this;
    if (result.outcome === "failed") {
      if (result.error.message !== this.#failure) this.#logger.error(`${family}: ${result.error.message}`);
      this.#failure = result.error.message;
      return;
    }
    if (this.#failure !== "") this.#logger.info(`${family}: the last failure is over`);
    this.#failure = "";
    if (result.outcome === "applied") this.#reportApplied(result, ruleset);
    else if (this.#synced === undefined) {
      this.#logger.info(`${family}: the rules stand as they should, with ${this.#backend.describe()}`);
    } else this.#logger.verbose(4, () => `${family}: nothing to change`);
  }

  #reportApplied({ plan }: SyncResult & { outcome: "applied" }, ruleset: Ruleset): void {
    const { family } = this;
    const details = plan.drift.map(({ detail }) => detail).join(", ");
    if (plan.fresh && this.#synced === undefined) {
      this.#logger.info(
        `${family}: installed ${ruleset.rules.length} rules, with ${this.#backend.describe()}`,
      );
    } else if (this.#synced === ruleset) {
      this.#logger.warning(`${family}: repaired drift: ${details}`);
    } else {
      this.#logger.info(`${family}: updated the rules: ${details}`);
    }
    for (const line of plan.transaction.trimEnd().split("\n")) {
      this.#logger.verbose(2, () => `${family}: ${line}`);
    }
  }
}
