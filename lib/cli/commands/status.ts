/** `ip-masq-agent status`. */
import { loadReading } from "../../agent/read_config.ts";
import { findStaleBeside } from "../../backends/stale.ts";
import { BackendError, type CountedRule, type Drift } from "../../backends/backend.ts";
import type { BackendDecision } from "../../backends/choose.ts";
import { createBackend } from "../../backends/create_backend.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import { plural, printable } from "../../config/printable.ts";
import { formatProblem } from "../../config/problem.ts";
import { formatOtherRule, readOtherRules } from "../../host/other_rules.ts";
import { CommandError, type ConfigFile } from "../../ports.ts";
import { buildRuleset, type Ruleset } from "../../rules/ruleset.ts";
import { type BackendOptions, decideBackend, familiesOf } from "../backends.ts";
import { commandSource } from "../command_source.ts";
import { type FlagValues, readBackendOptions } from "../flag_values.ts";
import { EXIT, type System } from "../system.ts";
import { formatTable } from "../text_table.ts";

/** What docs/json.md says of `status`: these names stay. */
interface Report {
  readonly asWanted: boolean;
  /** Null where none works. */
  readonly backend: { readonly name: string; readonly reason: string } | null;
  /** Why there is no backend. */
  readonly failure: string | null;
  readonly config: ConfigReport;
  readonly agent: AgentReport;
  readonly families: readonly FamilyReport[];
}

interface ConfigReport {
  readonly path: string;
  readonly files: readonly string[];
  readonly sha256: string | null;
  readonly ageSeconds: number | null;
}

interface FamilyReport {
  readonly family: IpFamily;
  readonly state: "as-wanted" | "differs" | "unreadable" | "absent-on-host";
  readonly failure: string | null;
  readonly drift: readonly Pick<Drift, "kind" | "detail">[];
  readonly rules: readonly CountedRule[];
  readonly otherRules: readonly string[];
  readonly stale: readonly string[];
}

interface AgentReport {
  readonly state: "ready" | "not-ready" | "unknown";
  readonly problems: readonly string[];
}

/** Rules that are shown of each family, for all of it to fit on a screen; JSON has all. */
const MOST_RULES = 20;

/** Characters of a line from a running agent that are shown. */
const MOST_SAID = 500;

/** 0 the rules of every family are as the config wants them, 1 they are not, or can't be read. */
export async function status(flags: FlagValues, system: System): Promise<number> {
  const format = flags.choice("output", ["text", "json"]);
  const options = readBackendOptions(flags);
  const agent = await askAgent(system);
  const source = commandSource(system, options.configPaths, { saysPath: false });
  const reading = await source.read();
  const { config, warnings } = await loadReading(source.path, reading, options);
  for (const warning of warnings) system.printError(`${formatProblem(warning)}\n`);
  const rulesets = familiesOf(options).map((family) => buildRuleset(family, config, options));
  const { asWanted, backend, failure, families } = await lookAtKernel(rulesets, options, system);
  const files = "files" in reading ? reading.files : [];
  const report: Report = {
    asWanted,
    backend,
    failure,
    config: await describeConfig(source.path, files, system),
    agent,
    families,
  };
  system.printOut(format === "json" ? `${JSON.stringify(report, null, 2)}\n` : describeAsText(report));
  return report.asWanted ? EXIT.done : EXIT.failed;
}

/** What a running agent says of itself. Nothing but its own readiness is believed: another program may have the port. */
async function askAgent(system: System): Promise<AgentReport> {
  const answer = await system.askReadiness();
  system.revokeNetwork();
  const problems = (answer?.body ?? "").split("\n").filter((line) => line !== "")
    .map((line) => printable(line, MOST_SAID));
  if (answer?.status === 200) return { state: "ready", problems: [] };
  return answer?.status === 503 ? { state: "not-ready", problems } : { state: "unknown", problems: [] };
}

async function describeConfig(
  path: string,
  files: readonly ConfigFile[],
  { clock, sha256 }: System,
): Promise<ConfigReport> {
  const times = files.flatMap(({ modifiedMs }) => modifiedMs ?? []);
  return {
    path,
    files: files.map(({ name }) => name),
    sha256: files.length === 0 ? null : (await sha256(files.map(({ bytes }) => bytes))).slice(0, 12),
    ageSeconds: times.length === 0
      ? null
      : Math.max(0, Math.round((clock.epoch() - Math.max(...times)) / 1000)),
  };
}

async function lookAtKernel(
  rulesets: readonly Ruleset[],
  options: BackendOptions,
  { runner }: System,
): Promise<Omit<Report, "config" | "agent">> {
  let decision: BackendDecision;
  try {
    decision = await decideBackend(options, runner, rulesets);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { asWanted: false, backend: null, families: [], failure: error.message };
  }
  const { backend: name, reason } = decision;
  const families: FamilyReport[] = [];
  for (const ruleset of rulesets) families.push(await lookAtFamily(ruleset, decision, options, runner));
  return {
    asWanted: families.every(({ state }) => state === "as-wanted" || state === "absent-on-host"),
    backend: { name, reason: reason || "--backend names it" },
    families,
    failure: null,
  };
}

async function lookAtFamily(
  ruleset: Ruleset,
  { backend: name }: BackendDecision,
  { chainName }: BackendOptions,
  runner: System["runner"],
): Promise<FamilyReport> {
  const { family } = ruleset;
  const nothing = {
    family,
    state: "unreadable" as const,
    failure: null,
    drift: [],
    rules: [],
    otherRules: [],
    stale: [],
  };
  try {
    const backend = await createBackend(name, family, chainName, runner);
    const { drift } = await backend.plan(ruleset);
    const isMissing = drift.some(({ kind }) => kind === "chain-missing" || kind === "table-missing");
    const otherRules: string[] = [];
    const onUnread = (message: string) => void otherRules.push(`may be missed here: ${message}`);
    for (const rule of await readOtherRules({ runner, family, backend: name, chainName, onUnread })) {
      if (!rule.isUsual) otherRules.push(formatOtherRule(rule));
    }
    const found = await findStaleBeside(backend, { chainName, runner });
    return {
      ...nothing,
      state: drift.length === 0 ? "as-wanted" : "differs",
      drift: drift.map(({ kind, detail }) => ({ kind, detail })),
      rules: isMissing ? [] : await backend.counters(),
      otherRules,
      stale: found.flatMap((it) => "rules" in it && it.rules.length > 0 ? [it.place.backend] : []),
    };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    const isAbsent = error instanceof BackendError && error.lacksFamily;
    return { ...nothing, state: isAbsent ? "absent-on-host" : "unreadable", failure: error.message };
  }
}

function describeAsText({ asWanted, backend, config, families, agent, failure }: Report): string {
  const rows: [string, string][] = [
    ["rules", asWanted ? "as wanted" : "NOT as wanted"],
    ["backend", backend === null ? `none: ${failure}` : `${backend.name}: ${backend.reason}`],
    ["config", describeConfigAsText(config)],
    [
      "agent",
      {
        "ready": "ready: its last sync of every family succeeded",
        "not-ready": `not ready: ${agent.problems.join("; ")}`,
        "unknown": "not known: nothing answers on port 10264, see --metrics-bind-address and the log",
      }[agent.state],
    ],
    ...families.flatMap(describeFamily),
  ];
  const lines = formatTable(rows);
  const counts = families.filter(({ rules }) => rules.length > 0).flatMap(({ family, rules }) => [
    "",
    ...formatTable([[family, "packets", "bytes", "traffic"], ...countedRows(rules)]),
  ]);
  return [...lines, ...counts, ""].join("\n");
}

function describeConfigAsText({ path, files, sha256, ageSeconds }: ConfigReport): string {
  if (sha256 === null) return `none at ${path}: the defaults`;
  const age = ageSeconds === null ? "" : `, written ${describeAge(ageSeconds)} ago`;
  return `${path}${files.length > 1 ? ` (${files.length} files)` : ""}, sha256 ${sha256}${age}`;
}

function describeAge(seconds: number): string {
  const [size, unit] = ([[86_400, "day"], [3_600, "hour"], [60, "minute"]] as const)
    .find(([size]) => seconds >= size) ?? [1, "second"];
  return plural(Math.floor(seconds / size), unit);
}

function describeFamily(
  { family, state, failure, drift, otherRules, stale }: FamilyReport,
): [string, string][] {
  const words = {
    "as-wanted": "as wanted",
    "differs": `differs: ${drift.map(({ detail }) => detail).join(", ")}`,
    "unreadable": `can't be read: ${failure}`,
    "absent-on-host": `not on this host: ${failure}`,
  }[state];
  return [
    [family, words],
    ...stale.map((name): [string, string] => ["", `stale rules of ${name} are in force, too`]),
    ...otherRules.map((rule): [string, string] => ["", `others: ${rule}`]),
  ];
}

/** The rules in their order; of many, those that counted most. */
function countedRows(rules: readonly CountedRule[]): string[][] {
  const shown = rules.length <= MOST_RULES
    ? rules
    : rules.toSorted((a, b) => b.packets - a.packets).slice(0, MOST_RULES);
  return [
    ...shown.map(({ verdict, packets, bytes, takes, name }) => [
      `  ${verdict}`,
      String(packets),
      String(bytes),
      (name === undefined || takes === `rule-${name}` ? takes : `${name}: ${takes}`) || "all others",
    ]),
    ...(shown.length < rules.length
      ? [[`  and ${plural(rules.length - shown.length, "rule")} more: -o json`]]
      : []),
  ];
}
