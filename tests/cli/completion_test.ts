import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../lib/cli/command_definitions.ts";
import { SHELLS } from "../../lib/cli/completion.ts";
import { FLAGS } from "../../lib/cli/flag_definitions.ts";
import { runOn } from "../fakes/system.ts";

Deno.test("completion prints a script with every command and every flag that help shows", async (t) => {
  for (const shell of SHELLS) {
    await t.step(shell, async () => {
      const { code, out, error } = await runOn({}, "completion", shell);
      assertEquals([code, error], [0, ""]);
      const isTold = (name: string) => new RegExp(`(--|-l )${name}\\b`).test(out);
      for (const { name, help } of FLAGS) assertEquals(isTold(name), help !== undefined, name);
      for (const { name, flags } of COMMANDS) {
        assertStringIncludes(out, name);
        for (const flag of flags) assertEquals(flag.help === undefined || isTold(flag.name), true, flag.name);
      }
    });
  }
  const { out } = await runOn({}, "completion", "zsh");
  assertEquals(out.startsWith("#compdef ip-masq-agent\n"), true, "zsh looks at the first line");
});

Deno.test("completion refuses what is no shell, and says which there are", async () => {
  for (const args of [[], ["tcsh"], ["bash", "zsh"]]) {
    const { code, out, error } = await runOn({}, "completion", ...args);
    assertEquals([code, out], [2, ""]);
    assertStringIncludes(error, "write one of bash, zsh, fish");
  }
});

Deno.test("an apostrophe in a help text stays inside of fish's quotes", async () => {
  const { out } = await runOn({}, "completion", "fish");
  assertStringIncludes(out, "-d 'Tells whether this node\\'s rules");
  assert(!out.includes("\\\\'"), out);
});
