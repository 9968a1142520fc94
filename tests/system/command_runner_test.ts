import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import {
  CommandError,
  CommandKilledError,
  CommandNotFoundError,
  CommandTimeoutError,
} from "../../lib/ports.ts";
import { ChildProcessRunner } from "../../lib/system/command_runner.ts";

/** Runs a test with a folder that has a script under the name iptables-restore. */
async function withScript(script: string, test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "iptables-restore"), `#!/bin/bash\n${script}\n`, { mode: 0o755 });
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const COMMAND = { name: "iptables-restore", args: ["--noflush"] } as const;

Deno.test("ChildProcessRunner gives arguments and input, and returns output and exit code", async () => {
  await withScript('echo "$@"; cat; echo bad >&2; exit 4', async (folder) => {
    const result = await new ChildProcessRunner({ folders: [folder] }).run({ ...COMMAND, input: "text\n" });
    assertEquals(result, { code: 4, stdout: "--noflush\ntext\n", stderr: "bad\n" });
  });
});

Deno.test("ChildProcessRunner gives the exit code of a command whose output is ignored", async () => {
  await withScript("cat; echo bad >&2; exit 4", async (folder) => {
    const runner = new ChildProcessRunner({ folders: [folder] });
    const result = await runner.run({ ...COMMAND, input: "x".repeat(1_000_000), ignoreOutput: true });
    assertEquals(result, { code: 4, stdout: "", stderr: "" });
  });
});

Deno.test("ChildProcessRunner gives an empty environment but for the language", async () => {
  await withScript("exec /usr/bin/env", async (folder) => {
    const { stdout } = await new ChildProcessRunner({ folders: [folder] }).run(COMMAND);
    // What is left are variables that bash sets itself.
    const names = stdout.trim().split("\n").map((line) => line.split("=")[0]!);
    assertEquals(names.filter((name) => !["PWD", "SHLVL", "_", "OLDPWD"].includes(name)), ["LC_ALL"]);
    assert(stdout.includes("LC_ALL=C\n"));
  });
});

Deno.test("ChildProcessRunner reports a command that ends without reading its input", async () => {
  await withScript("echo no >&2; exit 2", async (folder) => {
    const input = "x".repeat(1_000_000);
    const result = await new ChildProcessRunner({ folders: [folder] }).run({ ...COMMAND, input });
    assertEquals([result.code, result.stderr], [2, "no\n"]);
  });
});

Deno.test("ChildProcessRunner does not block on a command that prints much before it reads", async () => {
  await withScript("head -c 1000000 /dev/zero | tr '\\0' a; cat >/dev/null", async (folder) => {
    const input = "x".repeat(1_000_000);
    const result = await new ChildProcessRunner({ folders: [folder] }).run({ ...COMMAND, input });
    assertEquals([result.code, result.stdout.length], [0, 1_000_000]);
  });
});

Deno.test("ChildProcessRunner kills what runs when its signal aborts, and starts nothing with it any more", async () => {
  await withScript("echo $$; read -r; exec sleep 20", async (folder) => {
    const runner = new ChildProcessRunner({ folders: [folder] });
    const abort = new AbortController();
    const command = { ...COMMAND, input: "go\n", signal: abort.signal };
    const runs = [runner.run(command), runner.run(command)].map((run) =>
      assertRejects(() => run, CommandKilledError, "iptables-restore was killed")
    );
    abort.abort();
    await Promise.all(runs);
    await Deno.writeTextFile(join(folder, "iptables-restore"), `#!/bin/bash\ntouch ${folder}/started\n`);
    await assertRejects(() => runner.run(command), CommandKilledError);
    await assertRejects(() => Deno.stat(`${folder}/started`), Deno.errors.NotFound);
    assertEquals((await runner.run(COMMAND)).code, 0, "a command without the signal runs");
  });
});

Deno.test("ChildProcessRunner kills a command that takes too long, also one that ignores SIGTERM", async () => {
  await withScript("trap '' TERM; while :; do read -rt 1 <> <(:); done", async (folder) => {
    const runner = new ChildProcessRunner({ folders: [folder], timeLimitMs: 200 });
    await assertRejects(
      () => runner.run(COMMAND),
      CommandTimeoutError,
      "iptables-restore did not end within 0.2s and was killed",
    );
  });
});

Deno.test("ChildProcessRunner reports a command that a signal ends", async () => {
  await withScript("kill -KILL $$", async (folder) => {
    assertEquals((await new ChildProcessRunner({ folders: [folder] }).run(COMMAND)).code, 137);
  });
});

Deno.test("ChildProcessRunner says where it looked, and finds a command that moves", async () => {
  await withScript("echo one", async (first) => {
    await withScript("echo two", async (second) => {
      const runner = new ChildProcessRunner({ folders: [first, second] });
      assertEquals((await runner.run(COMMAND)).stdout, "one\n");
      await Deno.remove(join(first, "iptables-restore"));
      assertEquals((await runner.run(COMMAND)).stdout, "two\n");
      await Deno.remove(join(second, "iptables-restore"));
      await assertRejects(
        () => runner.run(COMMAND),
        CommandNotFoundError,
        `Cannot find iptables-restore in ${first}, ${second}: install the package "iptables"`,
      );
    });
  });
});

Deno.test("ChildProcessRunner stays with the folder in which it found a command", async () => {
  await withScript("echo one", async (first) => {
    await withScript("echo two", async (second) => {
      const runner = new ChildProcessRunner({ folders: [first, second] });
      const path = join(first, "iptables-restore");
      await Deno.rename(path, `${path}.away`);
      assertEquals((await runner.run(COMMAND)).stdout, "two\n");
      await Deno.rename(`${path}.away`, path);
      assertEquals((await runner.run(COMMAND)).stdout, "two\n");
    });
  });
});

Deno.test("ChildProcessRunner names the package that has the command", async () => {
  const runner = new ChildProcessRunner({ folders: ["/nowhere"] });
  for (const [name, debianPackage] of [["nft", "nftables"], ["ip6tables-legacy-save", "iptables"]] as const) {
    const error = await assertRejects(() => runner.run({ name, args: [] }), CommandNotFoundError);
    assertEquals(error.message, `Cannot find ${name} in /nowhere: install the package "${debianPackage}"`);
  }
});

Deno.test("ChildProcessRunner leaves no timer behind, which would hold up the end of the program", async () => {
  await withScript("exit 0", async (folder) => {
    await new ChildProcessRunner({ folders: [folder], timeLimitMs: 20_000 }).run(COMMAND);
  });
});

Deno.test("ChildProcessRunner collects garbage after every 8 commands, but not in a start", async () => {
  const scope = globalThis as { gc?: () => void };
  const { gc } = scope;
  try {
    await withScript("exit 0", async (folder) => {
      const runner = new ChildProcessRunner({ folders: [folder] });
      const collections: number[] = [];
      let run = 0;
      scope.gc = () => void collections.push(run);
      for (run = 1; run <= 40; run++) await runner.run(COMMAND);
      assertEquals(collections, [24, 32, 40]);
    });
  } finally {
    if (gc === undefined) delete scope.gc;
    else scope.gc = gc;
  }
});

Deno.test("ChildProcessRunner fails for a command that may not be executed", async () => {
  await withScript("true", async (folder) => {
    await Deno.chmod(join(folder, "iptables-restore"), 0o644);
    await assertRejects(
      () => new ChildProcessRunner({ folders: [folder] }).run(COMMAND),
      CommandError,
      `Cannot run ${folder}/iptables-restore: `,
    );
  });
});
