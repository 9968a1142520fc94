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

/** `--once false` leaves the word "false": in Go it would end the flags, and all behind it be ignored. */
function unexpectedWord(word: string, args: readonly string[]): UsageError {
  const before = args[args.indexOf(word) - 1];
  if (parseGoBoolean(word) !== undefined && before?.startsWith("-")) {
    return new UsageError(`Unexpected "${word}": write ${before}=${word}`);
  }
  return new UsageError(`Unexpected "${word}": the agent takes flags only, see --help`);
}
