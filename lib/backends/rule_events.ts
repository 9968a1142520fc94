/** What nft prints about changes of the kernel's rules, by whomever. */

/** How a backend's rules are followed. */
export interface RuleEvents {
  /** For nft: prints events until it is killed. */
  readonly script: string;
  /** The source of a regular expression for lines about our rules, or about what leads to them. */
  readonly pattern: string;
}

/**
 * Events of one table, of which `object` is a small part, such as `chain ip nat POSTROUTING`. Left alone, `monitor`
 * begins by reading all rules and sets of the host, 5 MB for each thousand rules, and prints events of all tables. A
 * command behind it, which is never reached, makes nft read only what that one needs (but for 0.9.8, which reads all).
 */
export function makeRuleEvents(object: string, pattern: string): RuleEvents {
  return { script: `monitor; list ${object}`, pattern: `^\\w+ (?:${pattern})(?= |$)` };
}

/** Finds transactions about our rules in what nft prints, which comes in pieces. */
export class EventReader {
  /** All transactions that were told of, and losses: nft passes over elements of sets that it does not know. */
  transactions = 0;
  readonly #tokens: RegExp;
  #rest = "";
  #isTouched = false;

  constructor({ pattern }: RuleEvents) {
    this.#tokens = new RegExp(`${pattern}|^# (?:new generation \\d+(?: by process (.*))?|ERROR.*)$`, "gm");
  }

  /** Returns the process behind each transaction that touched our rules, as `1234 (nft)`, or what is said of a loss. */
  read(text: string): string[] {
    const lines = this.#rest + text;
    const end = lines.lastIndexOf("\n") + 1;
    this.#rest = lines.slice(end);
    const writers: string[] = [];
    for (const [token, process] of lines.slice(0, end).matchAll(this.#tokens)) {
      const isEnd = token.startsWith("# ");
      if (isEnd) this.transactions++;
      // Events that are lost may have been about anything.
      if (isEnd && (this.#isTouched || token.startsWith("# ERROR"))) writers.push(process ?? "unknown");
      this.#isTouched = !isEnd;
    }
    return writers;
  }
}
