/**
 * The program: gives the machine to {@linkcode run}, turns signals into what the agent understands, and sets the
 * exit code.
 *
 * @module
 */
import denoJson from "./deno.json" with { type: "json" };
import { run } from "./lib/cli/run.ts";
import { EXIT, type System } from "./lib/cli/system.ts";
import { LARGEST_CONFIG } from "./lib/config/decode.ts";
import { plural } from "./lib/config/printable.ts";
import { readBuildCommit } from "./lib/system/build_commit.ts";
import { systemClock } from "./lib/system/clock.ts";
import { ChildProcessRunner } from "./lib/system/command_runner.ts";
import { FileConfigSource, StdinConfigSource } from "./lib/system/config_source.ts";
import { DirectoryWatcher } from "./lib/system/config_watcher.ts";
import { serveHttp } from "./lib/system/http_server.ts";
import { createLogger } from "./lib/system/logger.ts";
import { CommandOutput, LogOutput } from "./lib/system/output.ts";

/** Milliseconds that the end of the program waits for a reader of its log. */
const FLUSH_MS = 1_000;

const stop = new AbortController();
const reloads: (() => void)[] = [];
const output = new CommandOutput(Deno.stdout);
const errorOutput = new CommandOutput(Deno.stderr);
const log = new LogOutput(Deno.stderr);
const printError = (text: string) => log.isIdle ? errorOutput.write(text) : log.write(text);
let reportError = (message: string) => printError(`ip-masq-agent: ${message}\n`);

const runner = new ChildProcessRunner();

const system: System = {
  clock: systemClock,
  runner,
  ruleMonitor: {
    follow: async (...args) => {
      const { NftMonitor } = await import("./lib/system/rule_monitor.ts");
      return await new NftMonitor(runner).follow(...args);
    },
  },
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
  createLogger: (options) => {
    const logger = createLogger(options, (line) => log.write(line));
    log.onLoss = (lines) => logger.warning(`${plural(lines, "log line")} could not be written`);
    reportError = logger.error;
    return logger;
  },
  localAddresses: () => Deno.networkInterfaces().map(({ address }) => address),
  printOut: (text) => output.write(text),
  printError,
  serveHttp: (host, answer) => serveHttp(host, answer, stop.signal),
  sha256: async (parts) => await (await import("./lib/system/sha256.ts")).sha256(parts),
  askReadiness: async () => await (await import("./lib/system/ask_readiness.ts")).askReadiness(),
  revokeNetwork: () => void Deno.permissions.revokeSync({ name: "net" }),
  catchSignals: () => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, () => stop.abort());
    Deno.addSignalListener("SIGHUP", () => reloads.forEach((reload) => reload()));
  },
  stop: stop.signal,
  onReload: (callback) => void reloads.push(callback),
};

/** Not by returning: a file system that hangs, or a command that does, would keep the program alive, and log. */
async function end(exitCode: number): Promise<never> {
  await log.close(FLUSH_MS);
  Deno.exit(exitCode);
}

/** An error that nobody foresaw: one line, and the end. A daemon that is half dead helps nobody. */
function endWith(error: unknown): void {
  const [message = "", ...places] = (error instanceof Error ? error.stack ?? error.message : String(error))
    .split("\n").map((line) => line.trim());
  reportError(`Unexpected error, please report it: ${[message, ...places.slice(0, 3)].join(" ")}`);
  void end(EXIT.failed);
}

addEventListener("error", (event) => {
  event.preventDefault();
  endWith(event.error);
});
addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  endWith(event.reason);
});

try {
  const exitCode = await run(Deno.args, system);
  if (output.error !== undefined && !output.isUnread) {
    printError(`ip-masq-agent: Cannot write to standard output: ${output.error.message}\n`);
  }
  const outputCode = output.error === undefined ? EXIT.done : output.isUnread ? EXIT.unread : EXIT.failed;
  await end(exitCode === EXIT.done ? outputCode : exitCode);
} catch (error) {
  endWith(error);
}
