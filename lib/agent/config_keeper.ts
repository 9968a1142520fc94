/** Keeps the last good config, and says when what is there now is another one, or bad. */
import { applyDefaults, type ConfigOptions, formatConfig, type MasqConfig } from "../config/config.ts";
import { fnv1a } from "../config/fnv1a.ts";
import type { LoadedConfig } from "../config/load_config.ts";
import { ConfigError, formatProblem } from "../config/problem.ts";
import type { Clock, ConfigFile, ConfigReading, ConfigSource, Logger } from "../ports.ts";
import { loadReading } from "./read_config.ts";
import { Reporter } from "./reporter.ts";

/** Milliseconds for which a file must stay empty that was not, since somebody may be writing it. */
const EMPTY_MS = 2_000;

/** The config in force: the last good one. */
export class ConfigKeeper {
  readonly #source: ConfigSource;
  readonly #options: ConfigOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #reporter: Reporter;
  #config: MasqConfig | undefined;
  #hash = "";
  /** The last good files, and what they mean: parsing a long list again at every check would cost more than all else. */
  #loaded: { readonly files: readonly ConfigFile[]; readonly result: LoadedConfig } | undefined;
  #isGood = true;
  #isHanging = false;
  /** Whether there were files when it was last read; undefined before. */
  #hadFiles: boolean | undefined;
  /** What the source took when it was last read. */
  #path: string;
  /** The files that had content when they were last believed, and since when one of them is found empty. */
  #full: ReadonlySet<string> = new Set();
  #emptySinceMs: number | undefined;

  constructor(source: ConfigSource, options: ConfigOptions, logger: Logger, clock: Clock) {
    this.#source = source;
    this.#path = source.path;
    this.#options = options;
    this.#logger = logger;
    this.#clock = clock;
    this.#reporter = new Reporter(logger);
  }

  /** The last good config; undefined where there was none yet. */
  get config(): MasqConfig | undefined {
    return this.#config;
  }

  /** Whether what was last read is good. */
  get isGood(): boolean {
    return this.#isGood;
  }

  /** Whether the file system did not answer in time when it was last asked. */
  get isHanging(): boolean {
    return this.#isHanging;
  }

  /** Milliseconds between two checks. */
  get resyncIntervalMs(): number {
    return (this.#config ?? applyDefaults({}, this.#options)).resyncInterval;
  }

  /** Eight hex digits that are the same for configs that mean the same; empty where there is none yet. */
  get hash(): string {
    return this.#hash;
  }

  /** Milliseconds until a file that was found empty is to be looked at again; infinite where none was. */
  get doubtMs(): number {
    return this.#emptySinceMs === undefined ? Infinity : this.#emptySinceMs + EMPTY_MS - this.#clock.now();
  }

  /** Reads the config; a bad one leaves the last good one in force. Returns whether another one came into force. */
  async read(): Promise<boolean> {
    try {
      const reading = await this.#source.read();
      this.#isHanging = "unreadable" in reading && reading.isHanging === true;
      if (this.#isDoubtful(reading)) return false;
      const { config, warnings } = await this.#load(reading);
      if (!this.#isGood) this.#reporter.report("info", `Config ${this.#source.path} is good again`);
      if (warnings.length > 0) this.#reporter.report("warning", ...warnings.map(formatProblem));
      else if (this.#isGood) this.#reporter.settle();
      this.#isGood = true;
      if ("files" in reading) this.#reportPresence(reading);
      return this.#use(config);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#isGood = false;
      const consequence = this.#config === undefined
        ? "no rule is touched until it is good"
        : "the last good one stays in force";
      const lines = error.problems.map(formatProblem);
      this.#reporter.report("error", ...lines, `Config ${this.#source.path} is bad: ${consequence}`);
      return false;
    }
  }

  /** Whether a file is empty that had content, and has not been so for long. */
  #isDoubtful(reading: ConfigReading): boolean {
    if (!("files" in reading)) return false;
    const isEmptied = reading.files.some(({ name, bytes }) => bytes.length === 0 && this.#full.has(name));
    this.#emptySinceMs = isEmptied ? this.#emptySinceMs ?? this.#clock.now() : undefined;
    if (isEmptied && this.doubtMs > 0) {
      this.#logger.verbose(2, () => `Config ${this.#source.path} is empty, and is looked at again in 2s`);
      return true;
    }
    this.#emptySinceMs = undefined;
    this.#full = new Set(reading.files.filter(({ bytes }) => bytes.length > 0).map(({ name }) => name));
    return false;
  }

  /** A config that is not there is never silent: its file may only be named otherwise. */
  #reportPresence({ files, skipped = [], others = [] }: Extract<ConfigReading, { files: unknown }>): void {
    const hasFiles = files.length > 0;
    const { path } = this.#source;
    if (hasFiles && path !== this.#path) {
      this.#logger.info(`Config: ${path}${this.#hadFiles ? `, no longer ${this.#path}` : ""}`);
    }
    if (hasFiles !== this.#hadFiles) {
      if (skipped.length > 0) this.#logger.verbose(2, () => `Skipped as backups: ${skipped.join(", ")}`);
      if (!hasFiles) {
        const hint = others.length === 0
          ? ""
          : `; its folder has ${others.join(", ")}: is the ConfigMap's key or --config-path wrong?`;
        if (this.#hadFiles) {
          this.#logger.warning(`Config ${this.#path} is gone: the defaults apply${hint}`);
        } else this.#logger.info(`No config at ${path}: the defaults apply${hint}`);
      }
    }
    this.#hadFiles = hasFiles;
    this.#path = path;
  }

  /** @throws {ConfigError} It could not be read, or is bad. */
  async #load(reading: ConfigReading): Promise<LoadedConfig> {
    const files = "files" in reading ? reading.files : undefined;
    if (files !== undefined && this.#loaded !== undefined && areSame(files, this.#loaded.files)) {
      for (const { bytes } of files) release(bytes);
      return this.#loaded.result;
    }
    const result = await loadReading(this.#source.path, reading, this.#options);
    if (files !== undefined) this.#loaded = { files, result };
    return result;
  }

  /** Returns whether it means something else than the one in force. The text, which may be long, is not kept. */
  #use(config: MasqConfig): boolean {
    const before = this.#config;
    if (config === before) return false;
    const text = formatConfig(config);
    const hash = fnv1a(text);
    this.#config = config;
    if (before !== undefined && hash === this.#hash && text === formatConfig(before)) return false;
    this.#hash = hash;
    this.#logger.verbose(2, () => `Config: ${text}`);
    return true;
  }
}

function areSame(files: readonly ConfigFile[], others: readonly ConfigFile[]): boolean {
  return files.length === others.length && files.every(({ name, bytes }, index) => {
    const other = others[index]!;
    return name === other.name && areSameBytes(bytes, other.bytes);
  });
}

/** Gives memory back at once: to find it, V8 would look through all that a long list is made of. */
function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function areSameBytes(bytes: Uint8Array, others: Uint8Array): boolean {
  if (bytes.length !== others.length) return false;
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== others[at]) return false;
  return true;
}
