/** `ip-masq-agent validate`. */
import { loadConfig } from "../../config/load_config.ts";
import { cidrCounts } from "../../config/cidr_counts.ts";
import { type ConfigOptions, KEY_NAMES, type MasqConfig } from "../../config/config.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import { plural } from "../../config/printable.ts";
import { ConfigError, type ConfigProblem, formatProblem } from "../../config/problem.ts";
import { commandSource } from "../command_source.ts";
import { KNOWN_AGENTS } from "../known_agents.ts";
import { type FlagValues, parseInputPath, readConfigPaths } from "../flag_values.ts";
import { UsageError } from "../go_flags.ts";
import { EXIT, type System } from "../system.ts";

/** What came of one path. */
interface Verdict {
  readonly path: string;
  /** Undefined where the config is bad. */
  readonly config?: MasqConfig;
  readonly problems: readonly ConfigProblem[];
  /** No path was named, and there is no file: the defaults hold. */
  readonly isDefault: boolean;
}

/** Checks every path; all errors and warnings of all of them are told. */
export async function validate(flags: FlagValues, system: System): Promise<number> {
  const format = flags.choice("output", ["text", "json"]);
  const strict = flags.boolean("strict");
  const named = flags.words.length > 0;
  const sources = named ? flags.words.map((path) => [path]) : [readConfigPaths(flags, parseInputPath)];
  const options: ConfigOptions = {
    enableIpv6: flags.boolean("enable-ipv6"),
    allReservedRanges: flags.boolean("nomasq-all-reserved-ranges"),
    backend: flags.text("backend"),
  };
  if (flags.words.filter((path) => path === "-").length > 1) {
    throw new UsageError('"-" stands twice: standard input can be read only once');
  }
  const verdicts: Verdict[] = [];
  for (const paths of sources) {
    verdicts.push(await check(paths, named || flags.has("config-path"), options, system));
  }
  const isGood = ({ config, problems }: Verdict) =>
    config !== undefined && (!strict || problems.length === 0);
  if (format === "json") {
    const report = verdicts.map((verdict) => describeAsData(verdict, isGood(verdict)));
    system.printOut(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    for (const verdict of verdicts) system.printOut(describeAsText(verdict, isGood(verdict)));
  }
  return verdicts.every(isGood) ? EXIT.done : EXIT.badInput;
}

async function check(
  paths: readonly string[],
  mustExist: boolean,
  options: ConfigOptions,
  system: System,
): Promise<Verdict> {
  // The verdict itself names the path.
  const source = commandSource(system, paths, { saysPath: false });
  const bad = (message: string): Verdict => ({
    path: source.path,
    problems: [{ severity: "error", origin: { file: source.path, key: "" }, message }],
    isDefault: false,
  });
  const reading = await source.read();
  if ("unreadable" in reading) return bad(`cannot be read: ${reading.unreadable}`);
  if (reading.files.length === 0 && mustExist) {
    return bad("no config there: name a file, or a folder with files whose names start with ip-masq");
  }
  const isDefault = reading.files.length === 0;
  try {
    const { config, warnings } = loadConfig(reading.files, options);
    return { path: source.path, config, problems: warnings, isDefault };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { path: source.path, problems: error.problems, isDefault };
  }
}

function countCidrs(config: MasqConfig): Record<"total" | "IPv4" | "IPv6", number> {
  const count = (family: IpFamily) =>
    Object.values(cidrCounts(config, family)).reduce((sum, number) => sum + number, 0);
  const [ipv4, ipv6] = [count("IPv4"), count("IPv6")];
  return { total: ipv4 + ipv6, IPv4: ipv4, IPv6: ipv6 };
}

/** Keys that are set and that the upstream agent does not know: on purpose, so that they are no problem. */
function unknownUpstream(config: MasqConfig): string[] {
  const known = KNOWN_AGENTS.find(({ name }) => name === "upstream")!.keys;
  return KEY_NAMES.filter((key) => config.origins.has(key) && !known.includes(key));
}

function describeAsText({ path, config, problems, isDefault }: Verdict, isGood: boolean): string {
  const lines = problems.map(formatProblem);
  const unknown = config === undefined ? [] : unknownUpstream(config);
  if (unknown.length > 0) {
    lines.push(
      `${path}: note: after a rollback to the upstream agent these have no effect: ${unknown.join(", ")}`,
    );
  }
  if (config !== undefined && isGood) {
    const { total, IPv4, IPv6 } = countCidrs(config);
    const numbers = `${plural(total, "CIDR")}, IPv4 ${IPv4}, IPv6 ${IPv6}`;
    lines.push(`${path}: ok (${isDefault ? "no file there, so the defaults: " : ""}${numbers})`);
  } else {
    const numbers = ["error", "warning"].map((noun) => {
      const alike = problems.filter(({ severity }) => severity === noun);
      const number = alike.reduce((sum, problem) => sum + (problem.number ?? 1), 0);
      return plural(number, noun);
    });
    lines.push(`${path}: bad (${numbers.filter((it) => !it.startsWith("0 ")).join(", ")})`);
  }
  return `${lines.join("\n")}\n`;
}

function describeAsData({ path, config, problems }: Verdict, ok: boolean): unknown {
  return {
    path,
    ok,
    ...(config !== undefined && { cidrs: countCidrs(config), unknownUpstream: unknownUpstream(config) }),
    problems: problems.map(({ severity, origin, message }) => ({ severity, ...origin, message })),
  };
}
