/** The flags of the agent: the one definition that parsing, help and the README share. */

import { BACKEND_NAMES } from "../backends/backend_name.ts";
import { DEFAULT_CONFIG_PATHS } from "./config_paths.ts";

/** One flag, as `--name`. */
export interface FlagDefinition {
  readonly name: string;
  /** A short name. */
  readonly alias?: string;
  readonly type: "boolean" | "string" | "count";
  readonly defaultValue: string;
  /** What a shell offers as its value: these words, or files. */
  readonly values?: readonly string[] | "file";
  /** What help says. Flags without it are accepted for old manifests' sake and do nothing. */
  readonly help?: string;
}

/**
 * All flags. Those at the end have no meaning here, but existing manifests carry them: all others of klog v2, and those
 * that only glog has, or component-base.
 */
export const FLAGS: readonly FlagDefinition[] = [
  {
    name: "config-path",
    type: "string",
    defaultValue: DEFAULT_CONFIG_PATHS.join(" or "),
    values: "file",
    help: "config file, folder, or - for stdin",
  },
  {
    name: "backend",
    type: "string",
    defaultValue: "auto",
    values: ["auto", ...BACKEND_NAMES],
    help: "auto, nftables, iptables, iptables-nft or iptables-legacy",
  },
  { name: "once", type: "boolean", defaultValue: "false", help: "sync once and exit" },
  {
    name: "dry-run",
    type: "boolean",
    defaultValue: "false",
    help: "print what one sync would change, and exit",
  },
  { name: "enable-ipv6", type: "boolean", defaultValue: "false", help: "look after ip6tables too" },
  {
    name: "masq-chain",
    type: "string",
    defaultValue: "IP-MASQ-AGENT",
    help: "chain in the nat table",
  },
  {
    name: "nomasq-all-reserved-ranges",
    type: "boolean",
    defaultValue: "false",
    help: "without nonMasqueradeCIDRs in the config, exempt all reserved ranges",
  },
  {
    name: "random-fully",
    type: "boolean",
    defaultValue: "true",
    help: "unguessable source ports",
  },
  {
    name: "to-ports",
    type: "string",
    defaultValue: "",
    help: "source ports to use, such as 1024-29999,40000",
  },
  {
    name: "resync-interval",
    type: "count",
    defaultValue: "",
    help: "seconds between two checks, without resyncInterval in the config",
  },
  {
    name: "watch-rules",
    type: "boolean",
    defaultValue: "true",
    help: "check at once when somebody changes the rules, where nf_tables is used",
  },
  { name: "v", type: "count", defaultValue: "0", help: "log more: 2 config and rules, 4 every sync" },
  {
    name: "metrics-bind-address",
    type: "string",
    defaultValue: "",
    help: "serve /metrics, /healthz and /readyz: ADDRESS:10264",
  },
  {
    name: "cleanup-on-exit",
    type: "boolean",
    defaultValue: "false",
    help: "remove the rules when the daemon ends",
  },
  {
    name: "flush-flows",
    type: "boolean",
    defaultValue: "false",
    help: "forget UDP flows that the rules decide otherwise now",
  },
  {
    name: "log-format",
    type: "string",
    defaultValue: "text",
    values: ["text", "json", "journald"],
    help: "text, begun as klog does, json, or journald",
  },
  { name: "skip_headers", type: "boolean", defaultValue: "false", help: "log without severity and time" },
  { name: "version", alias: "V", type: "boolean", defaultValue: "false", help: "print the version and exit" },
  { name: "help", alias: "h", type: "boolean", defaultValue: "false", help: "print this and exit" },
  { name: "logtostderr", type: "boolean", defaultValue: "true" },
  { name: "alsologtostderr", type: "boolean", defaultValue: "false" },
  { name: "stderrthreshold", type: "string", defaultValue: "" },
  { name: "log_dir", type: "string", defaultValue: "" },
  { name: "log_file", type: "string", defaultValue: "" },
  { name: "log_file_max_size", type: "string", defaultValue: "" },
  { name: "log_backtrace_at", type: "string", defaultValue: "" },
  { name: "vmodule", type: "string", defaultValue: "" },
  { name: "add_dir_header", type: "boolean", defaultValue: "false" },
  { name: "one_output", type: "boolean", defaultValue: "false" },
  { name: "skip_log_headers", type: "boolean", defaultValue: "false" },
  { name: "legacy_stderr_threshold_behavior", type: "boolean", defaultValue: "true" },
  { name: "alsologtostderrthreshold", type: "string", defaultValue: "" },
  { name: "log_link", type: "string", defaultValue: "" },
  { name: "logbuflevel", type: "string", defaultValue: "" },
  { name: "log-flush-frequency", type: "string", defaultValue: "" },
];
