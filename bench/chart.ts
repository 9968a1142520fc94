/** A bar chart as SVG text, readable on light and dark pages. */

/** One group of bars, such as one number of CIDRs. */
export interface Group {
  readonly label: string;
  /** One value for each series. */
  readonly values: readonly number[];
}

/** What to draw. */
export interface Chart {
  readonly title: string;
  readonly series: readonly string[];
  readonly groups: readonly Group[];
  /** How a value is written above its bar. */
  readonly formatValue: (value: number) => string;
}

const COLOURS = ["#d95f02", "#7570b3", "#1b9e77"];
const SIZE = { width: 760, height: 380, left: 20, top: 90, bottom: 40 } as const;

/** Draws vertical bars with their values above them. */
export function formatChart({ title, series, groups, formatValue }: Chart): string {
  const highest = Math.max(...groups.flatMap(({ values }) => values));
  const plotHeight = SIZE.height - SIZE.top - SIZE.bottom;
  const groupWidth = (SIZE.width - 2 * SIZE.left) / groups.length;
  const barWidth = groupWidth * 0.8 / series.length;
  const base = SIZE.height - SIZE.bottom;
  const parts = groups.flatMap(({ label, values }, group) => {
    const left = SIZE.left + group * groupWidth + groupWidth * 0.1;
    const bars = values.map((value, index) => {
      const height = plotHeight * value / highest;
      const x = left + index * barWidth;
      const middle = x + barWidth / 2;
      return `<rect x="${x.toFixed(1)}" y="${(base - height).toFixed(1)}" width="${
        (barWidth - 4).toFixed(1)
      }" ` +
        `height="${height.toFixed(1)}" fill="${COLOURS[index]}"/>` +
        text(middle - 2, base - height - 5, formatValue(value), 12);
    });
    return [...bars, text(left + groupWidth * 0.4, base + 22, label, 14)];
  });
  const legend = series.map((name, index) => {
    const x = SIZE.left + 20 + index * 170;
    return `<rect x="${x}" y="40" width="12" height="12" fill="${COLOURS[index]}"/>` +
      text(x + 18, 51, name, 13, "start");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" font-family="sans-serif">`,
    `<rect width="${SIZE.width}" height="${SIZE.height}" fill="#ffffff"/>`,
    text(SIZE.width / 2, 24, title, 16),
    ...legend,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function text(x: number, y: number, content: string, size: number, anchor = "middle"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}" ` +
    `fill="#222222">${content}</text>`;
}
