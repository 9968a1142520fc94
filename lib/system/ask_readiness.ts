/** Asks an agent that runs on this machine whether it is ready. */
import type { Readiness } from "../ports.ts";
import { METRICS_PORT } from "./http_server.ts";
import { startTimer } from "./timer.ts";

/** Milliseconds that an agent may take to answer. */
const TIME_LIMIT_MS = 1_000;

/** Bytes of an answer that are read. */
const MOST_BYTES = 16_384;

/** Gives what /readyz of the first loopback address says; undefined where nobody answers as an agent does. */
export async function askReadiness(port = METRICS_PORT): Promise<Readiness | undefined> {
  for (const hostname of ["127.0.0.1", "::1"]) {
    try {
      return parse(await exchange(hostname, port));
    } catch {
      // Nobody listens there, or no such permission is left.
    }
  }
  return undefined;
}

async function exchange(hostname: string, port: number): Promise<string> {
  using connection = await Deno.connect({ hostname, port });
  const stopTimer = startTimer(TIME_LIMIT_MS, () => connection.close());
  try {
    await connection.write(
      new TextEncoder().encode(`GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`),
    );
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(4_096);
    let text = "";
    for (let total = 0; total < MOST_BYTES;) {
      const length = await connection.read(buffer);
      if (length === null) break;
      total += length;
      text += decoder.decode(buffer.subarray(0, length), { stream: true });
    }
    return text;
  } finally {
    stopTimer();
  }
}

function parse(response: string): Readiness | undefined {
  const [, status, body] = /^HTTP\/1\.[01] (\d{3}) [\s\S]*?\r\n\r\n([\s\S]*)$/.exec(response) ?? [];
  return status === undefined ? undefined : { status: Number(status), body: body! };
}
