/**
 * The program: gives the machine to {@linkcode run}, turns signals into what the agent understands, and sets the
 * exit code.
 *
 * @module
 */
import denoJson from "./deno.json" with { type: "json" };
import { run } from "./lib/cli/run.ts";
import type { System } from "./lib/cli/system.ts";
import { LARGEST_CONFIG } from "./lib/config/decode.ts";
import { readBuildCommit } from "./lib/system/build_commit.ts";
import { systemClock } from "./lib/system/clock.ts";
import { ChildProcessRunner } from "./lib/system/command_runner.ts";
import { FileConfigSource, StdinConfigSource } from "./lib/system/config_source.ts";
import { DirectoryWatcher } from "./lib/system/config_watcher.ts";
import { serveHttp } from "./lib/system/http_server.ts";
import { createLogger } from "./lib/system/logger.ts";

/** Writes all of it, also to a pipe that takes a part at a time. */
function print(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}

const stop = new AbortController();
const reloads: (() => void)[] = [];
const printError = (text: string) => print(Deno.stderr, text);
const system: System = {
  clock: systemClock,
  runner: new ChildProcessRunner(),
  build: {
    version: denoJson.version,
    // Reading what was put into the executable takes 5 ms: only who asks pays for it.
    get commit() {
      return readBuildCommit();
    },
    deno: Deno.version.deno,
  },
  useColor: !Deno.noColor && Deno.stdout.isTerminal(),
  createConfigSource: (path) =>
    path === "-" ? new StdinConfigSource(LARGEST_CONFIG) : new FileConfigSource(path, LARGEST_CONFIG),
  createConfigWatcher: (path) => new DirectoryWatcher(path),
  createLogger: (options) => createLogger(options, printError),
  printOut: (text) => print(Deno.stdout, text),
  printError,
  serveHttp: (host, answer) => serveHttp(host, answer, stop.signal),
  revokeNetwork: () => void Deno.permissions.revokeSync({ name: "net" }),
  catchSignals: () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.abort());
    Deno.addSignalListener("SIGHUP", () => reloads.forEach((reload) => reload()));
  },
  stop: stop.signal,
  onReload: (callback) => void reloads.push(callback),
};

const exitCode = await run(Deno.args, system);
// Not by returning: a file system that hangs, or a command that does, would keep the program alive.
Deno.exit(exitCode);
