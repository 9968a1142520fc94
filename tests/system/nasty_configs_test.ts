/** No config uses much time or memory. Each is loaded by a process of its own, with the program's own V8 flags. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { NASTY_CONFIGS } from "../config/nasty_configs.ts";
import { scriptArgs, V8_FLAGS } from "../sandbox/run_script.ts";
import type { LoadReport } from "./load_worker.ts";

/** MiB that loading a config may add to the peak, and milliseconds that it may take on a busy machine. */
const MOST_MEBIBYTES = 160;
const MOST_MILLISECONDS = 20_000;

async function load(name: string): Promise<LoadReport> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: scriptArgs("tests/system/load_worker.ts", V8_FLAGS, name),
  }).output();
  const decoder = new TextDecoder();
  assertEquals(code, 0, decoder.decode(stderr));
  return JSON.parse(decoder.decode(stdout));
}

Deno.test("loadConfig() of a nasty config ends soon, in little memory, with an error or a config", async (t) => {
  assertEquals(V8_FLAGS.length, 1);
  const names = Object.keys(NASTY_CONFIGS);
  // Two at a time: most of it is the start of a process.
  const reports = new Map<string, LoadReport>();
  const workers = [0, 1].map(async () => {
    for (let name = names.shift(); name !== undefined; name = names.shift()) {
      reports.set(name, await load(name));
    }
  });
  await Promise.all(workers);
  for (const [name, [, expected]] of Object.entries(NASTY_CONFIGS)) {
    await t.step(name, () => {
      const { error, milliseconds, mebibytes } = reports.get(name)!;
      if (expected === "config") assertEquals(error, undefined);
      else assertMatch(error ?? "no error", expected);
      assert(milliseconds <= MOST_MILLISECONDS, `${milliseconds} ms`);
      assert(mebibytes <= MOST_MEBIBYTES, `${mebibytes} MiB`);
    });
  }
});
