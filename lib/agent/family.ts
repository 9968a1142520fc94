/** One IP family of an agent: its backend, its rules, what is known about them, and what is said. */
import type { Backend, Plan, RuleCounters, SyncResult } from "../backends/backend.ts";
import { BackendError, sumCounters } from "../backends/backend.ts";
import type { Found } from "../backends/stale.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { plural } from "../config/printable.ts";
import { type Clock, CommandError, CommandKilledError, type Logger } from "../ports.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import { CheckPace } from "./check_pace.ts";
import type { FindOthers, OtherRulesReport } from "./other_rules_report.ts";
import { Reporter } from "./reporter.ts";
import { FamilyStatus } from "./status.ts";

/** What a family needs. */
export interface FamilyParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Looks for rules of ours beside those of a backend whose rules are in force. None where there can be none. */
  readonly findStale?: (active: Backend) => Promise<readonly Found[]>;
  /** Forgets flows that the rules decide otherwise now than before, and returns how many. None where they stay. */
  readonly forgetFlows?: (now: Ruleset, before?: Ruleset) => Promise<number>;
  /** Finds rules of others that decide beside ours. None where nobody is to be told. */
  readonly findOthers?: FindOthers;
}

/** A tool that can't read rules most likely can't have made any: it is not asked without end. */
const MOST_STALE_TRIES = 5;

/** Rules from which on reading them costs more than a process. */
const MANY_RULES = 1_000;

/** Checks in a row that are believed to find nothing because no transaction was seen. */
const MOST_QUIET_CHECKS = 9;

/** Syncs one family and reports what came of it. One operation runs at a time: nothing reads or writes beside another. */
export class Family {
  readonly family: IpFamily;
  readonly status: FamilyStatus;
  readonly pace = new CheckPace();
  /** The process that last changed something about the rules, where that is known. */
  lastWriter: string | undefined;
  /** How many transactions of nf_tables there were, by whomever; undefined while nobody listens. */
  transactions: () => number | undefined = () => undefined;
  /** What the kernel is to have; undefined until there is a good config. */
  ruleset: Ruleset | undefined;
  readonly #parts: FamilyParts;
  readonly #reporter: Reporter;
  /** What was said of stale rules and flows that can't be removed, so that it is said once. */
  readonly #complaints = new Set<string>();
  #others: OtherRulesReport | undefined;
  #backend: Backend | undefined;
  /** What the kernel had when it was last looked at. */
  #synced: Ruleset | undefined;
  /** How many transactions there were before that; undefined where it is not known. */
  #transactionsBefore: number | undefined;
  #quietChecks = 0;
  #staleTries = 0;
  #isStaleDone = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(family: IpFamily, parts: FamilyParts) {
    this.family = family;
    this.status = new FamilyStatus(family);
    this.#parts = parts;
    this.#reporter = new Reporter(parts.logger);
  }

  /** The backend in use; undefined before one was chosen. */
  get backend(): Backend | undefined {
    return this.#backend;
  }

  /** Uses another backend from now on. What the one before it wrote is stale once the new rules are in force. */
  use(backend: Backend): void {
    this.#backend = backend;
    this.#synced = undefined;
    this.#staleTries = 0;
    this.#isStaleDone = false;
    this.#complaints.clear();
  }

  /** Makes the kernel have the ruleset, and removes stale rules behind that. Returns whether both succeeded. */
  sync(): Promise<boolean> {
    return this.#exclusively(async () => {
      const { clock } = this.#parts;
      const { ruleset } = this;
      const backend = this.#backend;
      if (ruleset === undefined || backend === undefined) return true;
      const start = clock.now();
      try {
        const result = this.#isQuiet(ruleset) ? UNCHANGED : await backend.sync(ruleset);
        this.status.succeed(result.outcome, clock.now() - start, {
          monotonicMs: clock.now(),
          epochMs: clock.epoch(),
        });
        if (result.outcome === "applied") this.pace.wrote(clock.now());
        this.#report(result, backend, ruleset);
        const before = this.#synced;
        this.#synced = ruleset;
        const isStaleRemoved = await this.#removeStale(backend);
        if (result.outcome === "applied") await this.#forgetFlows(ruleset, before);
        // Nobody waits for it.
        void this.#lookAtOthers(backend, result.outcome === "applied");
        return isStaleRemoved;
      } catch (error) {
        this.#transactionsBefore = undefined;
        this.fail(error, clock.now() - start);
        return false;
      }
    });
  }

  /** Counts and reports a sync that failed after `milliseconds`. */
  fail(error: unknown, milliseconds = 0): void {
    const message = messageOf(error);
    const isForeseen = error instanceof CommandError;
    this.status.fail(message, milliseconds, error instanceof BackendError && error.lacksFamily);
    // The agent stops: whoever killed the command knows.
    if (error instanceof CommandKilledError) return;
    this.#reporter.report("error", `${this.family}: ${isForeseen ? "" : "unexpected error: "}${message}`);
  }

  /** Removes the rules, with a backend of the same kind. Returns whether nothing of ours is left. */
  remove(backend: Backend): Promise<boolean> {
    return this.#exclusively(async () => {
      try {
        await (await backend.removal())?.apply();
        this.#reporter.report("info", `${this.family}: removed the rules`);
        return true;
      } catch (error) {
        this.#reporter.report("error", `${this.family}: cannot remove the rules: ${messageOf(error)}`);
        return false;
      }
    });
  }

  /** The kernel's counters; undefined where they can't be read, whose cause the next sync will tell. */
  counters(): Promise<RuleCounters | undefined> {
    return this.#exclusively(async () => {
      try {
        return this.#backend && sumCounters(await this.#backend.counters());
      } catch (error) {
        if (error instanceof CommandError) return undefined;
        throw error;
      }
    });
  }

  /** Resolves once nothing runs that was begun before. */
  async idle(): Promise<void> {
    await this.#running;
  }

  /**
   * Whether rules that are too many to be read each time must stand as they did: nothing whatsoever was changed in
   * nf_tables since they were read. What is found here is written down for the next time.
   */
  #isQuiet(ruleset: Ruleset): boolean {
    const transactions = this.transactions();
    const isQuiet = transactions !== undefined && transactions === this.#transactionsBefore &&
      ruleset === this.#synced && ruleset.rules.length > MANY_RULES && this.#quietChecks < MOST_QUIET_CHECKS;
    this.#quietChecks = isQuiet ? this.#quietChecks + 1 : 0;
    this.#transactionsBefore = transactions;
    return isQuiet;
  }

  async #lookAtOthers(backend: Backend, hasWritten: boolean): Promise<void> {
    const { findOthers } = this.#parts;
    if (findOthers === undefined) return;
    const { OtherRulesReport } = await import("./other_rules_report.ts");
    const others = this.#others ??= new OtherRulesReport(this.family, this.#parts, findOthers);
    if (others.isDue(hasWritten)) await this.#exclusively(() => others.look(backend));
  }

  #exclusively<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#running.then(operation);
    this.#running = result.catch(() => {});
    return result;
  }

  #report(result: SyncResult, backend: Backend, ruleset: Ruleset): void {
    const { family } = this;
    const { logger } = this.#parts;
    if (this.status.lastError !== undefined) {
      this.#reporter.report("info", `${family}: recovered from the last failure`);
      this.status.lastError = undefined;
    }
    if (result.outcome === "applied") this.#reportApplied(result, backend, ruleset);
    else if (this.#synced === undefined) {
      this.#reporter.report("info", `${family}: the rules are up to date, with ${backend.describe()}`);
    } else {
      if (this.pace.found(this.#parts.clock.now())) {
        this.#reporter.report("info", `${family}: nobody undoes the repairs any more`);
      }
      this.#reporter.settle();
      logger.verbose(4, () => `${family}: nothing to change`);
    }
  }

  #reportApplied(
    { drift, isFresh, text }: SyncResult & { outcome: "applied" },
    backend: Backend,
    ruleset: Ruleset,
  ): void {
    const { family } = this;
    const details = drift.map(({ detail }) => detail).join(", ");
    if (isFresh && this.#synced === undefined) {
      const rules = plural(ruleset.rules.length, "rule");
      this.#reporter.report("info", `${family}: installed ${rules}, with ${backend.describe()}`);
    } else if (this.#synced === ruleset) {
      this.status.countRepair(drift);
      this.#reporter.report("warning", `${family}: repaired drift: ${details}`);
      if (this.pace.repaired(this.#parts.clock.now())) this.#reportFight();
    } else {
      // Two edits are two events, also where they are described alike.
      this.#reporter.settle();
      const update = this.#synced === undefined ? undefined : describeUpdate(drift);
      this.#reporter.report("info", `${family}: updated the rules: ${update ?? details}`);
    }
    for (const [line] of text.matchAll(/.+/g)) this.#parts.logger.verbose(2, () => `${family}: ${line}`);
  }

  #reportFight(): void {
    const who = this.lastWriter === undefined ? "" : `, last process ${this.lastWriter}`;
    this.#parts.logger.warning(
      `${this.family}: every repair is undone at once${who}: does another agent or a firewall manage the same ` +
        "rules? From now on repairs wait longer and longer, up to a minute",
    );
  }

  /** Both may be in the kernel for a moment: it translates a connection once, by whoever comes first. */
  async #removeStale(active: Backend): Promise<boolean> {
    const { findStale, logger } = this.#parts;
    if (this.#isStaleDone || findStale === undefined) return true;
    this.#staleTries++;
    let [isUnreadable, isLeft] = [false, false];
    for (const found of await findStale(active)) {
      if ("error" in found) {
        isUnreadable = true;
        logger.verbose(
          2,
          () => `${this.family}: cannot look for rules of ${found.place.backend}: ${found.error.message}`,
        );
      }
      for (const { plan } of "rules" in found ? found.rules : []) {
        if (!await this.#removeStaleRules(plan, found.place.backend, active)) isLeft = true;
      }
    }
    this.#isStaleDone = !isLeft && (!isUnreadable || this.#staleTries >= MOST_STALE_TRIES);
    return !isLeft;
  }

  #complain(why: string): void {
    if (!this.#complaints.has(why)) this.#parts.logger.warning(why);
    this.#complaints.add(why);
  }

  /** A convenience: where it fails, the rules stand all the same. */
  async #forgetFlows(now: Ruleset, before: Ruleset | undefined): Promise<void> {
    const { forgetFlows, logger } = this.#parts;
    try {
      const number = await forgetFlows?.(now, before) ?? 0;
      if (number > 0) {
        logger.info(`${this.family}: forgot ${plural(number, "UDP flow")} with another address`);
      }
    } catch (error) {
      if (!(error instanceof CommandError) || error instanceof CommandKilledError) throw error;
      this.#complain(`${this.family}: cannot forget UDP flows: ${error.message}`);
    }
  }

  async #removeStaleRules(plan: Plan, name: string, active: Backend): Promise<boolean> {
    try {
      await plan.apply();
      this.#parts.logger.info(
        `${this.family}: removed stale rules of ${name}: those of ${active.describe()} are in force`,
      );
      return true;
    } catch (error) {
      if (!(error instanceof CommandError) || error instanceof CommandKilledError) throw error;
      this.#complain(
        `${this.family}: stale rules of ${name} are still in force and can't be removed: ${error.message}`,
      );
      return false;
    }
  }
}

const UNCHANGED: SyncResult = { outcome: "unchanged" };

/** `added 2, removed 1`, where the drift is such differences alone. */
function describeUpdate(drift: Plan["drift"]): string | undefined {
  let [missing, surplus] = [0, 0];
  for (const { counts } of drift) {
    if (counts === undefined) return undefined;
    missing += counts.missing;
    surplus += counts.surplus;
  }
  return `added ${missing}, removed ${surplus}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
