/** The words that make the program something else than the agent; apart, so that it need not load their code. */

/** All of them, in the order in which help lists them. */
export const COMMAND_NAMES = [
  "validate",
  "render",
  "explain",
  "diff",
  "status",
  "cleanup",
  "migrate",
  "completion",
] as const;

/** One of them. */
export type SubcommandName = typeof COMMAND_NAMES[number];
