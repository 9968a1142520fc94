/** The definitions of flags and commands -> scripts for shells that complete them. */
import type { CommandDefinition } from "./command_definitions.ts";
import { firstSentence } from "./first_sentence.ts";
import { type FlagDefinition, FLAGS } from "./flag_definitions.ts";

/** The shells that there is a script for. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** One of them. */
export type Shell = typeof SHELLS[number];

/** What may be written in one place: behind the program's name, or behind a command's. */
interface Context {
  /** Flags that help shows. */
  readonly flags: readonly FlagDefinition[];
  /** Words that are no flags. */
  readonly words: readonly string[];
  readonly takesFiles: boolean;
}

/** What a script is made of: the agent itself, and each command. */
interface Contexts {
  readonly agent: Context;
  readonly commands: readonly (Context & Pick<CommandDefinition, "name" | "summary">)[];
}

const WRITERS: Readonly<Record<Shell, (contexts: Contexts) => string>> = { bash, zsh, fish };

/** Writes the script for a shell. */
export function completionScript(shell: Shell, commands: readonly CommandDefinition[]): string {
  const shown = (flags: readonly FlagDefinition[]) => flags.filter(({ help }) => help !== undefined);
  return WRITERS[shell]({
    agent: { flags: shown(FLAGS), words: commands.map(({ name }) => name), takesFiles: false },
    commands: commands.map(({ name, summary, flags, operands }) => ({
      name,
      summary,
      flags: shown(flags),
      words: /^[a-z|]+$/.test(operands) ? operands.split("|") : [],
      takesFiles: /PATH|FILE/.test(operands),
    })),
  });
}

function bash({ agent, commands }: Contexts): string {
  const write = ({ flags, words, takesFiles }: Context, position: number) =>
    [
      "case $flag in",
      ...flags.filter(({ type }) => type !== "boolean").map(({ name, alias, values = [] }) =>
        `  --${name}${alias === undefined ? "" : ` | -${alias}`}) ${
          values === "file" ? "files=yes" : `words=${quote(values.join(" "))}`
        } ;;`
      ),
      "  *)",
      `    words=${
        quote(flags.map(({ name, type }) => `--${name}${type === "boolean" ? "" : "="}`).join(" "))
      }`,
      ...(words.length > 0
        ? [`    ((COMP_CWORD != ${position})) || words+=${quote(` ${words.join(" ")}`)}`]
        : []),
      ...(takesFiles ? ["    files=yes"] : []),
      "    ;;",
      "esac",
    ].map((line) => `      ${line}\n`).join("");
  return `# Completion of ip-masq-agent for bash.
_ip_masq_agent() {
  local word=\${COMP_WORDS[COMP_CWORD]} flag=\${COMP_WORDS[COMP_CWORD - 1]} words= files=
  # Bash makes "=" a word of its own.
  if [[ $word == = ]]; then
    word=
  elif [[ $flag == = ]]; then
    flag=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  case \${COMP_WORDS[1]} in
${commands.map((command) => `    ${command.name})\n${write(command, 2)}      ;;\n`).join("")}    *)
${write(agent, 1)}      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"; [[ -z $files ]] || compgen -f -- "$word")
  [[ -z $files ]] || compopt -o filenames
  [[ \${#COMPREPLY[@]} -ne 1 || $COMPREPLY != *= ]] || compopt -o nospace
}
complete -F _ip_masq_agent ip-masq-agent
`;
}

function zsh({ agent, commands }: Contexts): string {
  const bracket = (text: string) => text.replace(/[[\]\\]/g, "\\$&");
  const flag = ({ name, alias, type, values, help }: FlagDefinition) => {
    const what = `[${bracket(help!)}]`;
    const action = values === undefined ? " " : values === "file" ? "_files" : `(${values.join(" ")})`;
    const value = type === "boolean" ? "" : `:${name}:${action}`;
    const names = [`--${name}${value && "="}`, ...(alias === undefined ? [] : [`-${alias}`])];
    return names.map((it) => `${it}${what}${value}`);
  };
  const operands = ({ words, takesFiles }: Context) =>
    takesFiles ? ["*:file:_files"] : words.length > 0 ? [`1:word:(${words.join(" ")})`] : [];
  const write = (context: Context) =>
    ["_arguments", ...[...context.flags.flatMap(flag), ...operands(context)].map(quote)].join(
      " \\\n        ",
    );
  return `#compdef ip-masq-agent
_ip-masq-agent() {
  local -a commands
  if ((CURRENT == 2)) && [[ $PREFIX != -* ]]; then
    commands=(
${commands.map((it) => `      ${quote(`${it.name}:${firstSentence(it.summary)}`)}\n`).join("")}    )
    _describe command commands
    return
  fi
  case $words[2] in
${
    commands.map((it) => `    ${it.name})\n      shift words; ((CURRENT--))\n      ${write(it)}\n      ;;\n`)
      .join("")
  }    *)
      ${write({ ...agent, words: [] })}
      ;;
  esac
}
# As a file of fpath this is the function itself; sourced, it makes it known.
if [[ $funcstack[1] == _ip-masq-agent ]]; then
  _ip-masq-agent "$@"
else
  compdef _ip-masq-agent ip-masq-agent
fi
`;
}

function fish({ agent, commands }: Contexts): string {
  const fishQuote = (text: string) => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const add = (condition: string, ...rest: readonly string[]) =>
    `complete -c ip-masq-agent -n ${fishQuote(condition)} ${rest.join(" ")}\n`;
  const flag = ({ name, alias, type, values, help }: FlagDefinition) => [
    `-l ${name}`,
    ...(alias === undefined ? [] : [`-s ${alias}`]),
    ...(type === "boolean" ? [] : values === "file" ? ["-r -F"] : ["-x"]),
    ...(Array.isArray(values) ? [`-a ${fishQuote(values.join(" "))}`] : []),
    `-d ${fishQuote(help!)}`,
  ];
  const names = commands.map(({ name }) => name).join(" ");
  return "# Completion of ip-masq-agent for fish.\ncomplete -c ip-masq-agent -f\n" +
    commands.map((it) =>
      add("__fish_use_subcommand", `-a ${it.name} -d ${fishQuote(firstSentence(it.summary))}`)
    )
      .join("") +
    agent.flags.map((it) => add(`not __fish_seen_subcommand_from ${names}`, ...flag(it))).join("") +
    commands.map((it) => {
      const condition = `__fish_seen_subcommand_from ${it.name}`;
      return it.flags.map((each) => add(condition, ...flag(each))).join("") +
        (it.takesFiles ? add(condition, "-F") : "") +
        (it.words.length > 0 ? add(condition, `-a ${fishQuote(it.words.join(" "))}`) : "");
    }).join("");
}

/** One word of bash and zsh. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
