/**
 * A machine for the program: files in memory, a command runner that plays back, signals that the test sends, and what
 * was printed.
 *
 * @module
 */
import { run } from "../../lib/cli/run.ts";
import type { System } from "../../lib/cli/system.ts";
import {
  type Answer,
  type Command,
  CommandError,
  type ConfigReading,
  type ConfigSource,
  type ConfigWatcher,
  type HttpServer,
  type Readiness,
  type RuleMonitor,
} from "../../lib/ports.ts";
import { sha256 } from "../../lib/system/sha256.ts";
import { FakeClock, FakeLogger } from "./agent.ts";
import { FakeCommandRunner, type Reply } from "./command_runner.ts";

/** What a run of the program did. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly error: string;
  /** Every command that it ran. */
  readonly commands: readonly Command[];
}

/** The machine on which to run. */
export interface Machine {
  /** Configs by path; `-` is standard input. */
  readonly files?: Readonly<Record<string, string>>;
  /** Without it every command fails. */
  readonly reply?: (command: Command) => Reply | Promise<Reply>;
  readonly useColor?: boolean;
  /** What the running agent says; undefined where there is none. */
  readonly readiness?: Readiness;
}

/** A system of one run. The test may change what it has while the program runs. */
export class FakeSystem implements System {
  readonly clock = new FakeClock();
  readonly logger = new FakeLogger();
  readonly runner: FakeCommandRunner;
  readonly build = { version: "1.2.3", commit: "0123456789ab", deno: "2.9.6" };
  readonly useColor: boolean;
  readonly files: Record<string, string>;
  /** What the program asked of the system, in order, such as `revoke network`. */
  readonly events: string[] = [];
  /** Everything printed on standard output, and on standard error. */
  out = "";
  error = "";
  /** Why nothing can be listened on; undefined where it can. */
  listenFailure: string | undefined = "This machine has no network";
  /** Answers as the server does that listens; undefined where none does. */
  answer: ((path: string) => Promise<Answer | undefined>) | undefined;
  /** What the running agent says; undefined where there is none. */
  readiness: Readiness | undefined;
  /** Ends the server that listens. */
  endServer: (reason?: Error) => void = () => {};
  /** Tells the program what nft prints of changes of rules. */
  ruleEvent: (text: string) => void = () => {};
  readonly ruleMonitor: RuleMonitor = {
    follow: async (script, onText, stop) => {
      this.events.push(`follow ${script}`);
      this.ruleEvent = onText;
      await new Promise((resolve) => stop.addEventListener("abort", resolve));
      this.events.push("follow no more");
      return "";
    },
  };
  /** Calls the program's watcher; undefined where nothing is watched. */
  hint: (() => void) | undefined;
  readonly #stop = new AbortController();
  #reload = () => {};

  constructor({ files = {}, reply, useColor = false, readiness }: Machine = {}) {
    this.readiness = readiness;
    this.files = { ...files };
    this.useColor = useColor;
    this.runner = new FakeCommandRunner((command) => {
      this.events.push(command.name);
      return reply?.(command) ?? new CommandError("This machine runs no commands");
    });
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Sends SIGTERM. */
  terminate(): void {
    this.#stop.abort();
  }

  /** Sends SIGHUP. */
  hangUp(): void {
    this.#reload();
  }

  createConfigSource(path: string): ConfigSource {
    const name = path === "-" ? "<stdin>" : path;
    return {
      path: name,
      read: (): Promise<ConfigReading> => {
        this.events.push(`read ${name}`);
        const text = this.files[path];
        return Promise.resolve({
          files: text === undefined ? [] : [{ name, bytes: new TextEncoder().encode(text) }],
        });
      },
    };
  }

  createConfigWatcher(path: string): ConfigWatcher {
    return {
      ensure: (onHint) => {
        if (this.hint !== undefined) return false;
        this.events.push(`watch ${path}`);
        this.hint = onHint;
        return true;
      },
      close: () => {
        this.events.push("watch no more");
        this.hint = undefined;
      },
    };
  }

  createLogger({ verbosity }: { readonly verbosity: number }): FakeLogger {
    this.logger.verbosity = verbosity;
    return this.logger;
  }

  readonly localAddresses = (): string[] => ["192.0.2.1", "2001:db8:1::1"];
  readonly printOut = (text: string): void => void (this.out += text);
  readonly printError = (text: string): void => void (this.error += text);

  serveHttp(host: string, answer: (path: string) => Promise<Answer | undefined>): HttpServer {
    this.events.push(`listen on ${host}`);
    if (this.listenFailure !== undefined) throw new Error(this.listenFailure);
    this.answer = answer;
    const finished = new Promise<Error | undefined>((resolve) => this.endServer = resolve);
    this.stop.addEventListener("abort", () => this.endServer());
    return { address: `${host}:10264`, finished };
  }

  readonly sha256 = sha256;

  askReadiness(): Promise<Readiness | undefined> {
    this.events.push("ask the agent");
    return Promise.resolve(this.readiness);
  }

  revokeNetwork(): void {
    this.events.push("revoke network");
  }

  catchSignals(): void {
    this.events.push("catch signals");
  }

  onReload(callback: () => void): void {
    this.#reload = callback;
  }
}

/** Runs the program on a machine to its end. Commands that it runs fail unless the machine replies. */
export async function runOn(machine: Machine, ...args: readonly string[]): Promise<Ran> {
  const system = new FakeSystem(machine);
  const code = await run(args, system);
  return { code, out: system.out, error: system.error, commands: system.runner.commands };
}
