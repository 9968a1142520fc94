/** What a sync would change, for `diff` and `--dry-run`. */
import { readConfig } from "../agent/read_config.ts";
import type { Backend, Plan } from "../backends/backend.ts";
import { formatOtherRule, readOtherRules } from "../host/other_rules.ts";
import { formatProblem } from "../config/problem.ts";
import { buildRuleset } from "../rules/ruleset.ts";
import { CommandError, type ConfigSource } from "../ports.ts";
import { type BackendOptions, createBackends, familiesOf } from "./backends.ts";
import type { RuleOptions } from "./flag_values.ts";
import type { System } from "./system.ts";
import { colourDiff, unifiedDiff } from "./unified_diff.ts";

/** How many families differ from the config, and how many could not be read. */
export interface Differences {
  readonly changed: number;
  readonly failures: number;
}

/**
 * Prints the differences of every family on standard output; warnings and failures on standard error. Changes nothing.
 *
 * @throws {ConfigError} The config is bad.
 */
export async function showDifferences(
  source: ConfigSource,
  options: RuleOptions & BackendOptions,
  system: System,
): Promise<Differences> {
  const { config, warnings } = await readConfig(source, options);
  for (const warning of warnings) system.printError(`${formatProblem(warning)}\n`);
  let [changed, failures] = [0, 0];
  const attempt = async (name: string, action: () => Promise<void>) => {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      failures++;
      system.printError(`ip-masq-agent: ${name}${error.message}\n`);
    }
  };
  const rulesets = familiesOf(options).map((family) => buildRuleset(family, config, options));
  let backends: readonly Backend[] = [];
  await attempt("", async () => {
    backends = await createBackends(options, system.runner, rulesets);
  });
  for (const [index, backend] of backends.entries()) {
    const { family } = backend;
    await attempt(`${family}: `, async () => {
      const plan = await backend.plan(rulesets[index]!);
      if (plan.drift.length > 0) changed++;
      const lines = formatPlan(plan, backend.describe(), source.path);
      for (const line of system.useColor ? colourDiff(lines) : lines) system.printOut(`${line}\n`);
      await warnOfOtherRules(backend, options, system);
    });
  }
  return { changed, failures };
}

/** What can't be read of others changes nothing about ours. */
async function warnOfOtherRules(
  { name: backend, family }: Backend,
  { chainName }: BackendOptions,
  { runner, printError }: System,
): Promise<void> {
  const warn = (message: string) => printError(`warning: ${family}: ${message}\n`);
  const onUnread = (message: string) => warn(`rules of others may be missed here: ${message}`);
  for (const rule of await readOtherRules({ runner, family, backend, chainName, onUnread })) {
    if (rule.isUsual) printError(`note: ${family}: ${formatOtherRule(rule)}\n`);
    else warn(formatOtherRule(rule));
  }
}

/** A plan as a unified diff of rules, spelled as `iptables -S` does. */
function formatPlan(
  { family, actual, desired }: Plan,
  tool: string,
  configPath: string,
): string[] {
  return unifiedDiff({
    oldName: `${family}: kernel (${tool})`,
    newName: `${family}: ${configPath}`,
    oldLines: actual,
    newLines: desired,
    isSame: (a, b) => withRoundProbability(a) === withRoundProbability(b),
  });
}

/** The kernel rounds probabilities to units of 2^-31, which must not look like a difference. */
function withRoundProbability(line: string): string {
  return line.replace(/--probability ([0-9.]+)/, (_, share) => `--probability ${Number(share).toFixed(6)}`);
}
