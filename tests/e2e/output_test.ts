/** Output that nobody reads, or that no disk has room for. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { scriptArgs } from "../sandbox/run_script.ts";
import { EXECUTABLE, Sandbox } from "../sandbox/sandbox.ts";

/** Commands that print, and the exit code of each. */
const COMMANDS: readonly [args: string, code: number][] = [
  ["--help", 0],
  ["--version", 0],
  ["help render", 0],
  ["render", 0],
  ["render -o json", 0],
  ["validate", 0],
  ["explain --host=false 10.0.0.1 8.8.8.8", 0],
  ["--dry-run", 0],
  ["diff", 1],
];

Deno.test("a command whose output nobody reads ends quietly, as with SIGPIPE", async (t) => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  for (const [args, code] of COMMANDS) {
    await t.step(args, async () => {
      // The reader has ended before the first byte.
      const script = `{ sleep 0.1; ${EXECUTABLE} ${args}; echo $? >/run/code; } | true; cat /run/code`;
      const { stdout, stderr } = await sandbox.run("bash", ["-c", script]);
      assertEquals([stdout, stderr], [`${code === 0 ? 141 : code}\n`, ""]);
    });
  }
  await t.step("render | head -1", async () => {
    const { stdout, stderr } = await sandbox.run("bash", ["-c", `${EXECUTABLE} render | head -1`]);
    assertEquals([stdout, stderr], ["# IPv4, for iptables-restore --noflush\n", ""]);
  });
  await t.step("errors that nobody reads", async () => {
    const script =
      `{ sleep 0.1; ${EXECUTABLE} explain x 2>&1 >/run/out; echo $? >/run/code; } | true; cat /run/code`;
    assertEquals(await sandbox.run("bash", ["-c", script]), { code: 0, stdout: "2\n", stderr: "" });
  });
});

Deno.test("a command whose output has no room says so in one line and fails", async (t) => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("");
  for (const [args] of COMMANDS) {
    await t.step(args, async () => {
      const { code, stderr } = await sandbox.run("bash", ["-c", `${EXECUTABLE} ${args} >/dev/full`]);
      assertEquals(code, 1);
      assertMatch(
        stderr,
        /^ip-masq-agent: Cannot write to standard output: No space left on device \(os error 28\)\n$/,
      );
    });
  }
});

Deno.test("cleanup goes on to its end although nobody reads what it says", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.agent("--once", "--backend=iptables-legacy", "--enable-ipv6");
  await sandbox.agent("--once", "--backend=nftables");
  const script = `{ sleep 0.1; ${EXECUTABLE} cleanup; echo $? >/run/code; } | true; cat /run/code`;
  assertEquals(await sandbox.run("bash", ["-c", script]), { code: 0, stdout: "141\n", stderr: "" });
  const { code, stdout } = await sandbox.agent("cleanup", "--dry-run");
  assertEquals([code, stdout], [0, "Nothing to remove\n"]);
});

const chain = (sandbox: Sandbox) => sandbox.sh("iptables -t nat -S IP-MASQ-AGENT 2>/dev/null || true");

/** Waits until the chain has its rules. */
async function heals(sandbox: Sandbox): Promise<void> {
  const start = performance.now();
  while (!(await chain(sandbox)).includes("-j MASQUERADE")) {
    assert(performance.now() - start < 15_000, "it does not heal");
  }
}

/** Where the daemon's log goes. */
const LOGS: Readonly<Record<string, string>> = {
  "a reader that ended": "2> >(true)",
  "a full disk": "2>/dev/full",
  "a pipe that is full": "2>/run/log",
};

for (const [name, redirection] of Object.entries(LOGS)) {
  Deno.test(`the daemon goes on where its log goes to ${name}`, async () => {
    await using sandbox = await Sandbox.create();
    await sandbox.writeConfig("resyncInterval: 1s\n");
    // It says more than a pipe holds.
    const script = `mkfifo /run/log; exec 3<>/run/log
${EXECUTABLE} --backend=iptables -v=4 --to-ports=1024-29999,32768-65535 ${redirection} & agent=$!
echo $agent >/run/pid; wait $agent; echo $?`;
    const child = sandbox.spawn("bash", ["-c", script]);
    const output = child.output();
    await child.stdin.close();
    try {
      await heals(sandbox);
      for (let time = 0; time < 30; time++) {
        await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT; kill -HUP $(cat /run/pid)");
        await heals(sandbox);
      }
      await sandbox.sh("kill -TERM $(cat /run/pid)");
      const start = performance.now();
      const { stdout } = await output;
      assertEquals(new TextDecoder().decode(stdout), "0\n");
      assert(performance.now() - start < 5_000, "it waited for its reader");
    } finally {
      await sandbox.sh("kill -KILL $(cat /run/pid) || true");
      await output;
    }
  });
}

Deno.test("the daemon's log goes on when its reader is back, and says how much was lost", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.writeConfig("resyncInterval: 1h\n");
  await sandbox.sh("mkfifo /run/log; echo >/run/first");
  const reader = (name: string) => sandbox.spawn("bash", ["-c", `exec cat /run/log >/run/${name}`]);
  const first = reader("first");
  const child = sandbox.spawn("bash", [
    "-c",
    // Nothing but these two is to be said.
    `exec ${EXECUTABLE} --skip_headers --backend=iptables --watch-rules=false 2>/run/log`,
  ]);
  await sandbox.sh("until grep -q installed /run/first; do sleep 0.05; done");
  first.kill("SIGTERM");
  await first.output();
  for (let time = 0; time < 2; time++) {
    await sandbox.sh(`iptables -t nat -F IP-MASQ-AGENT; kill -HUP ${child.pid}`);
    await heals(sandbox);
  }
  const second = reader("second");
  await sandbox.sh("sleep 0.2");
  child.kill("SIGTERM");
  const output = await child.output();
  await second.output();
  assertEquals(output.code, 0);
  const lines = (await sandbox.sh("cat /run/second")).trimEnd().split("\n");
  assertEquals(lines[0], "Stopped: the rules stay in place");
  assertMatch(lines[1]!, /^\d+ log lines could not be written$/);
  for (const process of [first, second, child]) await process.stdin.abort();
});

Deno.test("an error that nobody foresaw is one line, and the daemon's end", async (t) => {
  await using sandbox = await Sandbox.create();
  for (const how of ["throws in a timer", "rejects", "throws", "rejects with a word"]) {
    await t.step(how, async () => {
      const args = scriptArgs("tests/e2e/broken_machine.ts", [], how);
      const { code, stderr } = await sandbox.run(Deno.execPath(), args);
      assertEquals(code, 1);
      const line = stderr.split("\n").filter((it) => it.startsWith("E"));
      assertEquals(line.length, 1, stderr);
      assertMatch(
        line[0]!,
        /^E\d{4} \S+ Unexpected error, please report it: (?:Error: nobody foresaw this at .*|a word)$/,
      );
      assert(!/^\s+at |Uncaught/m.test(stderr), stderr);
    });
  }
  await t.step("in a command", async () => {
    const args = scriptArgs("tests/e2e/broken_machine.ts", [], "rejects", "validate");
    const { code, stdout, stderr } = await sandbox.run(Deno.execPath(), args);
    assertEquals([code, stdout], [1, ""]);
    assertMatch(
      stderr,
      /^ip-masq-agent: Unexpected error, please report it: Error: nobody foresaw this at .*\n$/,
    );
  });
});
