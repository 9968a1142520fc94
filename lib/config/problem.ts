/** What is wrong, or odd, with a config: data first, text last. */
import { plural } from "./printable.ts";

/** Where a setting comes from: a place in a config file, or a default of the agent. */
export interface Origin {
  /** The file as the user named it; undefined for a default. */
  readonly file?: string;
  /** Line and column, both from 1, where they are known. */
  readonly line?: number;
  readonly column?: number;
  /** The key with its index, such as `nonMasqueradeCIDRs[3]`. */
  readonly key: string;
}

/** An error makes a config bad as a whole; a warning leaves it good. */
export type Severity = "error" | "warning";

/** One error or warning. */
export interface ConfigProblem {
  readonly severity: Severity;
  readonly origin: Origin;
  /** Says what is wrong, with the value in quotes, and what to do. */
  readonly message: string;
  /** How many problems this one stands for, where the list would be too long otherwise. */
  readonly number?: number;
}

/** What follows where a config is good here and nowhere else. */
export const UPSTREAM_REFUSES = "the upstream agent refuses this, so a rollback would fail";

/** A wrong list can have as many problems as entries; nobody reads more than this of them. */
const MOST_PROBLEMS = 100;

/** Collects the problems of one source; of those over a hundred it keeps only the number. */
export class ProblemList {
  readonly #file: string | undefined;
  readonly #problems: ConfigProblem[] = [];
  readonly #hidden = { error: 0, warning: 0 };

  /** @param file The file that a problem without one of its own is in. */
  constructor(file?: string) {
    this.#file = file;
  }

  /** Adds a problem. Its message may be a function, which is called only where somebody will read it. */
  add(origin: Origin, message: string | (() => string), severity: Severity = "error"): void {
    if (this.#problems.length >= MOST_PROBLEMS) this.#hidden[severity]++;
    else {
      const file = this.#file === undefined ? {} : { file: this.#file };
      const text = typeof message === "string" ? message : message();
      this.#problems.push({ severity, origin: { ...file, ...origin }, message: text });
    }
  }

  /** The problems by line; those without one come last. */
  list(): readonly ConfigProblem[] {
    const problems = sortProblems(this.#problems);
    for (const severity of ["error", "warning"] as const) {
      const number = this.#hidden[severity];
      if (number === 0) continue;
      const origin = { ...(this.#file !== undefined && { file: this.#file }), key: "" };
      problems.push({
        severity,
        origin,
        message: `and ${plural(number, `more ${severity}`)}`,
        number,
      });
    }
    return problems;
  }
}

/** Puts problems in the order of the lines that they are about. */
export function sortProblems(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const line = ({ origin }: ConfigProblem) => origin.line ?? Number.MAX_SAFE_INTEGER;
  const column = ({ origin }: ConfigProblem) => origin.column ?? Number.MAX_SAFE_INTEGER;
  return problems.toSorted((a, b) => line(a) - line(b) || column(a) - column(b));
}

/** A config that can't be used. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** The errors, at least one, and the warnings that came with them. */
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(problems.map(formatProblem).join("\n"));
    this.problems = problems;
  }
}

/** One line: `/etc/config/ip-masq-agent:4:5: nonMasqueradeCIDRs[3]: "10.0.0.1/8" is not aligned: …`. */
export function formatProblem({ severity, origin, message }: ConfigProblem): string {
  const place = formatPlace(origin);
  return `${place}${place && ": "}${severity === "warning" ? "warning: " : ""}${
    origin.key && `${origin.key}: `
  }${message}`;
}

/** `FILE:LINE:COLUMN`, as far as they are known. */
export function formatPlace({ file, line, column }: Origin): string {
  return [file, line, column].filter((part) => part !== undefined).join(":");
}

/** `FILE:LINE:COLUMN KEY`, or only the key for a default. */
export function formatOrigin(origin: Origin): string {
  return [formatPlace(origin), origin.key].filter((part) => part !== "").join(" ");
}
