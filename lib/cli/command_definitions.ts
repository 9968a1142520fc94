/** The commands beside the agent itself: what each takes, what its help says, and its code. */
import { cleanup } from "./commands/cleanup.ts";
import { completion } from "./commands/completion.ts";
import { diff } from "./commands/diff.ts";
import { explain } from "./commands/explain.ts";
import { migrate } from "./commands/migrate.ts";
import { render } from "./commands/render.ts";
import { status } from "./commands/status.ts";
import { validate } from "./commands/validate.ts";
import { type FlagDefinition, FLAGS } from "./flag_definitions.ts";
import type { SubcommandName } from "./command_names.ts";
import type { FlagValues } from "./flag_values.ts";
import { KNOWN_AGENTS } from "./known_agents.ts";
import type { System } from "./system.ts";

/** One command. */
export interface CommandDefinition {
  readonly name: SubcommandName;
  /** What help says that it does: one or two sentences, of which lists of commands have the first. */
  readonly summary: string;
  /** What it takes beside flags, as a usage line writes it; empty for nothing. */
  readonly operands: string;
  /** Two lines that a person may type as they are. */
  readonly examples: readonly [string, string];
  readonly flags: readonly FlagDefinition[];
  /** What its exit codes mean. */
  readonly exitCodes: string;
  /** Runs the command to its end and returns the exit code. */
  execute(flags: FlagValues, system: System): Promise<number>;
}

/** Flags of the agent that a command shares, by name. */
function shared(...names: readonly string[]): FlagDefinition[] {
  return [...names, "help"].map((name) => FLAGS.find((it) => it.name === name)!);
}

function output(...values: readonly [string, ...string[]]): FlagDefinition {
  const help = `${values.slice(0, -1).join(", ")} or ${values.at(-1)}`;
  return { name: "output", alias: "o", type: "string", defaultValue: values[0], values, help };
}

const RULE_FLAGS = shared(
  "config-path",
  "enable-ipv6",
  "masq-chain",
  "nomasq-all-reserved-ranges",
  "random-fully",
  "to-ports",
);

/**
 * Other flags of the agent, klog's among them. They change nothing here; a command takes them so that it can be given the
 * arguments of a container as they are.
 */
const IGNORED_FLAGS = FLAGS.filter(({ name }) => !["once", "dry-run", "version"].includes(name))
  .map(({ help: _, ...flag }): FlagDefinition => flag);

/** The flags of a command as they are shown, and those that it ignores. */
function flagsOf(...shown: readonly FlagDefinition[]): FlagDefinition[] {
  const isOther = ({ name }: FlagDefinition) => shown.every((it) => it.name !== name);
  return [...shown, ...IGNORED_FLAGS.filter(isOther)];
}

/** All commands, in the order in which help lists them. */
export const COMMANDS: readonly CommandDefinition[] = [
  {
    name: "validate",
    summary:
      "Checks configs, and says what is wrong and how to fix it. A path may be a file or a folder. What a rollback to the upstream agent would lose is a warning.",
    operands: "[PATH|-]...",
    examples: ["ip-masq-agent validate --strict", "ip-masq-agent validate - <config.yaml"],
    flags: flagsOf(
      { name: "strict", type: "boolean", defaultValue: "false", help: "fail for warnings, too" },
      output("text", "json"),
      ...shared("config-path", "enable-ipv6", "nomasq-all-reserved-ranges"),
    ),
    exitCodes: "0 all good, 2 a config or the usage is bad",
    execute: validate,
  },
  {
    name: "render",
    summary: "Prints the rules that the config gives. Does not touch the kernel.",
    operands: "",
    examples: [
      "ip-masq-agent render -o table",
      "ip-masq-agent render --config-path=- --to-ports=1024-29999 <config.yaml",
    ],
    flags: flagsOf(output("iptables", "nft", "table", "json"), ...RULE_FLAGS),
    exitCodes: "0 done, 2 the config or the usage is bad",
    execute: render,
  },
  {
    name: "explain",
    summary: "Says whether a destination is masqueraded, and by which rule.",
    operands: "ADDRESS...",
    examples: [
      "ip-masq-agent explain 10.1.2.3 203.0.113.10",
      "ip-masq-agent explain --source=10.244.1.7 --protocol=tcp -o json 8.8.8.8",
    ],
    flags: flagsOf(
      {
        name: "source",
        type: "string",
        defaultValue: "",
        help: "address that the packet comes from, or node",
      },
      { name: "via", type: "string", defaultValue: "", help: "interface that it leaves by" },
      { name: "protocol", type: "string", defaultValue: "", help: "tcp, udp, sctp, icmp, ... or a number" },
      { name: "port", type: "string", defaultValue: "", help: "destination port" },
      { name: "host", type: "boolean", defaultValue: "", help: "with rules of others, which root can read" },
      output("text", "json"),
      ...RULE_FLAGS.filter(({ name }) => name !== "random-fully"),
    ),
    exitCodes: "0 done, 1 --host fails, 2 an address, config or usage is bad",
    execute: explain,
  },
  {
    name: "diff",
    summary:
      "Prints what a sync would change, and changes nothing. Warns of rules of others that decide before or behind ours.",
    operands: "",
    examples: ["ip-masq-agent diff --enable-ipv6", "ip-masq-agent diff --config-path=- <config.yaml"],
    flags: flagsOf(...shared("backend").slice(0, 1), ...RULE_FLAGS),
    exitCodes: "0 nothing differs, 1 something does, 2 it can't tell",
    execute: diff,
  },
  {
    name: "status",
    summary:
      "Tells whether this node's rules are as wanted. On one screen: backend and why, config, counters of each rule, what differs, and rules of others that decide.",
    operands: "",
    examples: ["ip-masq-agent status --enable-ipv6", "ip-masq-agent status -o json"],
    flags: flagsOf(output("text", "text or json"), ...shared("backend").slice(0, 1), ...RULE_FLAGS),
    exitCodes: "0 as wanted, 1 not, or it can't be read, 2 the config or the usage is bad",
    execute: status,
  },
  {
    name: "cleanup",
    summary:
      "Removes our rules. It looks at both families, every iptables and nftables, and finds chains of an earlier --masq-chain too. Stop the agent first: it would put them back.",
    operands: "",
    examples: ["ip-masq-agent cleanup --dry-run", "ip-masq-agent cleanup --masq-chain=MY-CHAIN"],
    flags: flagsOf(
      {
        name: "dry-run",
        type: "boolean",
        defaultValue: "false",
        help: "print what would be removed, and exit",
      },
      ...shared("masq-chain"),
    ),
    exitCodes: "0 nothing of ours is left, 1 something could not be removed, 2 bad usage",
    execute: cleanup,
  },
  {
    name: "migrate",
    summary:
      "Says how to go on from another ip-masq-agent. Give it that one's container arguments and config (the text, or a ConfigMap): it prints flags, a config and what changes.",
    operands: "[FILE|-]...",
    examples: [
      "ip-masq-agent migrate --args='--masq-chain=IP-MASQ --v=2' - <config.yaml",
      "kubectl get configmap NAME -o yaml | ip-masq-agent migrate -o json -",
    ],
    // No other flags of the agent: those of the container stand in --args.
    flags: [
      { name: "args", type: "string", defaultValue: "", help: "arguments of the container that there is" },
      {
        name: "from",
        type: "string",
        defaultValue: "",
        values: KNOWN_AGENTS.map(({ name }) => name),
        help: "upstream, gke, azure, tke or cce; without it, what args and config suggest",
      },
      output("text", "json"),
      ...shared(),
    ],
    exitCodes: "0 done, 2 the arguments, the config or the usage are bad",
    execute: migrate,
  },
  {
    name: "completion",
    summary: "Prints the script that completes commands and flags in a shell.",
    operands: "bash|zsh|fish",
    examples: ["source <(ip-masq-agent completion bash)", "ip-masq-agent completion fish | source"],
    flags: shared(),
    exitCodes: "0 done, 2 bad usage",
    execute: (flags, system) => completion(flags, system, COMMANDS),
  },
];
