/** The unified format of diff(1). */

/** Two texts to compare, by lines. */
export interface DiffInput {
  readonly oldName: string;
  readonly newName: string;
  readonly oldLines: readonly string[];
  readonly newLines: readonly string[];
  /** Whether two lines that are spelled differently say the same. */
  readonly isSame?: (oldLine: string, newLine: string) => boolean;
}

/** One line of a comparison. */
interface DiffLine {
  readonly mark: " " | "-" | "+";
  readonly text: string;
}

/** Unchanged lines shown around a change. */
const CONTEXT = 3;

/** Changes beyond which the shortest comparison is not looked for: it takes memory by their square. */
const MOST_CHANGES = 500;

/** Lines of the unified format, without line ends; none where nothing differs. */
export function unifiedDiff({ oldName, newName, oldLines, newLines, isSame }: DiffInput): string[] {
  const lines = compareLines(oldLines, newLines, isSame ?? ((a, b) => a === b));
  const output: string[] = [];
  let [oldLine, newLine] = [1, 1];
  let at = 0;
  for (let found = hunkEnd(lines, at); found !== undefined; found = hunkEnd(lines, at)) {
    const first = Math.max(at, found.firstChange - CONTEXT);
    oldLine += first - at;
    newLine += first - at;
    const hunk = lines.slice(first, found.end);
    const oldCount = hunk.filter(({ mark }) => mark !== "+").length;
    const newCount = hunk.filter(({ mark }) => mark !== "-").length;
    output.push(`@@ -${range(oldLine, oldCount)} +${range(newLine, newCount)} @@`);
    for (const { mark, text } of hunk) output.push(mark + text);
    oldLine += oldCount;
    newLine += newCount;
    at = found.end;
  }
  return output.length === 0 ? [] : [`--- ${oldName}`, `+++ ${newName}`, ...output];
}

/** Colours the lines of a unified diff as git does. */
export function colourDiff(lines: readonly string[]): string[] {
  return lines.map((line) => {
    const code = /^(?:---|\+\+\+) /.test(line) ? 1 : { "-": 31, "+": 32, "@": 36 }[line[0] ?? ""];
    return code === undefined ? line : `\x1b[${code}m${line}\x1b[0m`;
  });
}

/** A range with no line in it names the line before. */
function range(first: number, count: number): string {
  return count === 1 ? `${first}` : `${count === 0 ? first - 1 : first},${count}`;
}

/** The first change from `at` on, and the end of the hunk that it begins: changes nearer than twice the context join. */
function hunkEnd(lines: readonly DiffLine[], at: number): { firstChange: number; end: number } | undefined {
  const firstChange = lines.findIndex(({ mark }, index) => index >= at && mark !== " ");
  if (firstChange === -1) return undefined;
  let lastChange = firstChange;
  for (let index = firstChange; index < lines.length && index - lastChange <= 2 * CONTEXT + 1; index++) {
    if (lines[index]!.mark !== " ") lastChange = index;
  }
  return { firstChange, end: Math.min(lines.length, lastChange + 1 + CONTEXT) };
}

/** The shortest list of changes, after E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986). */
function compareLines(
  a: readonly string[],
  b: readonly string[],
  isSame: (oldLine: string, newLine: string) => boolean,
): DiffLine[] {
  let start = 0;
  while (start < a.length && start < b.length && isSame(a[start]!, b[start]!)) start++;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && isSame(a[endA - 1]!, b[endB - 1]!)) {
    [endA, endB] = [endA - 1, endB - 1];
  }
  const same = (lines: readonly string[]): DiffLine[] => lines.map((text) => ({ mark: " ", text }));
  return [
    ...same(a.slice(0, start)),
    ...compareMiddle(a.slice(start, endA), b.slice(start, endB), isSame),
    ...same(a.slice(endA)),
  ];
}

/** Compares what is left without the same lines at both ends. */
function compareMiddle(
  a: readonly string[],
  b: readonly string[],
  isSame: (oldLine: string, newLine: string) => boolean,
): DiffLine[] {
  /** How far each diagonal got, before each number of changes. */
  const history: Map<number, number>[] = [];
  const reach = new Map<number, number>();
  const most = Math.min(a.length + b.length, MOST_CHANGES);
  for (let changes = 0; changes <= most; changes++) {
    history.push(new Map(reach));
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      const [left, above] = neighbours(reach, diagonal);
      let x = left < above ? above : left + 1;
      while (x < a.length && x - diagonal < b.length && isSame(a[x]!, b[x - diagonal]!)) x++;
      reach.set(diagonal, x);
      if (x >= a.length && x - diagonal >= b.length) return walkBack(a, b, history);
    }
  }
  return [
    ...a.map((text): DiffLine => ({ mark: "-", text })),
    ...b.map((text): DiffLine => ({ mark: "+", text })),
  ];
}

/** How far the diagonals on both sides got; less than nothing where one was not reached yet. */
function neighbours(reach: ReadonlyMap<number, number>, diagonal: number): [left: number, above: number] {
  return [reach.get(diagonal - 1) ?? -1, reach.get(diagonal + 1) ?? -1];
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  history: readonly Map<number, number>[],
): DiffLine[] {
  const lines: DiffLine[] = [];
  let [x, y] = [a.length, b.length];
  // Before the first change there is nothing: both begin with it.
  for (const reach of history.slice(1).reverse()) {
    const diagonal = x - y;
    const [left, above] = neighbours(reach, diagonal);
    const isAddition = left < above;
    const beforeX = isAddition ? above : left;
    const beforeY = beforeX - (isAddition ? diagonal + 1 : diagonal - 1);
    const stopX = isAddition ? beforeX : beforeX + 1;
    while (x > stopX) lines.push({ mark: " ", text: a[--x]! });
    lines.push(isAddition ? { mark: "+", text: b[beforeY]! } : { mark: "-", text: a[beforeX]! });
    [x, y] = [beforeX, beforeY];
  }
  return lines.reverse();
}
