import { assertEquals } from "@std/assert";
import { DirectoryWatcher } from "../../lib/system/config_watcher.ts";

/** Milliseconds without an event after which all events of an edit have come. */
const QUIET_MS = 100;
const LONGEST_MS = 5_000;

/** Says whether hints come, as an agent that makes sure that it watches after each of them. */
class Listener implements Disposable {
  readonly #watcher: DirectoryWatcher;
  #hints = 0;
  #notify = () => {};

  constructor(path: string) {
    this.#watcher = new DirectoryWatcher(path);
  }

  /** Returns whether it began to watch. */
  ensure(): boolean {
    return this.#watcher.ensure(() => {
      this.#hints++;
      this.#notify();
    });
  }

  /** Makes an edit; returns whether a hint came of it. */
  async hears(edit: () => unknown): Promise<boolean> {
    await this.#settle();
    this.#hints = 0;
    const hinted = new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LONGEST_MS);
      this.#notify = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    await edit();
    await hinted;
    const heard = this.#hints > 0;
    await this.#settle();
    return heard;
  }

  async #settle(): Promise<void> {
    for (let before = -1; before !== this.#hints;) {
      before = this.#hints;
      await pause(QUIET_MS);
      if (this.ensure()) this.#hints++;
    }
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
    this.#watcher.close();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

interface Change {
  readonly name: string;
  /** What is there before, and which path is watched. Paths are relative to a folder of the test. */
  readonly start: string;
  readonly path: string;
  /** Shell scripts, each of which must be heard. */
  readonly edits: readonly string[];
}

const CHANGES: readonly Change[] = [
  { name: "an edit in place", start: "echo 1 >f", path: "f", edits: ["echo 2 >f", "echo 3 >f"] },
  {
    name: "a file that takes the place of another",
    start: "echo 1 >f",
    path: "f",
    edits: ["echo 2 >g; mv g f", "echo 3 >g; mv g f"],
  },
  { name: "a file of a folder of configs", start: "mkdir d", path: "d", edits: ["echo 1 >d/f", "rm d/f"] },
  {
    name: "a folder that is removed and comes back",
    start: "mkdir d; echo 1 >d/f",
    path: "d/f",
    edits: ["rm -r d", "mkdir d", "echo 2 >d/f", "rm -r d; mkdir d", "echo 3 >d/f"],
  },
  {
    name: "a folder of configs that is removed and comes back",
    start: "mkdir d; echo 1 >d/f",
    path: "d",
    edits: ["rm -r d", "mkdir d", "echo 2 >d/f"],
  },
  {
    name: "a folder that is renamed, and one that takes its place",
    start: "mkdir d; echo 1 >d/f",
    path: "d/f",
    edits: ["mv d e", "mkdir d; echo 2 >d/f", "echo 3 >d/f", "rm -r d; mv e d", "echo 4 >d/f"],
  },
  {
    name: "folders that come one after the other",
    start: "true",
    path: "a/b/f",
    edits: ["mkdir a", "mkdir a/b", "echo 1 >a/b/f", "rm -r a", "mkdir -p a/b; echo 2 >a/b/f"],
  },
  {
    name: "a link to a folder, which is set to another",
    start: "mkdir v1 v2; echo 1 >v1/f; echo 1 >v2/f; ln -s v1 d",
    path: "d/f",
    edits: ["echo 2 >v1/f", "ln -sfn v2 d", "echo 2 >v2/f", "rm -r v1 d; ln -s v2 d", "echo 3 >v2/f"],
  },
  {
    name: "a link to a file of another folder",
    start: 'mkdir d e; echo 1 >d/f; ln -s "$PWD/d/f" e/f',
    path: "e/f",
    edits: ["echo 2 >d/f", "rm e/f", "echo 3 >e/f"],
  },
  {
    name: "a key of a ConfigMap",
    start: "mkdir ..1; echo 1 >..1/f; ln -s ..1 ..data; ln -s ..data/f f",
    path: "f",
    edits: [2, 3].map((it) =>
      `mkdir ..${it}; echo ${it} >..${it}/f; ln -s ..${it} ..tmp; mv -T ..tmp ..data; rm -r ..${it - 1}`
    ),
  },
  {
    name: "a key of a ConfigMap that is mapped into a folder",
    start: "mkdir -p ..1/sub; echo 1 >..1/sub/f; ln -s ..1 ..data; ln -s ..data/sub sub",
    path: "sub/f",
    edits: [2, 3].map((it) =>
      `mkdir -p ..${it}/sub; echo ${it} >..${it}/sub/f; ln -s ..${it} ..tmp; mv -T ..tmp ..data; rm -r ..${
        it - 1
      }`
    ),
  },
  { name: "links in a circle", start: "ln -s a b; ln -s b a", path: "a", edits: ["rm a; echo 1 >a"] },
];

Deno.test("DirectoryWatcher hears of", async (t) => {
  for (const { name, start, path, edits } of CHANGES) {
    await t.step(name, async () => {
      const folder = await Deno.makeTempDir();
      const sh = async (script: string) => {
        const { success } = await new Deno.Command("bash", { args: ["-euc", script], cwd: folder })
          .output();
        assertEquals(success, true, script);
      };
      await sh(start);
      {
        using listener = new Listener(`${folder}/${path}`);
        assertEquals(listener.ensure(), true);
        for (const edit of edits) {
          assertEquals(await listener.hears(() => sh(edit)), true, edit);
          assertEquals(listener.ensure(), false, "it watches what is there");
        }
      }
      await Deno.remove(folder, { recursive: true });
    });
  }
});

Deno.test("DirectoryWatcher watches nothing where nothing can be watched, and tries again", async () => {
  const folder = await Deno.makeTempDir();
  const watchFs = Deno.watchFs;
  const watcher = new DirectoryWatcher(`${folder}/f`);
  try {
    Deno.watchFs = () => {
      throw new Error("Too many open files (os error 24)");
    };
    assertEquals(watcher.ensure(() => {}), false);
    Deno.watchFs = watchFs;
    assertEquals(watcher.ensure(() => {}), true);
  } finally {
    Deno.watchFs = watchFs;
    watcher.close();
    await Deno.remove(folder);
  }
});

Deno.test("DirectoryWatcher begins again after a watch that ended with an error", async () => {
  const folder = await Deno.makeTempDir();
  const watchFs = Deno.watchFs;
  const watcher = new DirectoryWatcher(`${folder}/f`);
  try {
    Deno.watchFs = () =>
      ({
        // deno-lint-ignore require-yield
        async *[Symbol.asyncIterator]() {
          throw new Error("inotify is gone");
        },
        close() {
          throw new Deno.errors.BadResource("Bad resource ID");
        },
      }) as unknown as Deno.FsWatcher;
    let hints = 0;
    assertEquals(watcher.ensure(() => hints++), true);
    await pause(10);
    assertEquals(hints, 0, "one that fails at once would be begun without end");
    Deno.watchFs = watchFs;
    assertEquals(watcher.ensure(() => {}), true);
  } finally {
    Deno.watchFs = watchFs;
    watcher.close();
    await Deno.remove(folder);
  }
});
