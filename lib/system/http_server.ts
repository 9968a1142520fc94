/**
 * A small HTTP server for machines that look after machines: one request per connection, a bound on connections and on
 * their time. Deno.serve has neither: each half-open connection took 15 KiB, without end, and where no file descriptor
 * was left it closed the port for good.
 */
import type { Answer, HttpServer } from "../ports.ts";
import { formatResponse, parseRequest, REFUSALS } from "./http_message.ts";
import { pause, startTimer } from "./timer.ts";

/** The port of the metrics; the executable's permissions cover this one on loopback and wildcard addresses only. */
export const METRICS_PORT = 10264;

/** Connections at a time. One more takes the place of the oldest, so that slow clients keep nobody out. */
const MOST_CONNECTIONS = 64;

/** Bytes of a request without its body, which nobody reads. */
const MOST_REQUEST_BYTES = 16_384;

/** Milliseconds after which a connection is closed, whatever it does. */
const TIME_LIMIT_MS = 15_000;

/** Milliseconds until the next attempt where no connection could be accepted. */
const RETRY_MS = 100;

/** What a server may be told otherwise. */
export interface HttpServerOptions {
  /** 0 for any that is free. */
  readonly port?: number;
  /** Milliseconds that a connection may last. */
  readonly timeLimitMs?: number;
}

/**
 * Answers GET and HEAD requests on `hostname`, until `stop` aborts.
 *
 * @throws {Error} The address can't be listened on.
 */
export function serveHttp(
  hostname: string,
  answer: (path: string) => Promise<Answer | undefined>,
  stop: AbortSignal,
  { port = METRICS_PORT, timeLimitMs = TIME_LIMIT_MS }: HttpServerOptions = {},
): HttpServer {
  const listener = Deno.listen({ hostname, port });
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return {
    address: `${host}:${(listener.addr as Deno.NetAddr).port}`,
    finished: acceptAll(listener, answer, stop, timeLimitMs),
  };
}

/** Resolves when nothing is accepted any more, with the reason unless it is `stop`. */
async function acceptAll(
  listener: Deno.Listener,
  answer: (path: string) => Promise<Answer | undefined>,
  stop: AbortSignal,
  timeLimitMs: number,
): Promise<Error | undefined> {
  /** Those that are open, the oldest first. */
  const connections = new Set<Deno.Conn>();
  stop.addEventListener("abort", () => {
    close(listener);
    for (const connection of connections) close(connection);
  });
  while (true) {
    try {
      const connection = await listener.accept();
      connections.add(connection);
      const [oldest] = connections;
      if (connections.size > MOST_CONNECTIONS) {
        connections.delete(oldest!);
        close(oldest!);
      }
      void serve(connection, answer, timeLimitMs).then(() => connections.delete(connection));
    } catch (error) {
      if (stop.aborted) return undefined;
      if (error instanceof Deno.errors.BadResource) return error;
      // Most likely no file descriptor is left, and the commands of a sync need some.
      for (const open of connections) close(open);
      await pause(RETRY_MS);
    }
  }
}

function close(resource: Deno.Listener | Deno.Conn): void {
  try {
    resource.close();
  } catch {
    // It is closed already.
  }
}

/** Answers the request of one connection and closes it. Never rejects. */
async function serve(
  connection: Deno.Conn,
  answer: (path: string) => Promise<Answer | undefined>,
  timeLimitMs: number,
): Promise<void> {
  const stopTimer = startTimer(timeLimitMs, () => close(connection));
  try {
    const head = await readHead(connection);
    if (head !== "") {
      await writeAll(connection, await respond(head, answer));
      await connection.closeWrite();
      // What is closed before all is read is reset, and the client may lose its answer.
      const rest = new Uint8Array(4_096);
      while (await connection.read(rest) !== null) { /* A body. */ }
    }
  } catch {
    // The client went away, or was too slow.
  } finally {
    stopTimer();
    close(connection);
  }
}

/** Reads a request up to its empty line, as far as it comes. */
async function readHead(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(4_096);
  let head = "";
  while (head.length < MOST_REQUEST_BYTES) {
    const length = await connection.read(buffer);
    if (length === null) break;
    head += decoder.decode(buffer.subarray(0, length));
    const end = /\r?\n\r?\n/.exec(head);
    if (end !== null) return head.slice(0, end.index + end[0].length);
  }
  return head;
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

async function respond(
  head: string,
  answer: (path: string) => Promise<Answer | undefined>,
): Promise<Uint8Array> {
  const request = parseRequest(head);
  if ("status" in request) return formatResponse(request);
  try {
    return formatResponse(await answer(request.path) ?? REFUSALS.unknownPath, request.isHead);
  } catch (error) {
    return formatResponse({ ...REFUSALS.failed, body: `cannot answer: ${(error as Error).message}\n` });
  }
}
