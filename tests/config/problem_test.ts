import { assertEquals } from "@std/assert";
import { describe, printable } from "../../lib/config/printable.ts";
import {
  ConfigError,
  type ConfigProblem,
  formatOrigin,
  formatProblem,
  ProblemList,
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
  assertEquals(printable("x".repeat(81)), `${"x".repeat(80)}…`);
});

Deno.test("describe() quotes texts only", () => {
  const values = ["a", 1, null, true, [], {}];
  assertEquals(values.map(describe), ['"a"', "1", "null", "true", "a list", "a mapping"]);
});
