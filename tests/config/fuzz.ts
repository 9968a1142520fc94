/**
 * Random and mutated configs, always the same ones for the same seed, and the one thing that must hold for each: it
 * gives a config or errors, quickly and in little memory.
 *
 * @module
 */
import { KEY_NAMES } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
import { ConfigError, formatProblem } from "../../lib/config/problem.ts";

/** Milliseconds that one config may take, on a busy machine. They have at most a few thousand characters. */
const MOST_MILLISECONDS = 1_000;

/** A source of numbers from 0 up to `below`, without it. */
export type Random = (below: number) => number;

/** The generator mulberry32: small, and the same everywhere. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61) ^ mixed;
    return Math.floor(((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32 * below);
  };
}

const SEEDS = [
  "nonMasqueradeCIDRs:\n  - 10.0.0.0/8\n  - fd00::/8\nmasqueradeCIDRs: [10.10.10.10/32]\nresyncInterval: 1m30s\n",
  '{\n  "nonMasqueradeCIDRs": ["10.0.0.0/8", "192.168.0.0/16"],\n  "masqLinkLocal": false,\n  "cidrLimit": 64\n}\n',
  "masqOutBound: true\nmasqOutBoundIPv6: false\nmasqLinkLocalIPv6: true # why\ncidrLimit: 3\n",
  "a: &a [x, y]\nb: &b [*a, *a]\nc: &c [*b, *b]\nnonMasqueradeCIDRs: *c\n",
  "---\n? nonMasqueradeCIDRs\n: - '10.0.0.0/8'\n  - \"172.16.0.0/12\"\n...\n",
  "nonMasqueradeCIDRs: |\n  10.0.0.0/8\nmasqueradeCIDRs: >-\n  fd00::/8\n",
  "rules:\n- name: a\n  from: [10.0.0.0/8, 'fd00::/8']\n  via: [eth+]\n  protocols: [tcp]\n  ports: [80, 90-99]\n" +
  "  action: snat\n  address: [198.51.100.7, '2001:db8::1-2001:db8::9']\n- {from: node, action: keep}\n",
  '%YAML 1.2\n--- !!map\n"masqLinkLocal": !!bool true\n',
  "",
];

const PIECES = [
  ...KEY_NAMES,
  "NonMasqueradeCIDRs",
  "from",
  "via",
  "ports",
  "action",
  "node",
  "snat",
  "__proto__",
  "constructor",
  "toString",
  "10.0.0.0/8",
  "10.0.0.1/8",
  "010.0.0.0/8",
  "fd00::/8",
  "::ffff:10.0.0.0/104",
  "0.0.0.0/0",
  "::/0",
  "169.254.1.0/24",
  "10.0.0.0/33",
  "1.2.3.4",
  "60s",
  "1h",
  "-5s",
  "0",
  "1e999",
  "0x10",
  "0o17",
  "99999999999999999999",
  ".nan",
  "-.inf",
  "null",
  "~",
  "true",
  "no",
  "[",
  "]",
  "{",
  "}",
  ":",
  ": ",
  "- ",
  "\n",
  "\n  ",
  "\n- ",
  "\n\n",
  ",",
  "#",
  " #",
  "&a ",
  "*a",
  "*a ",
  "!!str ",
  "!x ",
  "<<: ",
  "? ",
  "|\n ",
  ">\n ",
  "'",
  '"',
  "\\",
  "\\u0000",
  "\t",
  "\r\n",
  "\r",
  "\0",
  "\ufeff",
  "\u2028",
  "\u202e",
  "\u{1f600}",
  "---\n",
  "...\n",
  "%YAML 1.2\n",
  "@",
  "`",
  "; rm -rf /",
  "\n-j ACCEPT",
  "--",
  "\x1b[31m",
];

/** One config: a seed or nothing, with a few pieces put in, taken out, repeated or changed. */
export function randomConfig(random: Random): Uint8Array {
  let text = SEEDS[random(SEEDS.length)]!;
  for (let times = random(1 + random(12)); times > 0; times--) {
    const at = random(text.length + 1);
    const end = Math.min(text.length, at + random(20));
    const piece = PIECES[random(PIECES.length)]!;
    text = [
      () => text.slice(0, at) + piece + text.slice(at),
      () => text.slice(0, at) + text.slice(end),
      () => text.slice(0, at) + piece + text.slice(end),
      () => text.slice(0, at) + text.slice(at, end).repeat(1 + random(8)) + text.slice(at),
      () => text.slice(0, at) + String.fromCharCode(random(0x3000)) + text.slice(at + 1),
      () => piece.repeat(1 + random(40)) + text,
    ][random(6)]!();
  }
  const bytes = new TextEncoder().encode(text.slice(0, 4096));
  if (random(20) === 0 && bytes.length > 0) bytes[random(bytes.length)] = random(256);
  return bytes;
}

/** What became of one input. */
export interface Outcome {
  readonly isGood: boolean;
  readonly milliseconds: number;
}

/**
 * Loads one config.
 *
 * @throws {Error} It gives neither a config nor errors that can be shown, or takes too long.
 */
export function tryConfig(bytes: Uint8Array): Outcome {
  const start = performance.now();
  let isGood = true;
  try {
    const { config, warnings } = loadConfig([{ name: "fuzz", bytes }], {
      enableIpv6: true,
      allReservedRanges: false,
    });
    checkMessages(warnings.map(formatProblem));
    const ofRules = config.rules.flatMap(({ from, to }) =>
      [from === "node" ? [] : from ?? [], to ?? []].flat()
    );
    for (const { cidr } of [...config.nonMasqueradeCIDRs, ...config.masqueradeCIDRs, ...ofRules]) {
      if (!/^[0-9a-f.:]+\/[0-9]+$/.test(cidr.text)) {
        throw new Error(`Not a CIDR: ${JSON.stringify(cidr.text)}`);
      }
    }
    for (const { name = "0", via = [] } of config.rules) {
      for (const word of [name, ...via]) {
        if (!/^[A-Za-z0-9_.@-]+\+?$/.test(word)) {
          throw new Error(`Not safe in a rule: ${JSON.stringify(word)}`);
        }
      }
    }
    if (!(config.resyncInterval >= 1_000)) {
      throw new Error(`Too short an interval: ${config.resyncInterval}`);
    }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    isGood = false;
    if (error.problems.length === 0) throw new Error("An error that says nothing");
    checkMessages(error.problems.map(formatProblem));
  }
  const milliseconds = performance.now() - start;
  if (milliseconds > MOST_MILLISECONDS) throw new Error(`Took ${milliseconds} ms`);
  return { isGood, milliseconds };
}

function checkMessages(messages: readonly string[]): void {
  for (const message of messages) {
    if (
      !/^(?:fuzz(:\d+:\d+)?|warning: nonMasqueradeCIDRs): ./.test(message) || message.length > 1_000 ||
      /\p{Cc}/u.test(message)
    ) {
      throw new Error(`A bad message: ${JSON.stringify(message)}`);
    }
  }
}
