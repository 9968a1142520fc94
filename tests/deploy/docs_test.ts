/**
 * Every command of every page is run by some test, or it is said what it would need; and no page links to what is not
 * there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Which test runs a command: its page, its beginning, and the test's file, which names the page. */
const TESTED: readonly (readonly [page: RegExp, command: RegExp, test: string])[] = [
  [/./, /^kubectl /, "tests/deploy/kubectl_test.ts"],
  [/^README/, /^(?:make run$|ip-masq-agent |echo .* \| ip-masq-agent )/, "tests/e2e/readme_test.ts"],
  [/install/, /^(?:sha256sum|tar|systemctl|make install$)/, "tests/image/host_test.ts"],
  [/boot/, /^systemctl enable /, "tests/deploy/systemd_test.ts"],
  [/json/, /^echo .* \| ip-masq-agent validate -o json -$/, "tests/cli/json_test.ts"],
  [/migrate/, /^(?:ip-masq-agent |iptables )/, "tests/kernel/migrate_docs_test.ts"],
  [/questions/, /^ip-masq-agent --to-ports=/, "tests/cli/questions_test.ts"],
];

/** What no test can run here, and what it needs. */
const UNTESTED: readonly (readonly [command: RegExp, needs: string])[] = [
  [/^make (?:test|image)$/, "is what CI itself runs"],
  [/^buildah push /, "a registry"],
  [/^ctr /, "a node with containerd"],
  [/^apt-get install /, "a mirror of Debian: tests/image/host_test.ts installs the file by dpkg"],
];

interface Page {
  readonly name: string;
  readonly text: string;
}

const PAGES: readonly Page[] = ["", "docs/", "tools/closed_network/"].flatMap((folder) =>
  [...Deno.readDirSync(ROOT + folder)].filter(({ name }) => name.endsWith(".md"))
    .map(({ name }) => ({ name: folder + name, text: Deno.readTextFileSync(ROOT + folder + name) }))
);

/** The lines of a page's shell blocks, and those behind a prompt in its console blocks. */
function commandsOf({ text }: Page): string[] {
  return [...text.matchAll(/^ *```(sh|console)\n(.*?)^ *```$/gms)].flatMap(([, language, block]) => {
    const lines = block!.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    return language === "sh"
      ? lines
      : lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
  });
}

Deno.test("every command of every page is run by a test, or it is said why not", () => {
  const commands = PAGES.flatMap((page) => commandsOf(page).map((command) => ({ page: page.name, command })));
  assert(commands.length > 40, "The pages' commands are not found any more");
  for (const { page, command } of commands) {
    const where = TESTED.find(([pattern, start]) => pattern.test(page) && start.test(command));
    const needs = UNTESTED.find(([start]) => start.test(command));
    assert(where !== undefined || needs !== undefined, `No test runs "${command}" of ${page}: write one`);
    if (where === undefined) continue;
    const test = Deno.readTextFileSync(ROOT + where[2]);
    // The one about kubectl reads all pages.
    assert(test.includes(page) || test.includes("`${ROOT}docs`"), `${where[2]} does not read ${page}`);
  }
});

Deno.test("no page links to what is not there", () => {
  const dead = PAGES.flatMap(({ name, text }) =>
    [...text.matchAll(/\]\(([^)#:]+)(?:#([^)]+))?\)/g)].flatMap(([link, path]) => {
      const target = join(ROOT, name, "..", path!);
      try {
        Deno.statSync(target);
        return [];
      } catch {
        return [`${name}: ${link}`];
      }
    })
  );
  assertEquals(dead, []);
});

Deno.test("no page links to a heading that is not there", () => {
  const dead = PAGES.flatMap(({ name, text }) => {
    const anchors = [...text.matchAll(/^#+ (.*)$/gm)]
      .map(([, title]) => title!.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-"));
    return [...text.matchAll(/\]\(#([^)]+)\)/g)].filter(([, anchor]) => !anchors.includes(anchor!))
      .map(([, anchor]) => `${name}: #${anchor}`);
  });
  assertEquals(dead, []);
});
