/** `ip-masq-agent migrate`. */
import { ConfigError, formatProblem } from "../../config/problem.ts";
import { commandSource } from "../command_source.ts";
import { parseContainerArgs, splitArgs } from "../container_args.ts";
import { FlagValues } from "../flag_values.ts";
import { UsageError } from "../go_flags.ts";
import { guessAgent, KNOWN_AGENTS } from "../known_agents.ts";
import { type Migration, OLD_FLAGS, planMigration, type Remark } from "../migration.ts";
import { findOldConfigs, type OldConfig } from "../old_config.ts";
import { EXIT, type System } from "../system.ts";

/** Says how to go on from another agent with this one. */
export async function migrate(flags: FlagValues, system: System): Promise<number> {
  const format = flags.choice("output", ["text", "json"]);
  const names = KNOWN_AGENTS.map(({ name }) => name);
  const from = flags.has("from") ? flags.choice("from", names) : undefined;
  const args = splitArgs(flags.text("args"));
  if (flags.words.filter((path) => path === "-").length > 1) {
    throw new UsageError('"-" stands twice: standard input can be read only once');
  }
  const configs: OldConfig[] = [];
  for (const path of flags.words) configs.push(...await readOldConfigs(path, system));

  const { values, unread } = parseContainerArgs(args, OLD_FLAGS);
  const old = new FlagValues({ values, words: [] }, OLD_FLAGS);
  const [guessed, why] = guessAgent({
    flags: [...values.keys()],
    chain: old.text("masq-chain"),
    keys: configs.flatMap(({ keys }) => keys),
    configMaps: configs.flatMap(({ configMap }) => configMap ?? []),
    files: configs.length,
  });
  const agent = KNOWN_AGENTS.find(({ name }) => name === (from ?? guessed))!;
  const because = from === undefined ? why : "--from says so";
  const migration = planMigration(agent, because, old, unread, configs);
  system.printOut(
    format === "json"
      ? `${JSON.stringify(describeAsData(migration), null, 2)}\n`
      : describeAsText(migration).map((line) => `${line}\n`).join(""),
  );
  return EXIT.done;
}

async function readOldConfigs(path: string, system: System): Promise<OldConfig[]> {
  const source = commandSource(system, [path]);
  const reading = await source.read();
  const unreadable = "unreadable" in reading
    ? `cannot be read: ${reading.unreadable}`
    : reading.files.length === 0
    ? "no config there"
    : undefined;
  if (unreadable !== undefined) {
    const origin = { file: source.path, key: "" };
    throw new ConfigError([{ severity: "error", origin, message: unreadable }]);
  }
  return "files" in reading ? reading.files.flatMap(findOldConfigs) : [];
}

function describeAsText(migration: Migration): string[] {
  const { agent, because, flags, config, added, configStays, diffs, changes, lost, ignored, warnings } =
    migration;
  const remarks = (list: readonly Remark[]) => list.map(({ what, why }) => `  ${what}: ${why}`);
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ["", title, ...lines];
  const same = (agent.isPublic ? "chain and jump stay byte for byte" : "the same policy") +
    (lost.length > 0 ? ", but for what is NOT taken over" : "");
  const kernel = [
    ...[...diffs].flatMap(([family, lines]) =>
      lines.length === 0 ? [`  ${family}: ${same}`] : lines.map((line) => `  ${line}`)
    ),
    ...changes.map((change) => `  ${change}`),
  ];
  return [
    `From ${agent.title}: ${because}`,
    ...section("Flags:", flags.length === 0 ? ["  none"] : flags.map((flag) => `  ${flag}`)),
    ...(config === undefined ? ["", "Config:", "  none was given: the defaults are the same"] : [
      "",
      configStays ? "Config, which means the same here as it stands:" : "Config:",
      ...(config === ""
        ? ["  empty: the defaults are the same"]
        : config.trimEnd().split("\n").map((line) => `  ${line}`)),
    ]),
    ...section("Added to the config, to mean the same:", remarks(added)),
    ...section("What changes in the kernel:", kernel),
    ...section("NOT taken over:", remarks(lost)),
    ...section("Ignored:", remarks(ignored)),
    ...section("Warnings:", warnings.map((warning) => `  ${formatProblem(warning)}`)),
    ...section("Next:", [
      `  ${agent.manifest} with these flags and this config; docs/migrate.md has each step`,
    ]),
  ];
}

function describeAsData(migration: Migration): unknown {
  const { agent, because, flags, config, added, configStays, diffs, changes, lost, ignored, warnings } =
    migration;
  return {
    from: agent.name,
    because,
    flags,
    config: config ?? null,
    configStays,
    added,
    kernel: [...diffs].map(([family, diff]) => ({ family, changes: diff.length > 0, diff })),
    changes,
    notTakenOver: lost,
    ignored,
    warnings: warnings.map(({ severity, origin, message }) => ({ severity, ...origin, message })),
    manifest: agent.manifest,
  };
}
