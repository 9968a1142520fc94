import { assertEquals, assertThrows } from "@std/assert";
import { parse as parseYaml } from "@std/yaml/parse";
import fc from "fast-check";
import { DocumentError, parseDocument } from "../../lib/config/document.ts";
import { markScalars, type Position, unmark } from "../../lib/config/marked_text.ts";

Deno.test("parseDocument() gives what the parser gives, and each thing's place, in every style", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9./'"-]{0,8}$/).filter((it) =>
    !/^(?:true|false|null)$/.test(it)
  );
  const quoted = fc.string({ maxLength: 8 }).map((it) => JSON.stringify(it));
  const item = fc.oneof(
    fc.tuple(fc.stringMatching(/^[a-z][a-z #:,0-9./]{0,8}$/), fc.constantFrom('"', "'")).map((
      [text, quote],
    ) => quote + text + quote),
    quoted,
    word,
    fc.integer().map(String),
    fc.constantFrom("null", "~", "true", "10.0.0.0/8", "fd00::/8", "''", "'it''s'"),
  );
  const comment = fc.constantFrom("", " # x", " # don't \"", "\t#");
  const block = (items: readonly string[], indent: string, end: string) =>
    `\n${items.map((it) => `${indent}-  ${it}${end}\n`).join("")}`;
  const flow = (items: readonly string[], gap: string) => ` [${items.join(`,${gap}`)}]\n`;
  const value = fc.oneof(
    fc.tuple(fc.array(item, { minLength: 1 }), fc.constantFrom("", " ", "    "), comment)
      .map(([all, indent, end]) => block(all, indent, end)),
    fc.tuple(fc.array(item), fc.constantFrom("", " ", "\n   ", " # ]\n ")).map(([all, gap]) =>
      flow(all, gap)
    ),
    fc.tuple(item, comment).map(([it, end]) => ` ${it}${end}\n`),
  );
  const mapping = fc.uniqueArray(fc.tuple(word, value), { selector: ([key]) => key, minLength: 1 });
  fc.assert(fc.property(mapping, (entries) => {
    const text = entries.map(([key, it]) => `${key}:${it}`).join("");
    let wanted: Record<string, unknown>;
    try {
      wanted = parseYaml(text, { schema: "core" }) as Record<string, unknown>;
    } catch {
      assertThrows(() => parseDocument(text), DocumentError);
      return;
    }
    const document = parseDocument(text);
    assertEquals(document.value, wanted);
    const lines = text.split("\n");
    const at = ({ line, column }: Position) => lines[line - 1]!.slice(column - 1);
    for (const [key, { position, value }] of document.fields(document.value as object)) {
      assertEquals(at(position!).startsWith(key), true);
      if (!Array.isArray(value)) continue;
      const places = document.itemPlaces(value);
      assertEquals(places.length, value.length);
      for (const [index, place] of places.entries()) {
        const there = at(place!);
        const read = parseYaml(`[${/^(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^ \t,\]]*)/.exec(there)![0]}]`, {
          schema: "core",
        });
        assertEquals(read, [value[index]]);
      }
    }
  }));
});

Deno.test("parseDocument() merges as the upstream agent does: what is merged takes the place of what stands before", () => {
  const { value, oddities, isMerged } = parseDocument(
    "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {x: 5, <<: [*a, *b], y: 6}\n",
  );
  assertEquals((value as Record<string, unknown>)["c"], { x: 1, z: 4, y: 6 });
  assertEquals(oddities.map(({ key, position }) => [key, position]), [["x", { line: 3, column: 11 }]]);
  assertEquals(typeof isMerged, "function");
});

Deno.test("parseDocument() counts values, those of aliases too", () => {
  assertEquals(parseDocument("a: &a [1, 2]\nb: *a\n").size, 7);
  assertEquals(parseDocument('{"a": [1, {"b": 2}]}').size, 5);
});

Deno.test("parseDocument() reads texts whose marks would be mistaken", () => {
  const latin1 = Array.from({ length: 95 }, (_, index) => String.fromCharCode(0xa1 + index)).join("");
  assertEquals(parseDocument(`a: "${latin1}"\nb: 1`).value, { a: latin1, b: 1 });
  assertEquals(parseDocument('a: "10.0.0.0/8\\xa1\\u00A2\\U000000a3"').value, { a: "10.0.0.0/8¡¢£" });
});

Deno.test("unmark() takes out what stands inside of a scalar, and gives back what was taken for a tag", () => {
  const { text, mark } = markScalars("x, !y z", 9)!;
  assertEquals(text.includes("!"), true);
  assertEquals(unmark(text, mark).text, "x, !y z");
  assertEquals(unmark("plain", undefined), { text: "plain", isPlain: false, tag: "", isFlowColon: false });
  assertEquals(markScalars("a b", 0), undefined);
});
