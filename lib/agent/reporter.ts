/** Says a thing once: what repeats itself is counted, and the count told when something else happens. */
import { plural } from "../config/printable.ts";
import type { Logger } from "../ports.ts";

/** The levels of a {@linkcode Reporter}'s messages. */
export type Severity = "error" | "warning" | "info";

/** The events of one subject, such as a family or the config. */
export class Reporter {
  readonly #logger: Logger;
  #last = "";
  #repeats = 0;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Logs the lines of one event, unless the last event was the same. */
  report(severity: Severity, ...lines: string[]): void {
    const event = `${severity} ${lines.join("\n")}`;
    if (event === this.#last) {
      this.#repeats++;
      return;
    }
    this.settle();
    this.#last = event;
    for (const line of lines) this.#logger[severity](line);
  }

  /** To be called when nothing happened: the same event would be a new one after this. */
  settle(): void {
    if (this.#repeats > 0) {
      this.#logger.info(`Previous message repeated ${plural(this.#repeats, "time")}`);
    }
    this.#last = "";
    this.#repeats = 0;
  }
}
