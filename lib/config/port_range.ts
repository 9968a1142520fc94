/** Source ports for masqueraded traffic, as `--to-ports` gives them. */

declare const parsed: unique symbol;

/** Ports from `first` to `last`, both included. Only {@linkcode parsePortRanges} makes one. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly [parsed]: true;
}

/**
 * Parses `A-B[,C-D…]`: ports 1 to 65535, A at most B, no port in two ranges. An empty text is no range.
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
  const match = /^([0-9]{1,9})-([0-9]{1,9})$/.exec(text);
  if (match === null) {
    const single = /^[0-9]{1,5}$/.test(text) ? `: did you mean "${text}-${text}"?` : ' such as "1024-29999"';
    throw new SyntaxError(`"${text}" is not a port range${single}`);
  }
  const [first, last] = [Number(match[1]), Number(match[2])];
  if (first < 1 || last > 65535) throw new RangeError(`"${text}" is not within the ports 1 to 65535`);
  if (first > last) throw new RangeError(`"${text}" is empty: did you mean "${last}-${first}"?`);
  return { first, last } as PortRange;
}

/** Number of ports in a range. */
export function portRangeSize({ first, last }: PortRange): number {
  return last - first + 1;
}

/** Writes a range as iptables prints it: `A-B`. */
export function formatPortRange({ first, last }: PortRange): string {
  return `${first}-${last}`;
}

/** Writes ranges as {@linkcode parsePortRanges} reads them. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(formatPortRange).join(",");
}
