import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Answer } from "../../lib/ports.ts";
import { type HttpServerOptions, serveHttp } from "../../lib/system/http_server.ts";

/** A server on a free port, which answers with the path, and the port. */
async function withServer(
  test: (port: number) => Promise<void>,
  { answer = echo, options = {} }: {
    readonly answer?: (path: string) => Promise<Answer | undefined>;
    readonly options?: HttpServerOptions;
  } = {},
): Promise<void> {
  const stop = new AbortController();
  const { address, finished } = serveHttp("127.0.0.1", answer, stop.signal, { port: 0, ...options });
  try {
    await test(Number(address.split(":")[1]));
  } finally {
    stop.abort();
    assertEquals(await finished, undefined);
  }
}

function echo(path: string): Promise<Answer | undefined> {
  if (path === "/throws") throw new Error("no answer came to mind");
  if (path === "/rejects") return Promise.reject(new TypeError("it is undefined"));
  if (path === "/nothing") return Promise.resolve(undefined);
  return Promise.resolve({ status: 200, contentType: "text/plain", body: `${path} äöü\n` });
}

/** Sends bytes as they are and reads to the end. */
async function exchange(port: number, request: string): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(request));
  return await readAll(connection);
}

async function readAll(connection: Deno.Conn): Promise<string> {
  return await new Response(connection.readable).text();
}

const HOST = "Host: localhost\r\n\r\n";

/** A request, and the status line and body that it gives. */
const REQUESTS: readonly [name: string, request: string, status: string, body: string | undefined][] = [
  ["a GET", `GET /metrics HTTP/1.1\r\n${HOST}`, "200 OK", "/metrics äöü\n"],
  ["a HEAD", `HEAD /metrics HTTP/1.1\r\n${HOST}`, "200 OK", ""],
  ["HTTP/1.0", "GET /x HTTP/1.0\r\n\r\n", "200 OK", "/x äöü\n"],
  ["bare line feeds", "GET /x HTTP/1.1\nHost: x\n\n", "200 OK", "/x äöü\n"],
  ["a query", `GET /x?y=/z HTTP/1.1\r\n${HOST}`, "200 OK", "/x äöü\n"],
  ["a whole URL", `GET http://a.example/x HTTP/1.1\r\n${HOST}`, "200 OK", "/x äöü\n"],
  ["a body", `GET /x HTTP/1.1\r\nContent-Length: 5\r\n${HOST}12345`, "200 OK", "/x äöü\n"],
  ["IPv6 as a host", "GET /x HTTP/1.1\r\nHost: [::1]:10264\r\n\r\n", "200 OK", "/x äöü\n"],
  ["an empty host", "GET /x HTTP/1.1\r\nHost:\r\n\r\n", "200 OK", "/x äöü\n"],
  ["a path that is unknown", `GET /nothing HTTP/1.1\r\n${HOST}`, "404 Not Found", undefined],
  ["an answer that throws", `GET /throws HTTP/1.1\r\n${HOST}`, "500 Internal Server Error", undefined],
  ["an answer that rejects", `GET /rejects HTTP/1.1\r\n${HOST}`, "500 Internal Server Error", undefined],
  ["a POST", `POST /x HTTP/1.1\r\nContent-Length: 1\r\n${HOST}1`, "405 Method Not Allowed", undefined],
  ["a method nobody knows", `FOO /x HTTP/1.1\r\n${HOST}`, "405 Method Not Allowed", undefined],
  ["OPTIONS of all", `OPTIONS * HTTP/1.1\r\n${HOST}`, "405 Method Not Allowed", undefined],
  ["CONNECT", `CONNECT a.example:443 HTTP/1.1\r\n${HOST}`, "405 Method Not Allowed", undefined],
  ["a method that is no word", `G(T /x HTTP/1.1\r\n${HOST}`, "400 Bad Request", undefined],
  ["a host that is no URL", "GET /x HTTP/1.1\r\nHost: a b\r\n\r\n", "400 Bad Request", undefined],
  ["a host with a path", "GET /x HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 Bad Request", undefined],
  ["no host", "GET /x HTTP/1.1\r\n\r\n", "400 Bad Request", undefined],
  ["two hosts", `GET /x HTTP/1.1\r\nHost: a\r\n${HOST}`, "400 Bad Request", undefined],
  ["a path that is none", `GET x HTTP/1.1\r\n${HOST}`, "400 Bad Request", undefined],
  ["a header that is none", `GET /x HTTP/1.1\r\nnothing\r\n${HOST}`, "400 Bad Request", undefined],
  ["a null byte", `GET /x HTTP/1.1\r\nX: \0\r\n${HOST}`, "400 Bad Request", undefined],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 Bad Request", undefined],
  ["HTTP/0.9", "GET /x\r\n\r\n", "400 Bad Request", undefined],
  ["an empty line", "\r\n\r\n", "400 Bad Request", undefined],
  ["no end", `GET /x HTTP/1.1\r\nX: ${"y".repeat(100_000)}`, "400 Bad Request", undefined],
];

Deno.test("serveHttp() answers a plain GET, and refuses everything else", async (t) => {
  await withServer(async (port) => {
    for (const [name, request, status, body] of REQUESTS) {
      await t.step(name, async () => {
        const [head = "", got] = (await exchange(port, request)).split("\r\n\r\n");
        const [first, ...headers] = head.split("\r\n");
        assertEquals(first, `HTTP/1.1 ${status}`);
        if (body !== undefined) assertEquals(got, body);
        assertEquals(headers.includes("allow: GET, HEAD"), status.startsWith("405"));
      });
    }
    assertEquals(await (await fetch(`http://127.0.0.1:${port}/x`)).text(), "/x äöü\n");
    const post = await fetch(`http://127.0.0.1:${port}/x`, { method: "POST", body: "x".repeat(1_000_000) });
    assertEquals([post.status, await post.text()], [405, "only GET and HEAD\n"]);
  });
});

Deno.test("serveHttp() gives a HEAD the length of the body that a GET has", () =>
  withServer(async (port) => {
    const get = await exchange(port, `GET /x HTTP/1.1\r\n${HOST}`);
    const head = await exchange(port, `HEAD /x HTTP/1.1\r\n${HOST}`);
    const length = new TextEncoder().encode(get.split("\r\n\r\n")[1]).length;
    assertMatch(head, new RegExp(`^content-length: ${length}\r$`, "m"));
  }));

Deno.test("serveHttp() answers at once, however many connections say nothing, and closes those in time", () =>
  withServer(async (port) => {
    const connections = await Promise.all(
      Array.from({ length: 200 }, () => Deno.connect({ hostname: "127.0.0.1", port })),
    );
    await Promise.all(
      connections.map((it) => it.write(new TextEncoder().encode("GET /x HT")).catch(() => {})),
    );
    let isLastOpen = true;
    const closed = connections.map((it, index) =>
      readAll(it).catch(() => {}).then(() => isLastOpen &&= index !== connections.length - 1)
    );
    assertMatch(await exchange(port, `GET /x HTTP/1.1\r\n${HOST}`), /^HTTP\/1\.1 200 /);
    assert(isLastOpen, "the last one has its time");
    await Promise.all(closed);
  }, { options: { timeLimitMs: 5_000 } }));

Deno.test("serveHttp() closes a connection whose client reads nothing", () =>
  withServer(async (port) => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    await connection.write(new TextEncoder().encode(`GET /x HTTP/1.1\r\n${HOST}`));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const text = await readAll(connection).catch(() => "");
    assert(text.length < 50_000_000, "all of it came");
  }, {
    options: { timeLimitMs: 200 },
    answer: () => Promise.resolve({ status: 200, contentType: "text/plain", body: "x".repeat(50_000_000) }),
  }));

Deno.test("serveHttp() goes on after an accept that fails", async () => {
  const listen = Deno.listen;
  let failures = 3;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    listener.accept = () =>
      failures-- > 0 ? Promise.reject(new Error("Too many open files (os error 24)")) : accept();
    return listener;
  }) as typeof Deno.listen;
  try {
    await withServer(async (port) => {
      assertMatch(await exchange(port, `GET /x HTTP/1.1\r\n${HOST}`), /^HTTP\/1\.1 200 /);
      assert(failures < 0);
    });
  } finally {
    Deno.listen = listen;
  }
});

Deno.test("serveHttp() throws where the address is in use", () =>
  withServer((port) => {
    assertThrows(
      () => serveHttp("127.0.0.1", echo, new AbortController().signal, { port }),
      Deno.errors.AddrInUse,
      "Address already in use",
    );
    return Promise.resolve();
  }));

Deno.test("serveHttp() says where it serves, and stops with open connections", async () => {
  const stop = new AbortController();
  const { address, finished } = serveHttp("::1", echo, stop.signal, { port: 0 });
  assertMatch(address, /^\[::1\]:\d+$/);
  const at = { hostname: "::1", port: Number(address.split(":").at(-1)) };
  const connection = await Deno.connect(at);
  await connection.write(new TextEncoder().encode("GET"));
  // Once a later one is answered, the server has accepted this one.
  const later = await Deno.connect(at);
  await later.write(new TextEncoder().encode(`GET /x HTTP/1.1\r\n${HOST}`));
  assertMatch(await readAll(later), /^HTTP\/1\.1 200 /);
  const start = performance.now();
  stop.abort();
  assertEquals(await finished, undefined);
  await readAll(connection).catch(() => {});
  assert(performance.now() - start < 10_000, "it waited for the time limit");
});
