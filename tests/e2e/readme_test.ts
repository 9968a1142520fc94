/** The examples of README.md print what it says. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import insideVpc from "../../deploy/config/cce-inside-vpc.yaml" with { type: "text" };
import readme from "../../README.md" with { type: "text" };
import { COMMANDS } from "../../lib/cli/command_definitions.ts";
import { EXECUTABLE, Sandbox } from "../sandbox/sandbox.ts";

/** The command lines of a section's console blocks, each with what it prints. */
function examplesOf(heading: string): { line: string; output: string }[] {
  const section = readme.split(/^## /m).find((it) => it.startsWith(`${heading}\n`)) ?? "";
  const blocks = [...section.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block!);
  return blocks.flatMap((block) => block.split(/^\$ /m).slice(1)).map((example) => {
    const end = example.indexOf("\n");
    return { line: example.slice(0, end), output: example.slice(end + 1) };
  });
}

/** Puts what README.md shows in place of the comments of rules. */
function shorten(output: string): string {
  return output.replaceAll(/-m comment --comment "[^"]*"/g, "…").replace(/written .* ago/, "written … ago");
}

Deno.test("README.md's section about the commands prints what the program prints", async (t) => {
  await using sandbox = await Sandbox.create("nft");
  await sandbox.writeConfig(insideVpc);
  const examples = examplesOf("Look before you leap");
  assert(examples.length > 5);
  for (const { line, output } of examples) {
    await t.step(line, async () => {
      const script = `ip-masq-agent() { ${EXECUTABLE} "$@"; }; { ${line}; } 2>&1`;
      const { stdout } = await sandbox.run("bash", ["-c", script]);
      assertEquals(shorten(stdout), output);
    });
  }
});

Deno.test("README.md shows every command", () => {
  const shown = examplesOf("Look before you leap").map(({ line }) => line).join("\n");
  for (const { name } of COMMANDS) {
    assert(readme.includes(`| \`${name}\` `), `no row for ${name}`);
    assert(shown.includes(`ip-masq-agent ${name}`), `no example of ${name}`);
  }
});

Deno.test("README.md shows what make run prints", async () => {
  const shown = /^\$ make run\n(.*?)^```$/ms.exec(readme)![1]!;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "demo"],
    cwd: fromFileUrl(new URL("../..", import.meta.url)),
  }).output();
  assertEquals(shorten(new TextDecoder().decode(stdout)), shown);
});
