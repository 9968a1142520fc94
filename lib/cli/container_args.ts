/** The arguments of a container, as somebody copies them from a manifest, kubectl or ps. */
import type { FlagDefinition } from "./flag_definitions.ts";
import { parseGoFlags, UsageError } from "./go_flags.ts";

/**
 * Splits a text into arguments: a list as JSON, the lines of a list in YAML, or words as a shell splits them.
 *
 * @throws {UsageError} A quote is not closed, or the list is none of texts.
 */
export function splitArgs(text: string): string[] {
  if (text.trimStart().startsWith("[")) {
    try {
      const list: unknown = JSON.parse(text);
      if (Array.isArray(list) && list.every((word) => typeof word === "string")) return list;
    } catch {
      // Said below.
    }
    throw new UsageError(`--args: not a list of texts: write one such as '["--masq-chain=IP-MASQ"]'`);
  }
  const lines = text.replace(/^\s*- /gm, "");
  const args: string[] = [];
  let rest = lines.trimStart();
  while (rest !== "") {
    const match = /^(?:[^\s'"]|'[^']*'|"[^"]*")+/.exec(rest);
    if (match === null || /^['"]/.test(rest.slice(match[0].length))) {
      throw new UsageError(`--args: a quote is not closed: ${rest.slice(0, 40)}`);
    }
    args.push(match[0].replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double));
    rest = rest.slice(match[0].length).trimStart();
  }
  return args;
}

/**
 * What Go's flag package reads of the arguments, and what it does not look at: all from the first word on that is no flag.
 * The program's own path may come first.
 *
 * @throws {UsageError} An unknown flag, a missing value, or one of the wrong type.
 */
export function parseContainerArgs(
  args: readonly string[],
  definitions: readonly FlagDefinition[],
): { readonly values: ReadonlyMap<string, string>; readonly unread: readonly string[] } {
  const own = args[0]?.startsWith("/") ? args.slice(1) : args;
  const { values, words } = parseGoFlags(own, definitions);
  const [word] = words;
  if (word === undefined) return { values, unread: [] };
  for (let at = own.indexOf(word); at !== -1; at = own.indexOf(word, at + 1)) {
    try {
      const before = parseGoFlags(own.slice(0, at), definitions);
      if (before.words.length === 0) return { values: before.values, unread: own.slice(at) };
    } catch (error) {
      // The word is the value of the flag before it.
      if (!(error instanceof UsageError)) throw error;
    }
  }
  return { values, unread: words };
}
