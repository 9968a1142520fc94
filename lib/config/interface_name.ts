/** Names of network interfaces, and patterns for them as iptables writes them. */

declare const parsed: unique symbol;

/** A name, or the start of names with `+` behind it. Only {@linkcode parseInterfacePattern} makes one. */
export type InterfacePattern = string & { readonly [parsed]: true };

/** The kernel's IFNAMSIZ, without the NUL. */
const LONGEST = 15;

/**
 * Checks the name of an interface: 1 to 15 letters, digits, `_`, `.`, `@` and `-`, with a `+` at the end for all names
 * that start so.
 *
 * @throws {SyntaxError} It is none, or stands for all interfaces.
 */
export function parseInterfacePattern(text: string): InterfacePattern {
  if (text === "+" || text === "*") {
    throw new SyntaxError(`"${text}" stands for every interface: leave "via" out`);
  }
  if (/^[^*]+\*$/.test(text)) {
    throw new SyntaxError(`"${text}" is not an interface: did you mean "${text.slice(0, -1)}+"?`);
  }
  if (text.length > LONGEST || !/^[A-Za-z0-9_][A-Za-z0-9_.@-]*\+?$/.test(text)) {
    throw new SyntaxError(
      `"${text}" is not an interface: write a name of 1 to ${LONGEST} characters such as "eth0", or "eth+" for ` +
        "all that start so",
    );
  }
  return text as InterfacePattern;
}

/** What names must start with, where the pattern is not a whole name. */
export function wildcardStart(pattern: InterfacePattern): string | undefined {
  return pattern.endsWith("+") ? pattern.slice(0, -1) : undefined;
}

/** Whether an interface of this name is meant. */
export function matchesInterface(pattern: InterfacePattern, name: string): boolean {
  const start = wildcardStart(pattern);
  return start === undefined ? name === pattern : name.startsWith(start);
}
