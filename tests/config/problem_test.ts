import { assertEquals } from "@std/assert";
import {
  describe,
  hasControlCharacters,
  plural,
  printable,
  printableMessage,
} from "../../lib/config/printable.ts";
import {
  ConfigError,
  type ConfigProblem,
  formatOrigin,
  formatProblem,
  ProblemList,
  sortProblems,
} from "../../lib/config/problem.ts";

Deno.test("formatProblem() shows as much of the place as is known", () => {
  const problem = (origin: ConfigProblem["origin"], severity: ConfigProblem["severity"] = "error") =>
    formatProblem({ severity, origin, message: "is wrong" });
  assertEquals(problem({ file: "f", line: 3, column: 5, key: "a[1]" }), "f:3:5: a[1]: is wrong");
  assertEquals(problem({ file: "f", key: "" }), "f: is wrong");
  assertEquals(problem({ key: "a" }, "warning"), "warning: a: is wrong");
  assertEquals(formatOrigin({ file: "f", line: 3, column: 5, key: "a" }), "f:3:5 a");
  assertEquals(formatOrigin({ key: "a" }), "a");
});

Deno.test("ConfigError has a line for each problem", () => {
  const problems: ConfigProblem[] = [
    { severity: "error", origin: { key: "a" }, message: "x" },
    { severity: "warning", origin: { key: "b" }, message: "y" },
  ];
  assertEquals(new ConfigError(problems).message, "a: x\nwarning: b: y");
});

Deno.test("ProblemList sorts by line, keeps a hundred and makes no message for the others", () => {
  const list = new ProblemList("f");
  let made = 0;
  for (let line = 150; line > 0; line--) {
    list.add({ line, column: 1, key: "" }, () => `${++made}`, line % 2 === 0 ? "warning" : "error");
  }
  const problems = list.list();
  assertEquals(made, 100);
  assertEquals(problems[0]?.origin.line, 51);
  assertEquals(problems.slice(-2).map(formatProblem), [
    "f: and 25 more errors",
    "f: warning: and 25 more warnings",
  ]);
});

Deno.test("printable() escapes what would break or disguise a line, and cuts", () => {
  assertEquals(printable("a\n\x1b\u202e\ud800b"), "a\\u000a\\u001b\\u202e\\ud800b");
  assertEquals(printable("äß😀"), "äß😀");
  assertEquals(printable("x".repeat(80)), "x".repeat(80));
  assertEquals(printable("x".repeat(81)), `${"x".repeat(80)}…`);
});

Deno.test("describe() quotes texts only", () => {
  const values = ["a", 1, null, true, [], {}];
  assertEquals(values.map(describe), ['"a"', "1", "null", "true", "a list", "a mapping"]);
});

Deno.test("hasControlCharacters() finds what is in Unicode's category Cc, wherever it stands", () => {
  for (let code = 0; code <= 0x200; code++) {
    const character = String.fromCharCode(code);
    for (const text of [character, `a${character}`, `${character}a`]) {
      assertEquals(hasControlCharacters(text), /\p{Cc}/u.test(character), `U+${code.toString(16)}`);
    }
  }
  assertEquals(hasControlCharacters(""), false);
});

Deno.test("sortProblems() sorts by line, then by column; what has none comes last, in the order that it came", () => {
  const places: [line: number | undefined, column: number | undefined, key: string][] = [
    [undefined, undefined, "y"],
    [10, 1, "e"],
    [2, 5, "c"],
    [undefined, undefined, "z"],
    [2, undefined, "d"],
    [1, 9, "a"],
    [2, 5, "c2"],
    [2, 1, "b"],
  ];
  const problems = places.map(([line, column, key]): ConfigProblem => ({
    severity: "error",
    origin: { ...(line !== undefined && { line }), ...(column !== undefined && { column }), key },
    message: "",
  }));
  const expected = ["a", "b", "c", "c2", "d", "e", "y", "z"];
  assertEquals(sortProblems(problems).map(({ origin }) => origin.key), expected);
  assertEquals(problems[0]?.origin.key, "y", "the list that was given stays as it was");
});

Deno.test("plural() writes one rule, and none or two rules", () => {
  assertEquals([0, 1, 2].map((number) => plural(number, "rule")), ["0 rules", "1 rule", "2 rules"]);
});

Deno.test("printableMessage() makes the value that it quotes printable, and cuts both", () => {
  assertEquals(printableMessage("a\nb", 'No "a\nb" here'), 'No "a\\u000ab" here');
  const long = "x".repeat(100);
  assertEquals(printableMessage(long, `No "${long}" here`), `No "${"x".repeat(80)}…" here`);
  assertEquals(printableMessage("$&", 'No "$&" here'), 'No "$&" here');
  assertEquals(printableMessage("a", "y".repeat(321)), `${"y".repeat(320)}…`);
});
