/** What a person sees who presses Tab in a real bash. */
import { assertEquals } from "@std/assert";
import { Sandbox } from "../sandbox/sandbox.ts";
import { COMPLETED, typeInto } from "../sandbox/completion.ts";

Deno.test("bash completes commands, flags, values and files", async (t) => {
  await using sandbox = await Sandbox.create();
  const lines = await typeInto(sandbox, "bash", COMPLETED.map(([typed]) => typed));
  for (const [index, [typed, expected]] of COMPLETED.entries()) {
    await t.step(typed, () => assertEquals(lines[index], expected));
  }
});
