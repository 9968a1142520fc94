/** What `--help` prints. */
import { type CommandDefinition, COMMANDS } from "./command_definitions.ts";
import { type FlagDefinition, FLAGS } from "./flag_definitions.ts";
import { firstSentence } from "./first_sentence.ts";
import { formatTable } from "./text_table.ts";

/** Help for the agent: what it is, two examples, every command and flag. At most 80 columns. */
export function usage(): string {
  const lines = FLAGS.filter(({ help }) => help !== undefined).map((flag) =>
    [
      `  ${nameOf(flag)}`,
      ...wrap(`${flag.help}${presetOf(flag)}`, 72).map((line) => `        ${line}`),
    ]
      .map((line) => `${line}\n`).join("")
  );
  const commands = formatTable(
    COMMANDS.map((command) => [`  ${command.name}`, firstSentence(command.summary)]),
  );
  return `ip-masq-agent decides which outbound traffic is masqueraded.

Usage: ip-masq-agent [FLAG]...
       ip-masq-agent COMMAND [FLAG]... [OPERAND]...

Commands, instead of the agent itself:
${commands.join("\n")}

Examples:
  ip-masq-agent --once                          # install the rules and exit
  ip-masq-agent --enable-ipv6 --config-path=/etc/ip-masq-agent/config.yaml

Flags of the agent (a command tells its own with --help):
${lines.join("")}
Exit codes: 0 done, 1 failed, 2 bad usage or bad config.
`;
}

/** Help for one command: at most 24 lines of 80 columns. */
export function commandUsage(definition: CommandDefinition): string {
  const { name, summary, operands, examples, exitCodes } = definition;
  const flags = definition.flags.filter(({ name, help }) => help !== undefined && name !== "help");
  const width = Math.max(0, ...flags.map((flag) => nameOf(flag).length));
  const lines = flags.map((flag) => {
    const words = `${flag.help}${presetOf(flag)}`;
    return `  ${nameOf(flag).padEnd(width)}  ${
      wrap(words, 80 - width - 4).join(`\n${" ".repeat(width + 4)}`)
    }`;
  });
  return `Usage: ip-masq-agent ${name} [FLAG]... ${operands}`.trimEnd() + `

${wrap(summary, 80).join("\n")}

Examples:
${examples.map((example) => `  ${example}`).join("\n")}

${lines.length === 0 ? "" : `Flags:\n${lines.join("\n")}\n\n`}${
    wrap(`Exit codes: ${exitCodes}.`, 80).join("\n")
  }
`;
}

/** A flag as help shows it, with its short name and the kind of its value. */
export function nameOf(flag: FlagDefinition): string {
  return `${flag.alias === undefined ? "" : `-${flag.alias}, `}--${flag.name}${valueOf(flag)}`;
}

function valueOf({ type }: FlagDefinition): string {
  return { boolean: "", string: "=TEXT", count: "=N" }[type];
}

/** The value of a flag that is not given, as help tells it; empty where there is nothing to tell. */
export function presetOf({ defaultValue }: FlagDefinition): string {
  return defaultValue === "" || defaultValue === "false" ? "" : ` (default ${defaultValue})`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
