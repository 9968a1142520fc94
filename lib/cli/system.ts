/** The machine, as far as a command needs it; and the exit codes. */
import type {
  Answer,
  Clock,
  CommandRunner,
  ConfigSource,
  ConfigWatcher,
  HttpServer,
  Logger,
  LoggerOptions,
  Readiness,
  RuleMonitor,
} from "../ports.ts";
import type { Build } from "./version.ts";

/** What touches the machine comes to a command through this. */
export interface System {
  readonly clock: Clock;
  readonly runner: CommandRunner;
  readonly ruleMonitor: RuleMonitor;
  readonly build: Build;
  /** Whether what is printed on standard output may be coloured: a terminal, and NO_COLOR is not set. */
  readonly useColor: boolean;
  /** `-` is standard input. */
  createConfigSource(path: string): ConfigSource;
  createConfigWatcher(path: string): ConfigWatcher;
  createLogger(options: LoggerOptions): Logger;
  /** The addresses that this machine has now, without their networks. */
  localAddresses(): readonly string[];
  printOut(text: string): void;
  printError(text: string): void;
  /**
   * Answers HTTP requests on an address of this machine until the program stops.
   *
   * @throws {Error} The address can't be listened on, now: another program may use it.
   */
  serveHttp(host: string, answer: (path: string) => Promise<Answer | undefined>): HttpServer;
  /** The SHA-256 of these bytes one behind the other, in hex digits. */
  sha256(parts: readonly Uint8Array[]): Promise<string>;
  /** Asks the agent that runs on this machine whether it is ready; undefined where none answers within a second. */
  askReadiness(): Promise<Readiness | undefined>;
  /** Gives up the permission to use the network; a server that listens goes on. */
  revokeNetwork(): void;
  /**
   * From now on SIGTERM and SIGINT abort `stop`, and SIGHUP calls the callbacks of `onReload`. Until then they end the
   * program as any other (PID 1 of a container excepted, which the kernel spares them).
   */
  catchSignals(): void;
  /** Aborts when the program is asked to stop. */
  readonly stop: AbortSignal;
  /** Calls back whenever the program is asked to sync now. */
  onReload(callback: () => void): void;
}

/**
 * Done; failed; bad usage or bad config; done, but nobody read all of the output, which a shell tells of other tools as
 * 128 + SIGPIPE.
 */
export const EXIT = { done: 0, failed: 1, badInput: 2, unread: 141 } as const;
