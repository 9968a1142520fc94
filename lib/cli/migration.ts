/** From another agent to this one: which flags and config mean the same here, and what changes. */
import { expandRuleset, formatChainRule, quoteWord } from "../backends/iptables/chain_rule.ts";
import { formatJump } from "../backends/iptables/restore_text.ts";
import {
  CONFIG_KEYS,
  type ConfigSettings,
  KEY_NAMES,
  type KeyName,
  makeSettings,
  type MasqConfig,
} from "../config/config.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { mergeSettings } from "../config/load_config.ts";
import { parseConfig } from "../config/parse_config.ts";
import { printable } from "../config/printable.ts";
import { ConfigError, type ConfigProblem } from "../config/problem.ts";
import { resolveConfig } from "../config/resolve_config.ts";
import { buildRuleset } from "../rules/ruleset.ts";
import { familiesOf } from "./backends.ts";
import { FLAGS } from "./flag_definitions.ts";
import { type FlagValues, readRuleOptions, type RuleOptions } from "./flag_values.ts";
import { UsageError } from "./go_flags.ts";
import type { KnownAgent } from "./known_agents.ts";
import type { OldConfig } from "./old_config.ts";
import { unifiedDiff } from "./unified_diff.ts";

/** Flags of this agent that no other one has. */
const OWN_FLAGS = [
  "backend",
  "once",
  "dry-run",
  "metrics-bind-address",
  "cleanup-on-exit",
  "flush-flows",
  "log-format",
];

/** Flags that another agent's container may have. */
export const OLD_FLAGS = FLAGS.filter(({ name }) => !OWN_FLAGS.includes(name));

/** The folders that the program may read. */
const FOLDERS = ["/etc/config", "/etc/ip-masq-agent"];

/** Something of the old agent, and what becomes of it. */
export interface Remark {
  readonly what: string;
  readonly why: string;
}

/** How to go on with this agent. */
export interface Migration {
  readonly agent: KnownAgent;
  /** Why it is taken for that one. */
  readonly because: string;
  readonly flags: readonly string[];
  /** The config as YAML; undefined where there is none, and none is needed. */
  readonly config: string | undefined;
  /** What was added to it so that it means the same here. */
  readonly added: readonly Remark[];
  /** Whether the files that there are mean the same here. */
  readonly configStays: boolean;
  /** What each family's rules look like before and after, as a diff; no lines where nothing changes. */
  readonly diffs: ReadonlyMap<IpFamily, readonly string[]>;
  /** What changes in the kernel, in words. */
  readonly changes: readonly string[];
  /** What is not taken over although it had an effect. */
  readonly lost: readonly Remark[];
  /** What had no effect before, or has none here. */
  readonly ignored: readonly Remark[];
  readonly warnings: readonly ConfigProblem[];
}

/**
 * Plans how to go on from `agent`, which somebody runs with the flags `old` and with `configs`.
 *
 * @param because Why it is taken for that agent.
 * @param unread Arguments behind the flags, which Go does not look at.
 * @throws {UsageError} More configs than that agent reads.
 * @throws {ConfigError} The configs are bad.
 */
export function planMigration(
  agent: KnownAgent,
  because: string,
  old: FlagValues,
  unread: readonly string[],
  configs: readonly OldConfig[],
): Migration {
  if (configs.length > 1 && !agent.mergesFiles) {
    throw new UsageError(`${agent.title} reads one config, and here are ${configs.length}: name one of them`);
  }
  const options = readRuleOptions(old);
  const { keys, lost, ignored } = sortKeys(agent, configs);
  const { settings, problems, added } = readSettings(agent, configs, keys);
  const resolved = resolveConfig(settings, options);
  const all = [...problems, ...resolved.problems];
  if (all.some(({ severity }) => severity === "error")) throw new ConfigError(all);
  const { config } = resolved;

  const families = familiesOf(options);
  const randomFully = agent.randomFully === "flag" && options.randomFully;
  return {
    agent,
    because,
    flags: flagsHere(agent, old),
    config: configs.length === 0 ? undefined : writeConfig(config, settings),
    configStays: configs.length > 0 && ignored.length + lost.length + added.length === 0,
    diffs: new Map(
      families.map((family) => [family, compareRules(family, agent, config, options, randomFully)]),
    ),
    changes: [...changesOf(agent, options, randomFully), ...agent.changes],
    added,
    lost,
    ignored: [...ignored, ...ignoredFlags(old, unread)],
    warnings: all,
  };
}

/** Which of the configs' keys count there and here, and what becomes of the others. */
function sortKeys(
  agent: KnownAgent,
  configs: readonly OldConfig[],
): { keys: ReadonlySet<KeyName>; lost: Remark[]; ignored: Remark[] } {
  const keys = new Set<KeyName>();
  const [lost, ignored]: [Remark[], Remark[]] = [[], []];
  for (const key of new Set(configs.flatMap((config) => config.keys))) {
    const isSame = (name: string) => name.toLowerCase() === key.toLowerCase();
    const here = KEY_NAMES.find(isSame);
    const isThere = agent.keys.some(isSame);
    const what = printable(key);
    if (here !== undefined && isThere) keys.add(here);
    else if (here !== undefined) {
      ignored.push({ what, why: `${agent.title} does not know it; here it would act, so it is left out` });
    } else if (isThere) lost.push({ what, why: "this agent has no such key: see docs/migrate.md" });
    else ignored.push({ what, why: "neither agent knows it" });
  }
  return { keys, lost, ignored };
}

/** What the configs set, by the old agent's rules; and what this agent has to be told so that it means the same. */
function readSettings(
  agent: KnownAgent,
  configs: readonly OldConfig[],
  keys: ReadonlySet<KeyName>,
): { settings: ConfigSettings; problems: ConfigProblem[]; added: Remark[] } {
  const parsed = configs.map(({ text, name }) => parseConfig(text, name));
  // A value that the old agent did not look at may be anything; and keys that nobody knows are told already.
  const isOfKept = ({ origin }: ConfigProblem) => {
    const key = origin.key.replace(/[[.].*/s, "").toLowerCase();
    return key === "" || [...keys].some((name) => name.toLowerCase() === key);
  };
  const problems = parsed.flatMap((it) => it.problems).filter(isOfKept);
  const kept = parsed.map(({ settings }): ConfigSettings => ({
    ...makeSettings(({ name }) => keys.has(name) ? settings[name] : undefined),
    origins: settings.origins ?? new Map(),
  }));
  let settings = mergeSettings(kept);
  const added: Remark[] = [];
  if (agent.mergesFiles && configs.length > 0) {
    const exempt = settings.nonMasqueradeCIDRs?.length;
    if (exempt === undefined) {
      settings = { ...settings, nonMasqueradeCIDRs: [] };
      const why = `no file has it, so ${agent.title} exempts nothing; here the default would exempt RFC 1918`;
      added.push({ what: "nonMasqueradeCIDRs: []", why });
    } else if (exempt > 64) {
      settings = { ...settings, cidrLimit: exempt };
      added.push({ what: `cidrLimit: ${exempt}`, why: "here the limit of 64 is that of all files together" });
    }
  }
  return { settings, problems, added };
}

/** The flags for this agent that mean what the old ones did. */
function flagsHere(agent: KnownAgent, old: FlagValues): string[] {
  const flags: string[] = [];
  for (const { name, type, defaultValue, help } of OLD_FLAGS) {
    if (help === undefined || !old.has(name) || ["version", "help"].includes(name)) continue;
    if (name === "config-path" && !isReadable(old.text(name))) continue;
    if (type !== "boolean") flags.push(`--${name}=${old.text(name)}`);
    else if (old.boolean(name) !== (defaultValue === "true")) {
      flags.push(`--${name}${old.boolean(name) ? "" : "=false"}`);
    }
  }
  if (agent.mergesFiles && !old.has("config-path")) flags.unshift("--config-path=/etc/config");
  return flags;
}

function isReadable(path: string): boolean {
  return FOLDERS.some((folder) => path === folder || path.startsWith(`${folder}/`));
}

function ignoredFlags(old: FlagValues, unread: readonly string[]): Remark[] {
  const remarks = OLD_FLAGS.filter(({ name, help }) => help === undefined && old.has(name))
    .map(({ name }): Remark => ({
      what: `--${name}`,
      why: "it has no meaning here: logs go to standard error",
    }));
  const path = old.has("config-path") ? old.text("config-path") : FOLDERS[0]!;
  if (!isReadable(path)) {
    remarks.push({ what: `--config-path=${path}`, why: `mount the config below ${FOLDERS.join(" or ")}` });
  }
  const [word] = unread;
  if (word !== undefined) {
    const why = `"${printable(word)}" is no flag, and there Go stops reading: none of this had an effect`;
    remarks.push({ what: printable(unread.join(" ")), why });
  }
  return remarks;
}

/** The settings as YAML, each key with what it means after merging. */
function writeConfig(config: MasqConfig, settings: ConfigSettings): string {
  const lines = CONFIG_KEYS.filter(({ name }) => settings[name] !== undefined).flatMap(({ name, type }) => {
    const value = type.format(config[name]);
    if (!Array.isArray(value) || value.length === 0) return [`${name}: ${writeScalar(value)}`];
    return [`${name}:`, ...value.map((item) => `  - ${writeScalar(item)}`)];
  });
  return lines.map((line) => `${line}\n`).join("");
}

function writeScalar(value: unknown): string {
  return typeof value === "string" && /^[A-Za-z0-9][A-Za-z0-9.:/]*$/.test(value) && !value.endsWith(":")
    ? value
    : JSON.stringify(value);
}

function compareRules(
  family: IpFamily,
  agent: KnownAgent,
  config: MasqConfig,
  options: RuleOptions,
  randomFully: boolean,
): string[] {
  const { chainName } = options;
  const chain = (masquerade: Pick<RuleOptions, "randomFully" | "toPorts">) =>
    expandRuleset(buildRuleset(family, config, masquerade))
      .map((rule) => `-A ${chainName} ${formatChainRule(rule)}`);
  const jump = `-A POSTROUTING ${formatJump(chainName)}`;
  const oldJump = agent.quotesComment
    ? jump.replace(/--comment "([^"]*)"/, (_, comment) => `--comment ${quoteWord(`"${comment}"`)}`)
    : jump;
  return unifiedDiff({
    oldName: `${family}: ${agent.title}`,
    newName: `${family}: this agent`,
    oldLines: [oldJump, ...chain({ ...options, randomFully })],
    newLines: [jump, ...chain(options)],
  });
}

function changesOf(agent: KnownAgent, options: RuleOptions, randomFully: boolean): string[] {
  const changes: string[] = [];
  if (agent.quotesComment) changes.push("the jump is written anew, without the quotes in its comment");
  if (randomFully !== options.randomFully) {
    changes.push(
      "MASQUERADE rules get --random-fully; with the flag --random-fully=false they stay as they are",
    );
  }
  return changes;
}
