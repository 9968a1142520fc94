/**
 * Asks whether the tests can fail: `mutants.ts [COUNT [SEED [PATH…]]]` plants one fault at a time into a copy of lib,
 * or of some paths of it, and runs the pure tests that import the file, for lib/system its own tests, too. Prints
 * each mutant that they let live; fails where they kill fewer than nine of ten.
 *
 * Faults that the types refuse are not counted. A test that hangs kills, too.
 *
 * @module
 */
import { fromFileUrl, join, relative } from "@std/path";
import { seededRandom } from "../tests/config/fuzz.ts";
import type { Mutation } from "./mutant_operators.ts";

/** Percent of the mutants that tests must kill. */
const LEAST_KILLED = 90;

/** Mutants whose types are checked at once. */
const BATCH = 300;

/** What a test may take, beside three times what all tests took together without a fault. */
const LEAST_TIME_LIMIT_MS = 20_000;

/** Characters of a fault's line that are printed. */
const LONGEST_LINE = 120;

const PURE_ROOMS = ["config", "rules", "backends", "host", "agent", "cli"];

/** The folder of a tree that tests may write to. */
const SCRATCH = ".tmp";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
const FLAGS = (Deno.env.get("DENO_FLAGS") ?? "").split(" ").filter((flag) => flag !== "");

interface Mutant extends Mutation {
  /** Path below the root. */
  readonly file: string;
  readonly line: number;
}

type End = "success" | "failure" | "timeout";

/** How a command ended. */
interface Result {
  readonly end: End;
  readonly stdout: string;
  /** Standard output and error. */
  readonly output: string;
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeLimitMs?: number;
}

const [count, seed] = [Number(Deno.args[0] ?? 200), Number(Deno.args[1] ?? 1)];
const start = performance.now();
const folder = await Deno.makeTempDir({ prefix: "mutants-" });
try {
  await main();
} finally {
  await Deno.remove(folder, { recursive: true });
}

async function main(): Promise<void> {
  const trees = await Promise.all(
    Array.from({ length: navigator.hardwareConcurrency }, (_, index) => copyTree(String(index))),
  );
  const testsOf = await findTests();
  const mutants = await sample(
    await findMutants(Deno.args.length > 2 ? Deno.args.slice(2) : ["lib"]),
    trees[0]!,
  );

  const before = performance.now();
  const tests = [...new Set(mutants.flatMap(({ file }) => testsOf.get(file) ?? []))];
  for (const { end, output } of await Promise.all(trees.map((tree) => runTests(tree, tests)))) {
    if (end !== "success") throw new Error(`Tests fail without a fault:\n${output.slice(-2_000)}`);
  }
  const timeLimit = Math.max(LEAST_TIME_LIMIT_MS, 3 * (performance.now() - before));

  const waiting = [...mutants];
  let [killed, timeouts] = [0, 0];
  await Promise.all(trees.map(async (tree) => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const end = await tryMutant(tree, mutant, testsOf.get(mutant.file) ?? [], timeLimit);
      if (end === "success") say(describe(mutant, await Deno.readTextFile(join(tree, mutant.file))));
      else killed++;
      if (end === "timeout") timeouts++;
    }
  }));
  const percent = 100 * killed / mutants.length;
  say(
    `${mutants.length} mutants of seed ${seed} in ${((performance.now() - start) / 1_000).toFixed(0)} s: ` +
      `${killed} killed (${timeouts} by the time limit), ${mutants.length - killed} alive: ${
        percent.toFixed(1)
      }%`,
  );
  if (percent < LEAST_KILLED) {
    say(`That is under ${LEAST_KILLED}%`);
    Deno.exitCode = 1;
  }
}

/** A copy of the checkout as it is, in which faults are planted. */
async function copyTree(name: string): Promise<string> {
  const tree = join(folder, name);
  await Deno.mkdir(join(tree, SCRATCH), { recursive: true });
  const copy = 'tar -c -C "$1" --exclude=./.git --exclude=./.cache --exclude=./dist . | tar -x -C "$2"';
  const { end, output } = await run(["bash", "-euo", "pipefail", "-c", copy, "-", ROOT, tree]);
  if (end !== "success") throw new Error(output);
  // A variable that a fault leaves unused is no error of its types.
  const config = JSON.parse(await Deno.readTextFile(join(tree, "deno.json")));
  Object.assign(config.compilerOptions, { noUnusedLocals: false, noUnusedParameters: false });
  await Deno.writeTextFile(join(tree, "deno.json"), JSON.stringify(config));
  return tree;
}

/** All faults that can be planted in files and folders. */
async function findMutants(paths: readonly string[]): Promise<Mutant[]> {
  const config = join(folder, "lint.json");
  const plugin = fromFileUrl(import.meta.resolve("./mutant_operators.ts"));
  await Deno.writeTextFile(
    config,
    JSON.stringify({ lint: { plugins: [plugin], rules: { tags: [], include: ["mutants/mutation"] } } }),
  );
  const { stdout } = await run([
    Deno.execPath(),
    "lint",
    "--json",
    "--config",
    config,
    ...paths.map((path) => join(ROOT, path)),
  ]);
  const { diagnostics } = JSON.parse(stdout) as {
    readonly diagnostics: readonly {
      readonly filename: string;
      readonly message: string;
      readonly range: { readonly start: { readonly line: number } };
    }[];
  };
  return diagnostics.map(({ filename, message, range }) => ({
    file: relative(ROOT, fromFileUrl(filename)),
    line: range.start.line,
    ...JSON.parse(message) as Mutation,
  }));
}

/** The first `count` of the faults, in the seed's order, whose types are right. */
async function sample(faults: Mutant[], tree: string): Promise<Mutant[]> {
  const random = seededRandom(seed);
  for (let left = faults.length; left > 1; left--) {
    const drawn = random(left);
    [faults[left - 1], faults[drawn]] = [faults[drawn]!, faults[left - 1]!];
  }
  const mutants: Mutant[] = [];
  for (let at = 0; at < faults.length && mutants.length < count; at += BATCH) {
    mutants.push(...await withRightTypes(faults.slice(at, at + BATCH), tree));
  }
  return mutants.slice(0, count);
}

/** Checks many mutants at once: each is a file of its own beside the others, which import the file without fault. */
async function withRightTypes(faults: readonly Mutant[], tree: string): Promise<Mutant[]> {
  const files = faults.map(({ file }, index) => join(tree, file.replace(/\.ts$/, `.mutant_${index}.ts`)));
  for (const [index, fault] of faults.entries()) {
    await Deno.writeTextFile(files[index]!, mutate(await Deno.readTextFile(join(tree, fault.file)), fault));
  }
  const { output } = await run([Deno.execPath(), "check", ...FLAGS, ...files], { cwd: tree });
  for (const file of files) await Deno.remove(file);
  const wrong = new Set(
    [...output.matchAll(/\.mutant_(\d+)\.ts:\d+:\d+/g)].map(([, index]) => Number(index)),
  );
  if (wrong.size === 0 && output.includes("error")) throw new Error(output);
  return faults.filter((_, index) => !wrong.has(index));
}

/** For each file of lib, the tests that import it, the nearest first. */
async function findTests(): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, { readonly test: string; readonly distance: number }[]>();
  for (const room of [...PURE_ROOMS, "system"]) {
    for await (const test of testFiles(join("tests", room))) {
      for (const [file, distance] of await distances(test)) {
        // What is pure needs no test of the machine.
        if (room === "system" && !file.startsWith("lib/system/")) continue;
        found.set(file, [...found.get(file) ?? [], { test, distance }]);
      }
    }
  }
  return new Map(
    [...found].map(([file, tests]) => {
      const sorted = tests.toSorted((a, b) => a.distance - b.distance || (a.test < b.test ? -1 : 1));
      return [file, sorted.map(({ test }) => test)];
    }),
  );
}

async function* testFiles(path: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, path))) {
    if (isDirectory) yield* testFiles(join(path, name));
    else if (name.endsWith("_test.ts")) yield join(path, name);
  }
}

/** How many imports lead from a test to each file of lib that it uses. */
async function distances(test: string): Promise<Map<string, number>> {
  const { stdout } = await run([Deno.execPath(), "info", ...FLAGS, "--json", join(ROOT, test)]);
  const { roots, modules } = JSON.parse(stdout) as {
    readonly roots: readonly string[];
    readonly modules: readonly {
      readonly specifier: string;
      readonly dependencies?: readonly { readonly code?: { readonly specifier: string } }[];
    }[];
  };
  const imports = new Map(modules.map(({ specifier, dependencies }) => [specifier, dependencies ?? []]));
  const found = new Map(roots.map((specifier) => [specifier, 0]));
  // What is added on the way is visited, too.
  for (const [specifier, distance] of found) {
    for (const { code } of imports.get(specifier) ?? []) {
      if (code !== undefined && !found.has(code.specifier)) found.set(code.specifier, distance + 1);
    }
  }
  const lib = new URL("../lib/", import.meta.url).href;
  return new Map(
    [...found].filter(([specifier]) => specifier.startsWith(lib))
      .map(([specifier, distance]) => [relative(ROOT, fromFileUrl(specifier)), distance]),
  );
}

/** Runs tests, one after the other until one fails, in namespaces of their own. */
async function runTests(tree: string, tests: readonly string[], timeLimitMs?: number): Promise<Result> {
  const isPure = !tests.some((test) => test.startsWith("tests/system/"));
  const scratch = join(tree, SCRATCH);
  const permissions = ["--allow-read", "--allow-write", "--allow-env", "--allow-run", "--allow-net"];
  return await run([
    "unshare",
    ...(Deno.uid() === 0 ? [] : ["--user", "--map-current-user", "--keep-caps"]),
    "--net",
    // What a fault keeps from ending ends with the test, however that ends.
    "--pid",
    "--fork",
    "--kill-child",
    // Servers of tests listen on the loopback, which a new network has, but down.
    ...["bash", "-euo", "pipefail", "-c", 'ip link set lo up; exec "$@"', "-"],
    Deno.execPath(),
    "test",
    ...FLAGS,
    "--sanitize-ops",
    "--sanitize-resources",
    "--no-check",
    "--no-prompt",
    "--fail-fast",
    "--v8-flags=--max-old-space-size=512",
    ...(isPure ? [] : permissions),
    ...tests,
  ], { cwd: tree, env: { TMPDIR: scratch }, ...(timeLimitMs !== undefined && { timeLimitMs }) });
}

/** Runs the tests of one mutant in a tree, which is without fault again afterwards. */
async function tryMutant(
  tree: string,
  mutant: Mutant,
  tests: readonly string[],
  timeLimitMs: number,
): Promise<End> {
  // A file that no test imports.
  if (tests.length === 0) return "success";
  const path = join(tree, mutant.file);
  const original = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, mutate(original, mutant));
  const { end, output } = await runTests(tree, tests, timeLimitMs);
  await Deno.writeTextFile(path, original);
  if (output.includes("could not be parsed")) throw new Error(`${describe(mutant, original)}\n${output}`);
  return end;
}

function mutate(text: string, { start, end, replacement }: Mutation): string {
  return text.slice(0, start) + replacement + text.slice(end);
}

/** `lib/rules/decide.ts:16: the lines of the fault -> what became of them`. */
function describe(mutant: Mutant, text: string): string {
  const from = text.lastIndexOf("\n", mutant.start) + 1;
  const lineEnd = text.indexOf("\n", mutant.end);
  const lines = (whole: string, to: number) => {
    const line = whole.slice(from, to).trim().replaceAll(/\s+/g, " ");
    return line.length <= LONGEST_LINE ? line : `${line.slice(0, LONGEST_LINE)}…`;
  };
  const mutated = mutate(text, mutant);
  return `${mutant.file}:${mutant.line}: ${lines(text, lineEnd)} -> ${
    lines(mutated, lineEnd + mutated.length - text.length)
  }`;
}

/** Runs a command to its end, or kills it at its time limit. */
async function run(
  [command, ...args]: readonly [string, ...string[]],
  { cwd = ROOT, env = {}, timeLimitMs }: RunOptions = {},
): Promise<Result> {
  const child = new Deno.Command(command, {
    args,
    cwd,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let end: End | undefined;
  const timer = timeLimitMs === undefined ? undefined : setTimeout(() => {
    end = "timeout";
    child.kill("SIGKILL");
  }, timeLimitMs);
  const { success, stdout, stderr } = await child.output();
  clearTimeout(timer);
  const decoder = new TextDecoder();
  return {
    end: end ?? (success ? "success" : "failure"),
    stdout: decoder.decode(stdout),
    output: decoder.decode(stdout) + decoder.decode(stderr),
  };
}

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
