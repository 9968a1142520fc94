/**
 * The parts of an agent without a machine: time that the test moves, files in memory, a backend that is a list.
 *
 * @module
 */
import { Agent } from "../../lib/agent/agent.ts";
import { Loop } from "../../lib/agent/loop.ts";
import {
  applyPlan,
  type Backend,
  BackendError,
  type CountedRule,
  type Drift,
  type Plan,
  type SyncResult,
} from "../../lib/backends/backend.ts";
import type { BackendDecision } from "../../lib/backends/choose.ts";
import type { Found } from "../../lib/backends/stale.ts";
import type { IpFamily } from "../../lib/config/ip_address.ts";
import type { OtherRule } from "../../lib/host/other_rules.ts";
import type { Ruleset } from "../../lib/rules/ruleset.ts";
import type {
  Clock,
  ConfigReading,
  ConfigSource,
  ConfigWatcher,
  Logger,
  RuleMonitor,
} from "../../lib/ports.ts";

/** Lets everything that can go on without a timer do so. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
}

/** Waits until something is so, without time passing on a fake clock. Fails where it does not become so. */
export async function until(isSo: () => boolean): Promise<void> {
  for (let time = 0; !isSo(); time++) {
    if (time === MOST_TURNS) throw new Error(`It does not become so: ${isSo}`);
    await settle();
  }
}

/** Turns of the event loop within which everything without a timer has happened, also where code is loaded. */
const MOST_TURNS = 1_000;

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

  /** Moves the time, and lets all that wakes on the way do what it wants. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await settle();
    while (Math.min(...this.#sleepers.values()) <= end) {
      await this.tick();
      await settle();
    }
    this.time = end;
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
  /** Whether that is because the file system does not answer. */
  isHanging = false;
  /** Other files of its folder, which are told where there is no config. */
  others: readonly string[] = [];
  /** Backups beside it. */
  skipped: readonly string[] = [];

  constructor(text?: string) {
    this.text = text;
  }

  read(): Promise<ConfigReading> {
    if (this.unreadable !== undefined) {
      return Promise.resolve({ unreadable: this.unreadable, isHanging: this.isHanging });
    }
    const files = this.text === undefined
      ? []
      : [{ name: this.path, bytes: new TextEncoder().encode(this.text) }];
    return Promise.resolve({ files, others: this.others, skipped: this.skipped });
  }
}

/** A kernel of one family that is a list of rules in short, such as `10.0.0.0/8 RETURN`. */
export class FakeBackend implements Backend {
  readonly name: Backend["name"];
  readonly family: IpFamily;
  /** What the kernel has; undefined before the first sync. The test may change it. */
  rules: readonly string[] | undefined;
  /** The failure that the next calls have, or its message. */
  failure: string | Error | undefined;
  /** What differs, where something does. */
  drift: readonly Drift[] = [{ kind: "chain-differs", detail: "the list differs" }];
  /** What a call waits for before it does anything. */
  hang: Promise<void> | undefined;
  /** How often it was read and written, and its counters asked for. */
  reads = 0;
  writes = 0;
  counts = 0;
  /** How many calls are under way, and the most that ever were. */
  running = 0;
  mostRunning = 0;

  constructor(family: IpFamily = "IPv4", name: Backend["name"] = "iptables-nft") {
    this.family = family;
    this.name = name;
  }

  describe(): string {
    return `a list of ${this.name}`;
  }

  sync(ruleset: Ruleset): Promise<SyncResult> {
    return this.#call(async () => await applyPlan(await this.plan(ruleset)));
  }

  plan({ rules }: Ruleset): Promise<Plan> {
    this.reads++;
    const desired = rules.map(({ match, target }) =>
      `${(match.destinations ?? match.sources)?.[0]?.text ?? "*"} ${target}`
    );
    const same = this.rules?.join() === desired.join();
    return Promise.resolve({
      family: this.family,
      drift: same ? [] : this.drift,
      isFresh: this.rules === undefined,
      text: same ? "" : desired.join("\n"),
      actual: this.rules ?? [],
      desired,
      apply: () => {
        this.writes++;
        this.rules = desired;
        return Promise.resolve();
      },
    });
  }

  removal(): Promise<Plan | undefined> {
    return this.#call(() => {
      if (this.rules === undefined) return Promise.resolve(undefined);
      return Promise.resolve({
        family: this.family,
        drift: [],
        isFresh: false,
        text: "remove",
        actual: this.rules,
        desired: [],
        apply: () => this.#call(() => Promise.resolve(this.rules = undefined)).then(() => {}),
      });
    });
  }

  counters(): Promise<readonly CountedRule[]> {
    this.counts++;
    return this.#call(() =>
      Promise.resolve([
        { verdict: "SNAT", name: "billing", takes: "-s 10.8.0.0/24", packets: 2, bytes: 120 },
        { verdict: "RETURN", takes: "-d 10.0.0.0/8", packets: 1, bytes: 60 },
        { verdict: "RETURN", takes: "-d 172.16.0.0/12", packets: 2, bytes: 120 },
        { verdict: "MASQUERADE", takes: "", packets: 5, bytes: 300 },
      ])
    );
  }

  async #call<T>(work: () => Promise<T>): Promise<T> {
    this.mostRunning = Math.max(this.mostRunning, ++this.running);
    try {
      await this.hang;
      if (this.failure instanceof Error) throw this.failure;
      if (this.failure !== undefined) throw new BackendError(this.failure);
      return await work();
    } finally {
      this.running--;
    }
  }
}

/** An agent, its loop and everything around them. Backends are made once by name and family. */
export class FakeHost {
  readonly source: FakeConfigSource;
  readonly clock = new FakeClock();
  readonly logger = new FakeLogger();
  readonly backends = new Map<string, FakeBackend>();
  /** What the next choice of a backend gives. */
  choice: BackendDecision | Error = { backend: "iptables-nft", reason: "" };
  /** How often a backend was chosen. */
  choices = 0;
  /** What is found beside the rules of a backend; undefined for an agent that does not look. */
  stale: readonly Found[] | undefined;
  /** How often it was looked for stale rules. */
  staleLooks = 0;
  /** Every time that flows were to be forgotten, with the number of rules now and before; the reply. */
  readonly forgettings: string[] = [];
  forgetting: number | Error = 0;
  /** What is found of others; undefined for an agent that does not look. */
  others: readonly OtherRule[] | Error | undefined;
  /** How often it was looked for rules of others. */
  otherLooks = 0;
  readonly agent: Agent;

  constructor(text?: string, families: readonly IpFamily[] = ["IPv4"]) {
    this.source = new FakeConfigSource(text);
    this.agent = new Agent({
      source: this.source,
      families,
      clock: this.clock,
      logger: this.logger,
      chooseBackend: () => {
        this.choices++;
        return this.choice instanceof Error ? Promise.reject(this.choice) : Promise.resolve(this.choice);
      },
      createBackend: (name, family) => Promise.resolve(this.backend(family, name)),
      findStale: () => {
        this.staleLooks++;
        return Promise.resolve(this.stale ?? []);
      },
      forgetFlows: (now, before) => {
        this.forgettings.push(`${now.family} ${before?.rules.length ?? "?"} ${now.rules.length}`);
        return this.forgetting instanceof Error
          ? Promise.reject(this.forgetting)
          : Promise.resolve(this.forgetting);
      },
      findOthers: () => {
        this.otherLooks++;
        return this.others instanceof Error
          ? Promise.reject(this.others)
          : Promise.resolve(this.others ?? []);
      },
      configOptions: { enableIpv6: families.includes("IPv6"), allReservedRanges: false },
      masquerade: { randomFully: true, toPorts: [] },
    });
  }

  /** The backend of a name and family. */
  backend(family: IpFamily = "IPv4", name: Backend["name"] = "iptables-nft"): FakeBackend {
    const key = `${name} ${family}`;
    const backend = this.backends.get(key) ?? new FakeBackend(family, name);
    this.backends.set(key, backend);
    return backend;
  }

  /** A loop of the agent. */
  loop(watcher?: ConfigWatcher, monitor?: RuleMonitor): Loop {
    const { agent, clock, logger } = this;
    return new Loop({ agent, clock, logger, monitor, ...(watcher && { watcher }) });
  }
}
