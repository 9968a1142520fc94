/** One family of an agent: its rules, what is known about them, and what is said. */
import type { Backend } from "../backends/backend.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import type { Clock, Logger } from "../ports.ts";
import { reconcile, type SyncResult } from "./reconciler.ts";
import { Reporter } from "./reporter.ts";
import { FamilyStatus } from "./status.ts";

/** Syncs one family and reports what came of it. */
export class FamilyAgent {
  readonly backend: Backend;
  readonly status: FamilyStatus;
  /** What the kernel is to have; undefined until there is a good config. */
  ruleset: Ruleset | undefined;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #reporter: Reporter;
  /** What the kernel had when it was last looked at. */
  #synced: Ruleset | undefined;
  #failed = false;
  #isFirstSync = true;

  constructor(backend: Backend, clock: Clock, logger: Logger) {
    this.backend = backend;
    this.status = new FamilyStatus(backend.family);
    this.#clock = clock;
    this.#logger = logger;
    this.#reporter = new Reporter(logger);
  }

  get family(): IpFamily {
    return this.backend.family;
  }

  /** Makes the kernel have `ruleset`. Returns whether it has. */
  async sync(ruleset: Ruleset): Promise<boolean> {
    const start = this.#clock.now();
    const result = await reconcile(this.backend, ruleset, this.#isFirstSync);
    this.#isFirstSync = false;
    this.status.count(result.outcome, this.#clock.now() - start);
    this.#report(result, ruleset);
    if (result.outcome === "failed") return false;
    this.#synced = ruleset;
    this.status.lastSuccess = { monotonicMs: this.#clock.now(), epochMs: this.#clock.epoch() };
    return true;
  }

  /** Removes jump and chain. Returns whether nothing of ours is left. */
  async remove(): Promise<boolean> {
    try {
      const plan = await this.backend.planRemoval();
      if (plan.transaction !== "") await this.backend.apply(plan);
      this.#reporter.report("info", `${this.family}: removed the rules`);
      return true;
    } catch (error) {
      this.#reporter.report("error", `${this.family}: cannot remove the rules: ${(error as Error).message}`);
      return false;
    }
  }

  #report(result: SyncResult, ruleset: Ruleset): void {
    const { family } = this;
    if (result.outcome === "failed") {
      this.#failed = true;
      this.#reporter.report("error", `${family}: ${result.error.message}`);
      return;
    }
    if (this.#failed) this.#reporter.report("info", `${family}: the last failure is over`);
    this.#failed = false;
    if (result.outcome === "applied") this.#reportApplied(result, ruleset);
    else if (this.#synced === undefined) {
      this.#reporter.report(
        "info",
        `${family}: the rules stand as they should, with ${this.backend.describe()}`,
      );
    } else {
      this.#reporter.settle();
      this.#logger.verbose(4, () => `${family}: nothing to change`);
    }
  }

  #reportApplied({ plan }: SyncResult & { outcome: "applied" }, ruleset: Ruleset): void {
    const { family } = this;
    const details = plan.drift.map(({ detail }) => detail).join(", ");
    if (plan.fresh && this.#synced === undefined) {
      const description = this.backend.describe();
      this.#reporter.report(
        "info",
        `${family}: installed ${ruleset.rules.length} rules, with ${description}`,
      );
    } else if (this.#synced === ruleset) {
      this.status.countRepair(plan.drift);
      this.#reporter.report("warning", `${family}: repaired drift: ${details}`);
    } else {
      // Two edits are two events, also where they are described alike.
      this.#reporter.settle();
      this.#reporter.report("info", `${family}: updated the rules: ${details}`);
    }
    for (const line of plan.transaction.trimEnd().split("\n")) {
      this.#logger.verbose(2, () => `${family}: ${line}`);
    }
  }
}
