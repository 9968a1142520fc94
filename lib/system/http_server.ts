/** A small HTTP server for machines that look after machines. */
import type { Answer } from "../ports.ts";

/** The port of the metrics; the executable's permissions cover this one on loopback and wildcard addresses only. */
export const METRICS_PORT = 10264;

/**
 * Answers GET and HEAD requests on `hostname`, until `stop` aborts.
 *
 * @throws {Error} The address can't be listened on.
 */
export function serveHttp(
  hostname: string,
  answer: (path: string) => Promise<Answer | undefined>,
  stop: AbortSignal,
): void {
  Deno.serve({ hostname, port: METRICS_PORT, signal: stop, onListen: () => {} }, async ({ method, url }) => {
    if (method !== "GET" && method !== "HEAD") {
      return new Response("only GET\n", { status: 405, headers: { allow: "GET, HEAD" } });
    }
    const found = await answer(new URL(url).pathname);
    if (found === undefined) return new Response("try /metrics, /healthz or /readyz\n", { status: 404 });
    return new Response(found.body, { status: found.status, headers: { "content-type": found.contentType } });
  });
}
