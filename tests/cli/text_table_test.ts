import { assertEquals } from "@std/assert";
import { formatTable } from "../../lib/cli/text_table.ts";

Deno.test("formatTable() makes columns as wide as their widest cell, and leaves no blanks at the end", () => {
  assertEquals(formatTable([]), []);
  assertEquals(formatTable([["a"]]), ["a"]);
  assertEquals(formatTable([["a", "bb", "c"], ["aaaa", "b", "ccc"], ["", "b"], ["aa", "", ""]]), [
    "a     bb  c",
    "aaaa  b   ccc",
    "      b",
    "aa",
  ]);
  assertEquals(formatTable([["a", "", "b"]]), ["a    b"]);
});
