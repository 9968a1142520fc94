import { assertEquals } from "@std/assert";
import { createSource, createWatcher, DEFAULT_CONFIG_PATHS } from "../../lib/cli/config_paths.ts";
import type { ConfigReading } from "../../lib/ports.ts";
import { runOn } from "../fakes/system.ts";

const [MOUNT, FOLDER] = DEFAULT_CONFIG_PATHS as [string, string];
const EITHER = `${MOUNT} or ${FOLDER}`;

const file = (path: string): ConfigReading => ({ files: [{ name: path, bytes: new Uint8Array() }] });
const NOTHING: ConfigReading = { files: [] };

Deno.test("createSource() takes the first path that has something, anew at each reading", async () => {
  const now: Record<string, ConfigReading> = {};
  const createConfigSource = (path: string) => ({ path, read: () => Promise.resolve(now[path] ?? NOTHING) });
  const source = createSource({ createConfigSource }, DEFAULT_CONFIG_PATHS);
  assertEquals(source.path, EITHER, "nobody has looked yet");
  const steps: [mount: ConfigReading, folder: ConfigReading, taken: string, reading: ConfigReading][] = [
    [NOTHING, NOTHING, EITHER, NOTHING],
    [NOTHING, file(FOLDER), FOLDER, file(FOLDER)],
    [file(MOUNT), file(FOLDER), MOUNT, file(MOUNT)],
    [{ unreadable: "x" }, file(FOLDER), MOUNT, { unreadable: "x" }],
    [NOTHING, { unreadable: "y" }, FOLDER, { unreadable: "y" }],
    [
      { files: [], others: ["config"] },
      { files: [], others: ["b"], skipped: ["c"] },
      EITHER,
      { files: [], others: ["config"], skipped: ["c"] },
    ],
    [NOTHING, { files: [], others: ["b"] }, EITHER, { files: [], others: ["b"] }],
    [file(MOUNT), NOTHING, MOUNT, file(MOUNT)],
  ];
  for (const [mount, folder, taken, reading] of steps) {
    Object.assign(now, { [MOUNT]: mount, [FOLDER]: folder });
    assertEquals(await source.read(), reading);
    assertEquals(source.path, taken);
  }
});

Deno.test("createWatcher() watches every path, and says when it began to watch one", () => {
  const watched: string[] = [];
  let missing = FOLDER;
  const watcher = createWatcher({
    createConfigWatcher: (path) => ({
      ensure: () => path !== missing && !watched.includes(path) && watched.push(path) > 0,
      close: () => void watched.splice(watched.indexOf(path), 1),
    }),
  }, DEFAULT_CONFIG_PATHS);
  assertEquals([watcher.ensure(() => {}), watcher.ensure(() => {}), watched.join()], [true, false, MOUNT]);
  missing = "";
  assertEquals([watcher.ensure(() => {}), watched.join()], [true, `${MOUNT},${FOLDER}`]);
  watcher.close();
  assertEquals(watched, []);
});

Deno.test("commands judge the config that the agent takes, and say so where it is not the first place", async (t) => {
  const cases: [name: string, files: string[], args: string[], said: string][] = [
    ["a mount", [MOUNT], ["render"], ""],
    ["both", [MOUNT, FOLDER], ["explain", "--host=false", "1.1.1.1"], ""],
    ["a folder", [FOLDER], ["explain", "--host=false", "1.1.1.1"], `Config: ${FOLDER}\n`],
    ["nothing", [], ["render"], `Config: none at ${EITHER}, so the defaults\n`],
    ["a path that is named", [FOLDER], ["render", `--config-path=${FOLDER}`], ""],
  ];
  for (const [name, paths, args, said] of cases) {
    await t.step(name, async () => {
      const files = Object.fromEntries(paths.map((path) => [path, `masqLinkLocal: ${path === FOLDER}`]));
      const { code, out, error } = await runOn({ files }, ...args);
      assertEquals([code, error], [0, said]);
      if (args[0] === "render") {
        assertEquals(out.includes("169.254.0.0/16"), !(paths[0] === FOLDER), "the file counts");
      }
    });
  }
  assertEquals(
    (await runOn({ files: { [FOLDER]: "cidrLimit: x" } }, "validate")).out.split(":")[0],
    FOLDER,
  );
  assertEquals((await runOn({ files: { [FOLDER]: "" } }, "validate")).error, "");
  assertEquals(
    (await runOn({ files: { [FOLDER]: "cidrLimit: x" } }, "render")).error.split("\n")[1]!.split(":")[0],
    FOLDER,
    "an error names it, too",
  );
});
