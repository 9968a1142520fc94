/** Says which rules of others decide beside those of one family: once, and when that changes. */
import type { Backend } from "../backends/backend.ts";
import { formatOtherRule, type OtherRule } from "../host/other_rules.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { plural } from "../config/printable.ts";
import { type Clock, CommandKilledError, type Logger } from "../ports.ts";

/** Finds them; `onUnread` is told of what could not be read. */
export type FindOthers = (
  active: Backend,
  onUnread: (message: string) => void,
) => Promise<readonly OtherRule[]>;

/** Milliseconds after which they are looked at again: behind a write of ours, which others may have caused, and anyhow. */
const [AFTER_WRITE_MS, ANYHOW_MS] = [60_000, 600_000];

/** Lines of one look: `diff` has them all. */
const MOST_LINES = 10;

/** What is known of the rules of others. */
export class OtherRulesReport {
  readonly #family: IpFamily;
  readonly #parts: { readonly clock: Clock; readonly logger: Logger };
  readonly #find: FindOthers;
  /** What was found last, by what makes it another one. */
  #known = new Map<string, OtherRule>();
  readonly #complaints = new Set<string>();
  #lookedMs = -Infinity;
  #hasWritten = false;

  constructor(
    family: IpFamily,
    parts: { readonly clock: Clock; readonly logger: Logger },
    find: FindOthers,
  ) {
    this.#family = family;
    this.#parts = parts;
    this.#find = find;
  }

  /** To be called behind each sync that succeeded. Returns whether to look now. */
  isDue(hasWritten: boolean): boolean {
    this.#hasWritten ||= hasWritten;
    const age = this.#parts.clock.now() - this.#lookedMs;
    return age >= (this.#hasWritten ? AFTER_WRITE_MS : ANYHOW_MS);
  }

  /** Looks, and says what is new and what is gone. Never throws. */
  async look(active: Backend): Promise<void> {
    const { clock, logger } = this.#parts;
    this.#lookedMs = clock.now();
    this.#hasWritten = false;
    try {
      const found = await this.#find(active, (message) => this.#complain(message));
      this.#report(new Map(found.map((rule) => [rule.shape, rule])));
    } catch (error) {
      if (error instanceof CommandKilledError) return;
      logger.error(`${this.#family}: cannot look for rules of others: ${(error as Error).message}`);
    }
  }

  #report(found: ReadonlyMap<string, OtherRule>): void {
    const { logger } = this.#parts;
    const added = [...found].filter(([shape]) => !this.#known.has(shape)).map(([, rule]) => rule);
    const gone = [...this.#known].filter(([shape]) => !found.has(shape)).map(([, rule]) => rule);
    this.#known = new Map(found);
    const say = (rules: readonly OtherRule[], level: "warning" | "info", what: string) => {
      for (const rule of rules.filter(({ isUsual }) => isUsual)) {
        logger.verbose(2, () => `${this.#family}: ${what}: ${formatOtherRule(rule)}`);
      }
      const others = rules.filter(({ isUsual }) => !isUsual);
      for (const rule of others.slice(0, MOST_LINES)) {
        logger[level](`${this.#family}: ${what}: ${formatOtherRule(rule)}`);
      }
      const left = others.length - MOST_LINES;
      if (left > 0) {
        logger[level](`${this.#family}: and ${plural(left, "more rule")}: see ip-masq-agent diff`);
      }
    };
    say(added, "warning", "a rule of others decides, too");
    say(gone, "info", "a rule of others is gone");
  }

  #complain(message: string): void {
    if (this.#complaints.has(message)) return;
    this.#complaints.add(message);
    this.#parts.logger.info(`${this.#family}: rules of others may be missed: ${message}`);
  }
}
