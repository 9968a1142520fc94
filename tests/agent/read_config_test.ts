import { assertEquals } from "@std/assert";
import { loadReading } from "../../lib/agent/read_config.ts";
import { loadConfig } from "../../lib/config/load_config.ts";

Deno.test("loadReading() of no file is what the parser makes of none", async () => {
  for (const allReservedRanges of [false, true]) {
    const options = { enableIpv6: true, allReservedRanges };
    assertEquals(await loadReading("/etc/config/x", { files: [] }, options), loadConfig([], options));
  }
});
