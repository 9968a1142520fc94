/** What `--help` prints. */
import { FLAGS } from "./flag_definitions.ts";

/** Help for the agent: what it is, two examples, every flag. At most 80 columns. */
export function usage(): string {
  const lines = FLAGS.filter(({ help }) => help !== undefined).map(({ name, type, defaultValue, help }) => {
    const value = { boolean: "", string: "=TEXT", count: "=N" }[type];
    const preset = defaultValue === "" || defaultValue === "false" ? "" : ` (default ${defaultValue})`;
    return `  --${name}${value}\n        ${help}${preset}\n`;
  });
  return `ip-masq-agent decides which outbound traffic is masqueraded.

Usage: ip-masq-agent [FLAG]...

Examples:
  ip-masq-agent --once                          # install the rules and exit
  ip-masq-agent --enable-ipv6 --config-path=/etc/ip-masq-agent/config.yaml

Flags:
${lines.join("")}
Exit codes: 0 done, 1 failed, 2 bad usage or bad config.
`;
}
