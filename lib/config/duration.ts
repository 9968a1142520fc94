/** Go's duration strings, which `resyncInterval` is written in. */

const NANOSECONDS: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n],
  ["μs", 1_000n],
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n],
]);

const LARGEST = 2n ** 63n - 1n;

/** A text that is longer takes long to read, and nobody writes it. */
const LONGEST_TEXT = 1_000;

/**
 * Parses a duration as Go's `time.ParseDuration` does (`60s`, `1m30s`, `1.5h`, `-500ms`, `0`) and returns
 * milliseconds, exact to the nanosecond up to 26 days and to the millisecond beyond.
 *
 * @throws {SyntaxError} The text is not of that syntax; the message quotes it.
 * @throws {RangeError} It is beyond Go's range of about 292 years, or over 1,000 characters long.
 */
export function parseDuration(text: string): number {
  const negative = text.startsWith("-");
  const unsigned = negative || text.startsWith("+") ? text.slice(1) : text;
  if (unsigned === "0") return 0;
  if (unsigned === "") {
    throw new SyntaxError(`"${text}" is not a duration: write one such as "60s" or "1m30s"`);
  }

  if (text.length > LONGEST_TEXT) {
    throw new RangeError(`"${text}" has over ${LONGEST_TEXT} characters: write one such as "60s"`);
  }
  let total = 0n;
  let rest = unsigned;
  while (rest !== "") {
    const part = /^([0-9]*)(?:(\.)([0-9]*))?/.exec(rest);
    const [number = "", whole = "", , fraction = ""] = part ?? [];
    if (whole === "" && fraction === "") {
      throw new SyntaxError(`"${text}" is not a duration: write one such as "60s" or "1m30s"`);
    }
    rest = rest.slice(number.length);
    const unit = /^[^0-9.]*/.exec(rest)?.[0] ?? "";
    const scale = NANOSECONDS.get(unit);
    if (unit === "") throw new SyntaxError(`"${text}" has no unit: did you mean "${text}s"?`);
    if (scale === undefined) {
      throw new SyntaxError(`"${text}" has an unknown unit "${unit}": use ns, us, ms, s, m or h`);
    }
    rest = rest.slice(unit.length);
    total += BigInt(whole || 0) * scale + BigInt(fraction || 0) * scale / 10n ** BigInt(fraction.length);
    if (total > LARGEST + (negative ? 1n : 0n)) {
      throw new RangeError(`"${text}" is too long a duration: the limit is about 292 years`);
    }
  }
  // Whole milliseconds stay whole where a number can't hold all nanoseconds.
  const milliseconds = total > Number.MAX_SAFE_INTEGER
    ? Number(total / 1_000_000n) + Number(total % 1_000_000n) / 1e6
    : Number(total) / 1e6;
  return negative ? -milliseconds : milliseconds;
}

/** Writes a duration of `milliseconds` as Go's `Duration.String` does: `1m30s`, `1.5s`, `500ms`, `2µs`, `0s`. */
export function formatDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? "-" : "";
  // Whole milliseconds apart, since a product of all would be inexact for a long duration.
  const [whole, rest] = [Math.trunc(Math.abs(milliseconds)), Math.abs(milliseconds) % 1];
  const nanoseconds = BigInt(whole) * 1_000_000n + BigInt(Math.round(rest * 1e6));
  if (nanoseconds === 0n) return "0s";
  if (nanoseconds < 1_000n) return `${sign}${nanoseconds}ns`;
  if (nanoseconds < 1_000_000n) return `${sign}${decimal(nanoseconds, 3)}µs`;
  if (nanoseconds < 1_000_000_000n) return `${sign}${decimal(nanoseconds, 6)}ms`;
  const minute = 60_000_000_000n;
  const minutes = nanoseconds / minute;
  const seconds = `${decimal(nanoseconds % minute, 9)}s`;
  if (minutes === 0n) return sign + seconds;
  if (minutes < 60n) return `${sign}${minutes}m${seconds}`;
  return `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** `value` divided by ten to the power of `digits`, without trailing zeros. */
function decimal(value: bigint, digits: number): string {
  const padded = value.toString().padStart(digits + 1, "0");
  const fraction = padded.slice(-digits).replace(/0+$/, "");
  return padded.slice(0, -digits) + (fraction && `.${fraction}`);
}
