/**
 * A shell on a terminal, with a person who types beginnings of command lines and presses Tab.
 *
 * @module
 */
import { EXECUTABLE, type Sandbox } from "./sandbox.ts";

/** What is typed before Tab, and the words that the shell then passes to the program. */
export const COMPLETED: readonly (readonly [typed: string, words: string])[] = [
  ["val", "<validate>"],
  ["--enab", "<--enable-ipv6>"],
  ["--log-format=js", "<--log-format=json>"],
  ["--backend=iptables-l", "<--backend=iptables-legacy>"],
  ["render --output=ta", "<render><--output=table>"],
  ["render -o nf", "<render><-o><nft>"],
  ["validate /etc/host.con", "<validate></etc/host.conf>"],
  ["diff --config-path=/etc/host.con", "<diff><--config-path=/etc/host.conf>"],
  ["migrate --from=az", "<migrate><--from=azure>"],
  ["completion fi", "<completion><fish>"],
  ["render vali", "<render><vali>"],
];

const START = {
  bash: "bash --norc --noprofile -i",
  zsh: "zsh -f -i",
} as const;

const PREPARE = {
  bash: "bind 'set bell-style none'",
  zsh: "autoload -Uz compinit; compinit -u -D; unsetopt beep",
} as const;

/** Types each beginning and Tab into the shell of a machine; returns the words that each line passed to the program. */
export async function typeInto(
  machine: Pick<Sandbox, "run">,
  shell: keyof typeof START,
  beginnings: readonly string[],
): Promise<string[]> {
  const input = [
    PREPARE[shell],
    `source <(${EXECUTABLE} completion ${shell})`,
    "ip-masq-agent() { printf '<%s>' \"$@\"; echo END; }",
    ...beginnings.map((typed) => `ip-masq-agent ${typed}\t`),
    "exit",
  ].map((line) => `${line}\n`).join("");
  const { stdout } = await machine.run("script", [
    "--quiet",
    "--echo",
    "never",
    "--command",
    START[shell],
    "/dev/null",
  ], {
    input,
  });
  return [...stdout.matchAll(/^(<.*>)END\r?$/gm)].map(([, words]) => words!);
}
