import { assertEquals } from "@std/assert";
import { parseRequest } from "../../lib/system/http_message.ts";

Deno.test("parseRequest() takes a whole head only, with nothing behind it", async (t) => {
  const cases: [head: string, isTaken: boolean][] = [
    ["GET /x HTTP/1.1\r\nHost: a\r\n\r\n", true],
    ["GET /x HTTP/1.1\nHost: a\n\n", true],
    ["GET /x HTTP/1.0\r\n\r\n", true],
    ["GET /x HTTP/1.1\r\nHost: a\r\n", false],
    ["GET /x HTTP/1.1\r\nHost: a", false],
    ["GET /x HTTP/1.1\r\nHost: a\r\n\r\nx", false],
    ["GET /x HTTP/1.0\r\n", false],
    ["GET /x HTTP/1.0", false],
    ["", false],
  ];
  for (const [head, isTaken] of cases) {
    await t.step(JSON.stringify(head), () => {
      const request = parseRequest(head);
      assertEquals(
        "path" in request ? request : request.status,
        isTaken ? { path: "/x", isHead: false } : 400,
      );
    });
  }
});
