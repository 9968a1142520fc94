/**
 * usage: papers.ts DATE
 *
 * Writes dist/papers, what is installed beside the executable and has no platform: the man page, the completions, and
 * the documents, which link to nothing that is not installed. DATE is that of the commit.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import denoJson from "../deno.json" with { type: "json" };
import { COMMANDS } from "../lib/cli/command_definitions.ts";
import { completionScript, SHELLS } from "../lib/cli/completion.ts";
import { manPage } from "./man_page.ts";

/** The documents, as folders and files of the repository. */
const DOCUMENTS = [
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  "docs",
  "deploy/config",
  "deploy/cloud-init",
  "deploy/monitoring",
];

/**
 * Leaves the words of each link to a file that is not among `installed`, without the link.
 *
 * @param path Where the document stands, in the same tree as `installed`.
 */
export function dropLinks(markdown: string, path: string, installed: ReadonlySet<string>): string {
  return markdown.replace(/\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)/g, (link, words: string, target: string) => {
    const isKept = /^[a-z]+:/.test(target) || installed.has(join(dirname(path), target));
    return isKept ? link : words;
  });
}

/** The files below each of `paths`, and the folders that they are in. */
function* walk(root: string, paths: Iterable<string>): Generator<{ path: string; isFile: boolean }> {
  for (const path of paths) {
    const { isFile } = Deno.statSync(`${root}${path}`);
    yield { path, isFile };
    if (!isFile) {
      const names = [...Deno.readDirSync(`${root}${path}`)].map(({ name }) => `${path}/${name}`);
      yield* walk(root, names.sort());
    }
  }
}

function write(path: string, text: string): void {
  Deno.mkdirSync(dirname(path), { recursive: true });
  Deno.writeTextFileSync(path, text);
}

if (import.meta.main) {
  const root = fromFileUrl(new URL("..", import.meta.url));
  const out = `${root}dist/papers`;
  const [date] = Deno.args;
  if (date === undefined) throw new Error("DATE is missing: see the head of tools/papers.ts");
  write(`${out}/ip-masq-agent.8`, manPage(denoJson.version, date));
  for (const shell of SHELLS) write(`${out}/completion.${shell}`, completionScript(shell, COMMANDS));
  const found = [...walk(root, DOCUMENTS)];
  const installed = new Set(found.map(({ path }) => path));
  for (const { path } of found.filter(({ isFile }) => isFile)) {
    const text = Deno.readTextFileSync(`${root}${path}`);
    write(`${out}/doc/${path}`, path.endsWith(".md") ? dropLinks(text, path, installed) : text);
  }
}
