/** README.md promises what the code has. */
import { assert, assertEquals } from "@std/assert";
import readme from "../../README.md" with { type: "text" };
import { FLAGS } from "../../lib/cli/flag_definitions.ts";
import { CONFIG_KEYS } from "../../lib/config/config.ts";

/** The cells of a table row that starts with the given code. */
function row(code: string): string[] | undefined {
  const line = readme.split("\n").find((it) => it.startsWith(`| \`${code}\` `));
  return line?.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""));
}

Deno.test("README.md has every key with its default and description", () => {
  for (const { name, defaultValue, description } of CONFIG_KEYS) {
    const [, , preset, meaning] = row(name) ?? [];
    assertEquals([preset, meaning], [JSON.stringify(defaultValue), description], name);
  }
});

Deno.test("README.md has every flag with its default and help", () => {
  for (const { name, defaultValue, help } of FLAGS) {
    if (help === undefined) continue;
    assertEquals(row(`--${name}`)?.slice(1), [defaultValue, help], name);
  }
});

Deno.test("README.md names no flag that is not there", () => {
  const known = FLAGS.map(({ name }) => `--${name}`);
  const others = [...readme.matchAll(/^\| `(--[a-z0-9_-]+)`/gm)].map(([, flag]) => flag!);
  assert(others.length > 5);
  assertEquals(others.filter((flag) => !known.includes(flag)), []);
});
