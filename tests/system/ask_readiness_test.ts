import { assertEquals } from "@std/assert";
import { askReadiness } from "../../lib/system/ask_readiness.ts";
import { serveHttp } from "../../lib/system/http_server.ts";

const PLAIN = "text/plain";

Deno.test("askReadiness() gives what the agent's own server answers, on either loopback address", async () => {
  for (const host of ["127.0.0.1", "::1"]) {
    const stop = new AbortController();
    const { address, finished } = serveHttp(
      host,
      (path) => Promise.resolve({ status: 503, contentType: PLAIN, body: `${path}: IPv4: nöt yet\n` }),
      stop.signal,
      { port: 0 },
    );
    const port = Number(address.split(":").at(-1));
    assertEquals(await askReadiness(port), { status: 503, body: "/readyz: IPv4: nöt yet\n" });
    stop.abort();
    await finished;
    assertEquals(await askReadiness(port), undefined, "nobody listens any more");
  }
});

Deno.test("askReadiness() believes nobody who is slow, endless or something else", async () => {
  const answers = ["", "SSH-2.0-x\r\n\r\n", `HTTP/1.1 200 OK\r\n\r\n${"x".repeat(200_000)}`];
  for (const answer of answers) {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const serving = (async () => {
      const connection = await listener.accept();
      await connection.write(new TextEncoder().encode(answer)).catch(() => {});
      if (answer !== "") return connection.close();
      // It says nothing, and does not hang up either.
      await new Response(connection.readable).text().catch(() => {});
    })();
    const asked = await askReadiness((listener.addr as Deno.NetAddr).port);
    assertEquals((asked?.body.length ?? 0) <= 20_480, true);
    assertEquals(asked?.status, answer.startsWith("HTTP") ? 200 : undefined);
    await serving;
  }
});
