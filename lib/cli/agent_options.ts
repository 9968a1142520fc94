/** argv -> what the agent is to do. */
import { type BackendChoice, parseBackendChoice } from "../backends/backend_name.ts";
import { COMMAND_NAMES } from "./command_names.ts";
import { FLAGS } from "./flag_definitions.ts";
import { FlagValues, parseInputPath, readRuleOptions, type RuleOptions } from "./flag_values.ts";
import { parseGoBoolean, parseGoFlags, UsageError } from "./go_flags.ts";

/** Everything that the command line says. */
export interface AgentOptions extends RuleOptions {
  readonly backend: BackendChoice;
  readonly once: boolean;
  /** Print what one sync would change, and write nothing. */
  readonly dryRun: boolean;
  readonly verbosity: number;
  readonly skipHeaders: boolean;
  readonly logFormat: "text" | "json" | "journald";
  /** The address to serve metrics on, without the port; undefined for none. */
  readonly metricsHost: string | undefined;
  readonly cleanupOnExit: boolean;
  /** Whether to follow what others do to the rules. */
  readonly watchRules: boolean;
  readonly flushFlows: boolean;
  readonly showVersion: boolean;
  readonly showHelp: boolean;
  /** Flags that were given and mean nothing here. */
  readonly ignoredFlags: readonly string[];
}

/**
 * Parses the command line of the agent.
 *
 * @throws {UsageError} Says in one line what is wrong and what to write.
 */
export function parseAgentOptions(args: readonly string[]): AgentOptions {
  const flags = new FlagValues(parseGoFlags(args, FLAGS), FLAGS);
  const showHelp = flags.boolean("help");
  const [word] = flags.words;
  if (word !== undefined && !showHelp) throw unexpectedWord(word, args);
  const readsOnce = flags.boolean("once") || flags.boolean("dry-run");
  return {
    ...readRuleOptions(flags, (text) => parseConfigPath(text, readsOnce)),
    backend: flags.parsed("backend", parseBackendChoice),
    once: flags.boolean("once"),
    dryRun: flags.boolean("dry-run"),
    verbosity: Number(flags.text("v")),
    skipHeaders: flags.boolean("skip_headers"),
    logFormat: flags.choice("log-format", ["text", "json", "journald"]),
    metricsHost: flags.parsed("metrics-bind-address", parseMetricsAddress),
    cleanupOnExit: flags.boolean("cleanup-on-exit"),
    watchRules: flags.boolean("watch-rules"),
    flushFlows: flags.boolean("flush-flows"),
    showVersion: flags.boolean("version"),
    showHelp,
    ignoredFlags: FLAGS.filter(({ name, help }) => help === undefined && flags.has(name)).map(({ name }) =>
      name
    ),
  };
}

/** A daemon's folder may be any, so its config must be named in full; and it reads it again and again. */
function parseConfigPath(text: string, readsOnce: boolean): string {
  if (text === "-") {
    if (readsOnce) return text;
    throw new SyntaxError('"-" is standard input, which can be read only once: add --once or --dry-run');
  }
  if (!text.startsWith("/")) throw new SyntaxError(`"${text}" is not an absolute path`);
  return parseInputPath(text);
}

/** The addresses that the executable's permissions let it listen on; there is one port. */
const METRICS_HOSTS = ["127.0.0.1", "[::1]", "0.0.0.0", "[::]"];

function parseMetricsAddress(text: string): string | undefined {
  if (text === "") return undefined;
  const host = METRICS_HOSTS.find((it) => text === `${it}:10264`);
  if (host !== undefined) return host.replace(/[[\]]/g, "");
  throw new SyntaxError(
    `"${text}" can't be listened on: write one of ${METRICS_HOSTS.map((it) => `${it}:10264`).join(", ")}`,
  );
}

/** `--once false` leaves the word "false": in Go it would end the flags, and all behind it be ignored. */
function unexpectedWord(word: string, args: readonly string[]): UsageError {
  const before = args[args.indexOf(word) - 1];
  if (parseGoBoolean(word) !== undefined && before?.startsWith("-")) {
    return new UsageError(`Unexpected "${word}": write ${before}=${word}`);
  }
  if (COMMAND_NAMES.some((name) => name === word)) {
    return new UsageError(`Unexpected "${word}": write the command first: ip-masq-agent ${word} [FLAG]...`);
  }
  return new UsageError(`Unexpected "${word}": the agent takes flags only, see --help`);
}
