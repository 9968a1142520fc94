/** Source ports for masqueraded traffic, as `--to-ports` gives them. */

declare const parsed: unique symbol;

/** Ports from `first` to `last`, both included. Only {@linkcode parsePortRanges} makes one. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly [parsed]: true;
}

/**
 * Parses `A-B`, single ports, or several of both with commas: ports 1 to 65535, A at most B, no port in two ranges.
 * An empty text is no range.
 *
 * @throws {SyntaxError} The text is not of that form.
 * @throws {RangeError} A port is out of range, a range is empty, or two ranges overlap.
 */
export function parsePortRanges(text: string): readonly PortRange[] {
  if (text === "") return [];
  const ranges = text.split(",").map(parsePortRange);
  for (const [index, range] of ranges.entries()) {
    const other = ranges.slice(0, index).find((it) => it.first <= range.last && range.first <= it.last);
    if (other !== undefined) {
      throw new RangeError(`"${formatPortRange(other)}" and "${formatPortRange(range)}" overlap`);
    }
  }
  return ranges;
}

function parsePortRange(text: string): PortRange {
  const match = /^([0-9]{1,9})(?:-([0-9]{1,9}))?$/.exec(text);
  if (match === null) {
    throw new SyntaxError(
      `"${text}" is not a port or a range of ports: write one such as "40000" or "1024-29999"`,
    );
  }
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  if (first < 1 || last > 65535) throw new RangeError(`"${text}" is not within the ports 1 to 65535`);
  if (first > last) throw new RangeError(`"${text}" is empty: did you mean "${last}-${first}"?`);
  return { first, last } as PortRange;
}

/** Number of ports in a range. */
export function portRangeSize({ first, last }: PortRange): number {
  return last - first + 1;
}

/** Writes a range as iptables and nft print it: `A-B`, or only `A` where there is no other port. */
export function formatPortRange({ first, last }: PortRange): string {
  return first === last ? String(first) : `${first}-${last}`;
}

/** Writes ranges as {@linkcode parsePortRanges} reads them. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(formatPortRange).join(",");
}
