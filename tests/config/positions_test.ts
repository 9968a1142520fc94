import { assertEquals } from "@std/assert";
import { parse as parseYaml } from "@std/yaml/parse";
import fc from "fast-check";
import { findPositions } from "../../lib/config/positions.ts";

/** Keys with their places, and the places of their items. */
function placesOf(text: string): [string, string, ...string[]][] {
  const { keys, at } = findPositions(text);
  const place = (offset: number) => `${at(offset).line}:${at(offset).column}`;
  return keys.map(({ key, offset, items }) => [key, place(offset), ...items.map(place)]);
}

Deno.test("findPositions() finds keys and list items", async (t) => {
  const cases: Record<string, [text: string, ...places: [string, string, ...string[]][]]> = {
    "nothing": [""],
    "only comments": ["# a: 1\n"],
    "scalars": ["a: 1\nb : 2\n", ["a", "1:1"], ["b", "2:1"]],
    "an indented mapping": ["  a: 1\n  b: 2\n", ["a", "1:3"], ["b", "2:3"]],
    "quoted keys": [`"a: b": 1\n'it''s': 2\n`, ["a: b", "1:1"], ["it's", "2:1"]],
    "nested keys are not keys": ["a:\n  b: 1\n  c:\n    - d\n", ["a", "1:1", "4:7"]],
    "repeated keys": ["a: 1\na: 2\n", ["a", "1:1"], ["a", "2:1"]],
    "a colon in a value": ["a: b:c\n", ["a", "1:1"]],
    "an item with a mapping": ["a:\n- b: 1\n  c: 2\n- d\n", ["a", "1:1", "2:3", "4:3"]],
    "brackets in quotes": [`a: ["]", '#', x] # [y]\n`, ["a", "1:1", "1:5", "1:10", "1:15"]],
    "nested brackets": ["a: [[1, 2], {b: [3]}, 4]", ["a", "1:1", "1:5", "1:13", "1:23"]],
    "JSON": [`{"a":[1,\n 2], "b":{"c":[3]}, "a\\u0062": 4}`, ["a", "1:2", "1:7", "2:2"], ["b", "2:6"], [
      "ab",
      "2:21",
    ]],
    "a trailing comma": ["{a: [1, 2,], b: 3,}", ["a", "1:2", "1:6", "1:9"], ["b", "1:14"]],
    "JSON that never ends": [`{"a": ["b`, ["a", "1:2", "1:8"]],
  };
  for (const [name, [text, ...places]] of Object.entries(cases)) {
    await t.step(name, () => assertEquals(placesOf(text), places));
  }
});

Deno.test("findPositions() agrees with the parser about the lists of a config, in every style", () => {
  const word = fc.stringMatching(/^[a-z][a-z0-9./]{0,8}$/).filter((it) =>
    !["true", "false", "null"].includes(it)
  );
  const item = fc.tuple(word, fc.constantFrom('"', "'", "")).map(([text, quote]) => quote + text + quote);
  const block = (items: string[], indent: string) =>
    "\n" + items.map((it) => `${indent}-  ${it} # x\n`).join("");
  const flow = (items: string[], gap: string) => ` [${items.join("," + gap)}]\n`;
  const value = fc.oneof(
    fc.tuple(fc.array(item, { minLength: 1 }), fc.constantFrom("", " ", "    ")).map(([all, indent]) =>
      block(all, indent)
    ),
    fc.tuple(fc.array(item), fc.constantFrom("", " ", "\n   ")).map(([all, gap]) => flow(all, gap)),
    word.map((it) => ` ${it}\n`),
  );
  const mapping = fc.uniqueArray(fc.tuple(word, value), { selector: ([key]) => key, minLength: 1 });
  fc.assert(fc.property(mapping, (entries) => {
    const text = entries.map(([key, it]) => `${key}:${it}`).join("");
    const parsed = parseYaml(text, { schema: "core" }) as Record<string, unknown>;
    const { keys } = findPositions(text);
    assertEquals(keys.map(({ key }) => key), entries.map(([key]) => key));
    for (const { key, offset, items } of keys) {
      assertEquals(text.startsWith(key, offset), true);
      const wanted = parsed[key];
      assertEquals(items.length, Array.isArray(wanted) ? wanted.length : 0);
      for (const [index, start] of items.entries()) {
        assertEquals(
          text.slice(start).replace(/^["']/, "").startsWith(String((wanted as string[])[index])),
          true,
        );
      }
    }
  }));
});
