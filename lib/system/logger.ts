/** Log lines on standard error. The only place that knows @std/log. */
import { BaseHandler } from "@std/log/base-handler";
import { LogLevels } from "@std/log/levels";
import { Logger as StdLogger, type LogRecord } from "@std/log/logger";
import type { Logger, LoggerOptions } from "../ports.ts";

/** Makes the logger that gives each line to `write`. */
export function createLogger(options: LoggerOptions, write: (line: string) => void): Logger {
  const { verbosity, skipHeaders, logFormat } = options;
  const bare = ({ msg }: LogRecord) => oneLine(msg);
  const format = logFormat === "text" ? skipHeaders ? bare : formatRecord : FORMATS[logFormat];
  const std = new StdLogger("ip-masq-agent", "INFO", { handlers: [new LineHandler(format, write)] });
  return {
    error: (message) => void std.error(message),
    warning: (message) => void std.warn(message),
    info: (message) => void std.info(message),
    verbose: (level, message) => {
      if (verbosity >= level) std.info(message());
    },
  };
}

class LineHandler extends BaseHandler {
  readonly #write: (line: string) => void;

  constructor(formatter: (record: LogRecord) => string, write: (line: string) => void) {
    super("INFO", { formatter });
    this.#write = write;
  }

  override log(line: string): void {
    this.#write(`${line}\n`);
  }
}

/** A line as klog begins it, in local time: `I1121 19:28:40.208000 message`. */
export function formatRecord(
  { level, datetime, msg }: Pick<LogRecord, "level" | "datetime" | "msg">,
): string {
  const severity = level >= LogLevels.ERROR ? "E" : level >= LogLevels.WARN ? "W" : "I";
  const pad = (number: number, digits = 2) => String(number).padStart(digits, "0");
  const date = pad(datetime.getMonth() + 1) + pad(datetime.getDate());
  const time = [datetime.getHours(), datetime.getMinutes(), datetime.getSeconds()].map((part) => pad(part))
    .join(":");
  return `${severity}${date} ${time}.${pad(datetime.getMilliseconds(), 3)}000 ${oneLine(msg)}`;
}

/** A line such as `{"time":"2026-11-21T19:28:40.208Z","severity":"info","message":"…"}`. */
export function formatJsonRecord(
  { level, datetime, msg }: Pick<LogRecord, "level" | "datetime" | "msg">,
): string {
  const severity = level >= LogLevels.ERROR ? "error" : level >= LogLevels.WARN ? "warning" : "info";
  return JSON.stringify({ time: datetime.toISOString(), severity, message: msg });
}

/** A line such as `<4>message`: the priority of syslog, which journald takes from the line; it has its own time. */
export function formatJournaldRecord({ level, msg }: Pick<LogRecord, "level" | "msg">): string {
  const priority = level >= LogLevels.ERROR ? 3 : level >= LogLevels.WARN ? 4 : 6;
  return `<${priority}>${oneLine(msg)}`;
}

const FORMATS = { json: formatJsonRecord, journald: formatJournaldRecord };

/** A message with line breaks would look like several events. */
function oneLine(message: string): string {
  return message.replace(/\r?\n/g, "; ");
}
