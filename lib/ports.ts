/**
 * What the program needs from the machine. lib/system implements it, tests have their own, and nothing else in lib
 * touches a process, a file or a clock.
 *
 * @module
 */

/** Tells the time and calls back. */
export interface Clock {
  /** Milliseconds since some moment in the past; never steps back. */
  now(): number;
  /** Milliseconds since 1970, as the calendar has it at the moment. */
  epoch(): number;
  /** Calls back after `milliseconds`, 24 days at the most. Returns what prevents that. */
  after(milliseconds: number, callback: () => void): () => void;
}

/** One call is one event is one line. */
export interface Logger {
  error(message: string): void;
  warning(message: string): void;
  info(message: string): void;
  /** Logs only where `-v` is at least `level`; the message is not even made otherwise. */
  verbose(level: number, message: () => string): void;
}

/** How to log. */
export interface LoggerOptions {
  /** `--log-format`: lines as klog writes them, a JSON object a line, or lines with the priority that journald reads. */
  readonly logFormat: "text" | "json" | "journald";
  /** `-v`. */
  readonly verbosity: number;
  /** `--skip_headers`: no severity and time before each line, for a journal that has its own. */
  readonly skipHeaders: boolean;
}

/** The commands that tools/permissions lets the program run. */
export type CommandName =
  | `${"iptables" | "ip6tables"}${"" | "-nft" | "-legacy"}-${"restore" | "save"}`
  | "nft"
  | "conntrack";

/** One run of a command. */
export interface Command {
  readonly name: CommandName;
  readonly args: readonly string[];
  /** Text for standard input; none where undefined. */
  readonly input?: string;
  /** Whether nobody will look at what it prints, which spares reading it. */
  readonly ignoreOutput?: boolean;
  /** Kills the command when it aborts. A command whose signal has aborted is not started. */
  readonly signal?: AbortSignal;
}

/** How a command ended by itself. */
export interface CommandResult {
  /** Exit code; 128 plus the signal's number where a signal of somebody else ended it. */
  readonly code: number;
  /** Empty, as `stderr`, where the command's output is ignored. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs commands. */
export interface CommandRunner {
  /**
   * Runs a command to its end.
   *
   * @throws {CommandNotFoundError} No folder has the command.
   * @throws {CommandTimeoutError} It did not end in time and was killed.
   * @throws {CommandKilledError} Its signal aborted.
   * @throws {CommandError} It could not be started.
   */
  run(command: Command): Promise<CommandResult>;
}

/** A command that gave no result. The message says which, and where it is plain what to do. */
export class CommandError extends Error {
  override readonly name: string = "CommandError";
}

/** A command that is in none of the folders: nothing that it could have made is in the kernel because of it. */
export class CommandNotFoundError extends CommandError {
  override readonly name = "CommandNotFoundError";

  /** @param folders Absolute paths of the folders that were searched. */
  constructor(command: CommandName, folders: readonly string[]) {
    const debianPackage = command === "nft" ? "nftables" : command === "conntrack" ? command : "iptables";
    super(`Cannot find ${command} in ${folders.join(", ")}: install the package "${debianPackage}"`);
  }
}

/** A command that was killed because it took too long. What it wrote by then stays. */
export class CommandTimeoutError extends CommandError {
  override readonly name = "CommandTimeoutError";

  constructor(command: CommandName, milliseconds: number) {
    super(`${command} did not end within ${milliseconds / 1000}s and was killed`);
  }
}

/** A command that this program itself killed, or did not start any more: neither a success nor a failure. */
export class CommandKilledError extends CommandError {
  override readonly name = "CommandKilledError";

  constructor(command: CommandName) {
    super(`${command} was killed, for the agent stops`);
  }
}

/** A config file as it was read. */
export interface ConfigFile {
  /** Its path, as messages show it. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** When it was last written, in milliseconds since 1970, where that is known. */
  readonly modifiedMs?: number;
}

/** What reading gave: the files sorted by name, none where there is none; or why something that is there can't be read. */
export type ConfigReading =
  | {
    readonly files: readonly ConfigFile[];
    /** Names of backups beside the files of a folder, which are not read. Left out where there are none. */
    readonly skipped?: readonly string[];
    /** Where there is no file: names of some other files of the folder, at most five. Left out where there are none. */
    readonly others?: readonly string[];
  }
  | {
    readonly unreadable: string;
    /** Whether it is outside of the folders that the program may read. */
    readonly isOutside?: boolean;
    /** Whether the file system did not answer in time: to watch it would hang, too. */
    readonly isHanging?: boolean;
  };

/** Gives the config's files as they are now. */
export interface ConfigSource {
  /** What the user named or, where that may be one of several, what the last reading took. For messages. */
  readonly path: string;
  /** Never throws for a file system that says no, and never takes longer than a few seconds. */
  read(): Promise<ConfigReading>;
}

/** Hints that the config may have changed. Never more than hints: the interval stays the truth. */
export interface ConfigWatcher {
  /**
   * Watches from now on, unless it does already. Returns whether it began to. Where watching is impossible it does
   * nothing: call it again later.
   */
  ensure(onHint: () => void): boolean;
  /** Ends watching. */
  close(): void;
}

/** Tells that rules in the kernel change. Never more than hints: reading them stays the truth. */
export interface RuleMonitor {
  /**
   * Runs a script of nft that prints events until it is killed, and calls back with what it prints. Resolves with why
   * it ended; it is killed when `stop` aborts, and never outlives the program. Never rejects.
   */
  follow(script: string, onText: (text: string) => void, stop: AbortSignal): Promise<string>;
}

/** What an HTTP request is answered with. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What an agent answered that was asked whether it is ready. */
export type Readiness = Pick<Answer, "status" | "body">;

/** A server that listens. */
export interface HttpServer {
  /** Its address and port, as a URL has them. */
  readonly address: string;
  /** Resolves when it serves no longer: with the reason, or undefined where it was asked to stop. Never rejects. */
  readonly finished: Promise<Error | undefined>;
}
