/** argv -> what the agent is to do. */
import { type ChainName, parseChainName } from "../config/chain_name.ts";
import { parsePortRanges, type PortRange } from "../config/port_range.ts";
import { FLAGS } from "./flag_definitions.ts";
import { parseGoBoolean, parseGoFlags, UsageError } from "./go_flags.ts";

/** Everything that the command line says. */
export interface AgentOptions {
  readonly configPath: string;
  readonly once: boolean;
  readonly enableIpv6: boolean;
  readonly chainName: ChainName;
  readonly allReservedRanges: boolean;
  readonly randomFully: boolean;
  readonly toPorts: readonly PortRange[];
  readonly verbosity: number;
  readonly skipHeaders: boolean;
  readonly logFormat: "text" | "json";
  /** The address to serve metrics on, without the port; undefined for none. */
  readonly metricsHost: string | undefined;
  readonly cleanupOnExit: boolean;
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
  const { values, words } = parseGoFlags(args, FLAGS);
  const text = (name: string) => values.get(name) ?? FLAGS.find((flag) => flag.name === name)!.defaultValue;
  const boolean = (name: string) => parseGoBoolean(text(name)) === true;
  const showHelp = boolean("help");
  if (words.length > 0 && !showHelp) throw unexpectedWord(words[0]!, args);
  return {
    configPath: checked("config-path", text("config-path"), parseConfigPath),
    once: boolean("once"),
    enableIpv6: boolean("enable-ipv6"),
    chainName: checked("masq-chain", text("masq-chain"), parseChainName),
    allReservedRanges: boolean("nomasq-all-reserved-ranges"),
    randomFully: boolean("random-fully"),
    toPorts: checked("to-ports", text("to-ports"), parsePortRanges),
    verbosity: Number(text("v")),
    skipHeaders: boolean("skip_headers"),
    logFormat: checked("log-format", text("log-format"), parseLogFormat),
    metricsHost: checked("metrics-bind-address", text("metrics-bind-address"), parseMetricsAddress),
    cleanupOnExit: boolean("cleanup-on-exit"),
    showVersion: boolean("version"),
    showHelp,
    ignoredFlags: FLAGS.filter(({ name, help }) => help === undefined && values.has(name)).map(({ name }) =>
      name
    ),
  };
}

/** Runs a parser and says which flag its error is about. */
function checked<T>(name: string, value: string, parse: (text: string) => T): T {
  try {
    return parse(value);
  } catch (error) {
    throw new UsageError(`--${name}: ${(error as Error).message}`);
  }
}

function parseConfigPath(text: string): string {
  if (!text.startsWith("/")) throw new SyntaxError(`"${text}" is not an absolute path`);
  if (/\p{Cc}/u.test(text)) throw new SyntaxError("a path may not have control characters");
  return text;
}

function parseLogFormat(text: string): "text" | "json" {
  if (text === "text" || text === "json") return text;
  throw new SyntaxError(`"${text}" is not a log format: write text or json`);
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
  return new UsageError(`Unexpected "${word}": the agent takes flags only, see --help`);
}
