import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ChildProcessRunner } from "../../lib/system/command_runner.ts";
import { NftMonitor } from "../../lib/system/rule_monitor.ts";

/** Follows a script that stands for nft, which is called with -f - too, and writes its process id to `pid`. */
async function follow(
  script: string,
  test: (lines: string[], stop: AbortController, folder: string) => Promise<void>,
): Promise<string> {
  const folder = await Deno.makeTempDir();
  try {
    const guard = `if [ "$1" = -f ]; then exec cat >${folder}/input; fi`;
    await Deno.writeTextFile(join(folder, "nft"), `#!/bin/bash\n${guard}\n${script}\n`, { mode: 0o755 });
    const stop = new AbortController();
    const lines: string[] = [];
    const runner = new ChildProcessRunner({ folders: [folder] });
    const end = new NftMonitor(runner).follow("monitor", (text) => void lines.push(text), stop.signal);
    await test(lines, stop, folder);
    return await end;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let time = 0; !isSo(); time++) {
    assert(time < 2_000, `It does not become so: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

Deno.test("NftMonitor gives what nft prints until it is stopped, and leaves no process", async () => {
  await follow('echo "$*"; exec sleep 1000', async (lines, stop) => {
    await until(() => lines.length > 0);
    assertEquals(lines, ["monitor\n"]);
    stop.abort();
  });
});

Deno.test("NftMonitor takes many lines for one piece, and loses none", async () => {
  const script = "for ((i = 0; i < 300; i++)); do echo $i; sleep 0.001; done; seq 300 60000";
  const pieces: string[] = [];
  const why = await follow(script, async (lines) => {
    await until(() => lines.at(-1)?.endsWith("60000\n") ?? false);
    pieces.push(...lines);
  });
  assertEquals(why, "nft 'monitor' ended with exit code 0");
  assertEquals(pieces.join(""), Array.from({ length: 60_001 }, (_, number) => `${number}\n`).join(""));
  assert(pieces.length < 100, String(pieces.length));
});

Deno.test("NftMonitor says how nft ended", async () => {
  assertEquals(
    await follow("exit 7", () => Promise.resolve()),
    "nft 'monitor' ended with exit code 7",
  );
});

Deno.test("NftMonitor ends with the nft that guards its end", async () => {
  const why = await follow("exec sleep 1000", async (_, __, folder) => {
    await until(() => {
      try {
        return Deno.readTextFileSync(join(folder, "input")).includes("\ndelete table");
      } catch {
        return false;
      }
    });
    const pids = await new Deno.Command("pgrep", { args: ["-f", `-x`, "cat"], stdout: "piped" }).output();
    for (const pid of new TextDecoder().decode(pids.stdout).split("\n").filter((it) => it !== "")) {
      const target = await Deno.readLink(`/proc/${pid}/fd/1`).catch(() => "");
      if (target === join(folder, "input")) Deno.kill(Number(pid), "SIGKILL");
    }
  });
  assertEquals(why, "nft 'monitor' ended with exit code 137");
});

Deno.test("NftMonitor says where there is no nft, and is stopped before it starts", async () => {
  const stop = new AbortController();
  const runner = new ChildProcessRunner({ folders: ["/nonexistent"] });
  assertEquals(
    await new NftMonitor(runner).follow("monitor", () => {}, stop.signal),
    'Cannot find nft in /nonexistent: install the package "nftables"',
  );
});
