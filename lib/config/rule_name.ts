/** The name of an entry of `rules`. */

declare const parsed: unique symbol;

/** A name that comments of rules and names of sets take as it is. Only {@linkcode parseRuleName} makes one. */
export type RuleName = string & { readonly [parsed]: true };

/** A comment of iptables and the name of a set have room for more. */
const LONGEST = 40;

/**
 * Checks the name of a rule: 1 to 40 characters of `[A-Za-z0-9_.-]`.
 *
 * @throws {SyntaxError} It is none.
 */
export function parseRuleName(text: string): RuleName {
  if (text.length < 1 || text.length > LONGEST || !/^[A-Za-z0-9_.-]+$/.test(text)) {
    throw new SyntaxError(
      `"${text}" is not a name: write 1 to ${LONGEST} letters, digits, "_", "." and "-"`,
    );
  }
  return text as RuleName;
}
