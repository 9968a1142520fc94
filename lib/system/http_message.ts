/** The text of HTTP requests and responses (RFC 9112), as far as one that asks for /healthz needs it. */
import type { Answer } from "../ports.ts";

/** What a request asks for. */
export interface Request {
  /** Without the query. */
  readonly path: string;
  /** Whether the answer is to come without its body. */
  readonly isHead: boolean;
}

const refusal = (status: number, body: string): Answer => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body,
});

/** What is answered to requests that the program has no answer for. */
export const REFUSALS = {
  noRequest: refusal(400, "not an HTTP request\n"),
  unknownPath: refusal(404, "try /metrics, /healthz or /readyz\n"),
  unknownMethod: refusal(405, "only GET and HEAD\n"),
  failed: refusal(500, "cannot answer\n"),
} as const;

const REASONS: Readonly<Record<number, string>> = {
  200: "OK",
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]+) (\S+) (HTTP\/1\.[01])$/;
const HEADER_LINE = /^[!#$%&'*+.^_`|~\w-]+:[\t\x20-\x7e\x80-\xff]*$/;
const HOST_LINE = /^host:[\t ]*[\w.~!$&'()*+,;=:%[\]-]*[\t ]*$/i;
/** A path with its query, which may stand behind a scheme and a host. */
const TARGET = /^(?:https?:\/\/[^/?#]*)?(\/[^?#]*)/i;

/** Parses a request up to its empty line; gives what to refuse it with where it can't be answered. */
export function parseRequest(head: string): Request | Answer {
  const [first = "", ...lines] = head.split(/\r?\n/);
  const [, method, target, version] = REQUEST_LINE.exec(first) ?? [];
  // An empty line, and nothing behind it.
  const isComplete = lines.length >= 2 && lines.at(-1) === "" && lines.at(-2) === "";
  const headers = lines.slice(0, -2);
  const hosts = headers.filter((line) => /^host:/i.test(line));
  const isHostRight = hosts.every((line) => HOST_LINE.test(line)) &&
    (hosts.length === 1 || hosts.length === 0 && version === "HTTP/1.0");
  if (
    target === undefined || !isComplete || !headers.every((line) => HEADER_LINE.test(line)) || !isHostRight
  ) {
    return REFUSALS.noRequest;
  }
  if (method !== "GET" && method !== "HEAD") return REFUSALS.unknownMethod;
  const path = TARGET.exec(target)?.[1];
  return path === undefined ? REFUSALS.noRequest : { path, isHead: method === "HEAD" };
}

/** Writes a response after which the connection ends. */
export function formatResponse({ status, contentType, body }: Answer, isHead = false): Uint8Array {
  const encoder = new TextEncoder();
  const lines = [
    `HTTP/1.1 ${status} ${REASONS[status] ?? ""}`,
    `date: ${new Date().toUTCString()}`,
    `content-type: ${contentType}`,
    `content-length: ${encoder.encode(body).length}`,
    ...(status === REFUSALS.unknownMethod.status ? ["allow: GET, HEAD"] : []),
    "connection: close",
  ];
  return encoder.encode(`${lines.join("\r\n")}\r\n\r\n${isHead ? "" : body}`);
}
