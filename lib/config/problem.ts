/** What is wrong, or odd, with a config: data first, text last. */
import type { Origin } from "./config.ts";

/** One error or warning. An error makes the config bad as a whole; a warning leaves it good. */
export interface ConfigProblem {
  readonly severity: "error" | "warning";
  readonly origin: Origin;
  /** Says what is wrong, with the value in quotes, and what to do. */
  readonly message: string;
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
