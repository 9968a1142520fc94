import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { colourDiff, unifiedDiff } from "../../lib/cli/unified_diff.ts";

function diff(oldText: string, newText: string): string[] {
  const lines = (text: string) => text === "" ? [] : text.split(" ");
  return unifiedDiff({ oldName: "old", newName: "new", oldLines: lines(oldText), newLines: lines(newText) });
}

Deno.test("unifiedDiff() prints what diff -u prints", async (t) => {
  const header = ["--- old", "+++ new"];
  const cases: [oldText: string, newText: string, ...lines: string[]][] = [
    ["", ""],
    ["a b c", "a b c"],
    ["", "a b", ...header, "@@ -0,0 +1,2 @@", "+a", "+b"],
    ["a", "", ...header, "@@ -1 +0,0 @@", "-a"],
    ["a b c", "a x c", ...header, "@@ -1,3 +1,3 @@", " a", "-b", "+x", " c"],
    [
      "a b c d e f g h",
      "a b c d e X f g h",
      ...header,
      "@@ -3,6 +3,7 @@",
      " c",
      " d",
      " e",
      "+X",
      " f",
      " g",
      " h",
    ],
    [
      "1 a b c d e f g 2",
      "x a b c d e f g y",
      ...header,
      "@@ -1,4 +1,4 @@",
      "-1",
      "+x",
      " a",
      " b",
      " c",
      "@@ -6,4 +6,4 @@",
      " e",
      " f",
      " g",
      "-2",
      "+y",
    ],
    [
      "1 a b c d e f 2",
      "a b c d e f",
      ...header,
      "@@ -1,8 +1,6 @@",
      "-1",
      " a",
      " b",
      " c",
      " d",
      " e",
      " f",
      "-2",
    ],
  ];
  for (const [oldText, newText, ...lines] of cases) {
    await t.step(`${oldText} -> ${newText}`, () => assertEquals(diff(oldText, newText), lines));
  }
});

/** Applies a unified diff, as patch(1) does; throws where a line is not as it says. */
function patch(oldLines: readonly string[], lines: readonly string[]): string[] {
  const result: string[] = [];
  let at = 0;
  for (const line of lines.slice(2)) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@$/.exec(line);
    if (hunk !== null) {
      const start = Number(hunk[1]) - (hunk[2] === "0" ? 0 : 1);
      while (at < start) result.push(oldLines[at++]!);
      assertEquals(result.length, Number(hunk[3]) - (hunk[4] === "0" ? 0 : 1));
      continue;
    }
    if (line[0] !== "+") assertEquals(oldLines[at++], line.slice(1));
    if (line[0] !== "-") result.push(line.slice(1));
  }
  return [...result, ...oldLines.slice(at)];
}

Deno.test("unifiedDiff() turns the old lines into the new ones, with as few changes as there can be", () => {
  const lines = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 24 });
  fc.assert(fc.property(lines, lines, (oldLines, newLines) => {
    const output = unifiedDiff({ oldName: "old", newName: "new", oldLines, newLines });
    assertEquals(output.length === 0 ? [...oldLines] : patch(oldLines, output), newLines);
    const changes = output.slice(2).filter((line) => /^[+-]/.test(line)).length;
    assertEquals(changes, oldLines.length + newLines.length - 2 * longestCommon(oldLines, newLines));
  }));
});

/** The length of the longest common subsequence, by the book. */
function longestCommon(a: readonly string[], b: readonly string[]): number {
  let last = new Array<number>(b.length + 1).fill(0);
  for (const left of a) {
    const row = [0];
    for (const [index, right] of b.entries()) {
      row.push(left === right ? last[index]! + 1 : Math.max(last[index + 1]!, row[index]!));
    }
    last = row;
  }
  return last.at(-1)!;
}

Deno.test("unifiedDiff() of long and quite different texts is quick, and right", () => {
  const oldLines = Array.from({ length: 20_000 }, (_, index) => `old ${index}`);
  const newLines = Array.from(
    { length: 20_000 },
    (_, index) => index % 100 === 0 ? `old ${index}` : `new ${index}`,
  );
  const start = performance.now();
  assertEquals(patch(oldLines, unifiedDiff({ oldName: "o", newName: "n", oldLines, newLines })), newLines);
  assertEquals(performance.now() - start < 5_000, true);
});

Deno.test("unifiedDiff() shows what is the same at both ends as such, however much differs between", () => {
  const [head, tail] = ["head", "tail"].map((name) =>
    Array.from({ length: 1_000 }, (_, index) => `${name} ${index}`)
  );
  const middle = (name: string) => Array.from({ length: 300 }, (_, index) => `${name} ${index}`);
  const oldLines = [...head!, ...middle("old"), ...tail!];
  const newLines = [...head!, ...middle("new"), ...tail!];
  const output = unifiedDiff({ oldName: "old", newName: "new", oldLines, newLines });
  assertEquals(patch(oldLines, output), newLines);
  assertEquals(output[2], "@@ -998,306 +998,306 @@");
  assertEquals(output.length, 3 + 3 + 300 + 300 + 3);
});

Deno.test("unifiedDiff() takes lines for the same that say the same, and shows the old one", () => {
  const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const names = { oldName: "old", newName: "new", isSame };
  assertEquals(unifiedDiff({ ...names, oldLines: ["A", "b"], newLines: ["a", "B"] }), []);
  assertEquals(
    unifiedDiff({ ...names, oldLines: ["A", "b", "C", "d"], newLines: ["a", "x", "c", "D"] }).slice(3),
    [
      " A",
      "-b",
      "+x",
      " C",
      " d",
    ],
  );
});

Deno.test("unifiedDiff() compares lines with lines only, whichever text is the longer one", () => {
  const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const texts = [[], ["a"], ["a", "B"], ["a", "b", "c"], ["x", "B", "c"], ["c"]];
  for (const oldLines of texts) {
    for (const newLines of texts) {
      const output = unifiedDiff({ oldName: "old", newName: "new", oldLines, newLines, isSame });
      const applied = output.length === 0 ? oldLines : patch(oldLines, output);
      assertEquals(applied.join().toLowerCase(), newLines.join().toLowerCase());
    }
  }
});

Deno.test("colourDiff() colours changes, hunks and names, as git does", () => {
  assertEquals(colourDiff(["--- a", "+++ b", "@@ -1 +1 @@", "-x", "+y", " z"]), [
    "\x1b[1m--- a\x1b[0m",
    "\x1b[1m+++ b\x1b[0m",
    "\x1b[36m@@ -1 +1 @@\x1b[0m",
    "\x1b[31m-x\x1b[0m",
    "\x1b[32m+y\x1b[0m",
    " z",
  ]);
});
