/** The definitions of flags, commands and config keys -> ip-masq-agent(8), in the man macros of roff. */
import { COMMANDS } from "../lib/cli/command_definitions.ts";
import { DEFAULT_CONFIG_PATHS } from "../lib/cli/config_paths.ts";
import { type FlagDefinition, FLAGS } from "../lib/cli/flag_definitions.ts";
import { nameOf, presetOf } from "../lib/cli/usage.ts";
import { CONFIG_KEYS } from "../lib/config/config.ts";

/** Writes the page. `date` is that of the commit, such as 2026-11-21. */
export function manPage(version: string, date: string): string {
  return [
    `.TH IP-MASQ-AGENT 8 ${date} "ip-masq-agent ${version}" "System Administration"`,
    ".nh",
    ".SH NAME",
    text("ip-masq-agent - decide which outbound traffic is masqueraded"),
    ".SH SYNOPSIS",
    synopsis("", ""),
    ...COMMANDS.flatMap(({ name, operands }) => [".br", synopsis(name, operands)]),
    ".SH DESCRIPTION",
    text(
      "ip-masq-agent decides which outbound traffic of a Kubernetes node or of another host is masqueraded, " +
        "that is, leaves with the node's address, and which keeps its own source address.",
    ),
    ".PP",
    text(
      "Without a command it is a daemon: it writes one chain, or one nftables table, follows its config, " +
        "and repairs the rules when another program changes them. Its rules stay when it ends.",
    ),
    ".SH OPTIONS",
    text(
      "A flag may have one hyphen or two. Its value follows after = or, but for booleans, as the next word.",
    ),
    ...FLAGS.flatMap(flag),
    ".PP",
    text("The other flags of klog, such as --logtostderr, are accepted and ignored."),
    ".SH COMMANDS",
    ...COMMANDS.flatMap(({ name, operands, summary, flags, examples, exitCodes }) => [
      `.SS ${escape(`${name} ${operands}`.trim())}`,
      text(summary),
      ...flags.flatMap(flag),
      ".PP",
      text(`Exit codes: ${exitCodes}.`),
      ...code(examples),
    ]),
    ".SH CONFIGURATION",
    text(
      "The config is YAML, or JSON where it starts with {. A missing or empty config means the defaults. " +
        "Where --config-path names a folder, all files in it whose names start with ip-masq make one config. " +
        "A bad config is refused as a whole, and the last good one stays in force.",
    ),
    ...CONFIG_KEYS.flatMap(({ name, description, defaultValue }) => [
      ".TP",
      bold(name),
      text(description),
      text(`The default is ${JSON.stringify(defaultValue)}.`),
    ]),
    ".SH FILES",
    ...DEFAULT_CONFIG_PATHS.flatMap((path, index) => [
      ".TP",
      italic(path),
      text(`The config, a file or a folder: the ${["first", "second"][index]} place that is looked at.`),
    ]),
    ".TP",
    italic("/etc/default/ip-masq-agent"),
    text("Flags of the systemd service, as IP_MASQ_AGENT_FLAGS=--enable-ipv6."),
    ".SH SIGNALS",
    ".TP",
    bold("SIGHUP"),
    text("Reads the config and checks the rules now."),
    ".TP",
    bold("SIGTERM, SIGINT"),
    text("Ends the daemon. With --cleanup-on-exit its rules are removed first."),
    ".SH EXIT STATUS",
    text("0 done, 1 failed, 2 bad usage or bad config."),
    ".SH EXAMPLES",
    text("Install the rules once, or stay and look after those of both families:"),
    ...code(["ip-masq-agent --once", "ip-masq-agent --enable-ipv6 --config-path=/etc/ip-masq-agent"]),
    ".SH SEE ALSO",
    ".BR iptables (8),",
    ".BR nft (8)",
    "",
  ].flat().join("\n");
}

function synopsis(command: string, operands: string): string {
  return `.B ${escape(`ip-masq-agent ${command}`.trim())}\n${escape(`[FLAG]... ${operands}`.trim())}`;
}

/** Nothing for a flag that help does not show. */
function flag(definition: FlagDefinition): string[] {
  const { help } = definition;
  return help === undefined ? [] : [".TP", bold(nameOf(definition)), text(`${help}${presetOf(definition)}`)];
}

function code(lines: readonly string[]): string[] {
  return [".PP", ".RS", ".nf", ...lines.map(escape), ".fi", ".RE"];
}

function bold(words: string): string {
  return `\\fB${escape(words)}\\fR`;
}

function italic(words: string): string {
  return `\\fI${escape(words)}\\fR`;
}

/** Each sentence on a line of its own, as roff wants it. */
function text(words: string): string {
  return words.split(/(?<=\.) (?=[A-Z])/).map(escape).join("\n");
}

/** Characters that roff would take for something else, or print as something that can't be copied. */
function escape(words: string): string {
  return words.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("'", "\\(aq").replaceAll(
    "`",
    "\\(ga",
  )
    .replaceAll("~", "\\(ti").replaceAll("^", "\\(ha").replace(/^\./, "\\&.");
}
