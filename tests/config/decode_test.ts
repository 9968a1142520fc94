import { assertEquals, assertThrows } from "@std/assert";
import { decodeConfig, LARGEST_CONFIG } from "../../lib/config/decode.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("decodeConfig() reads UTF-8 and drops a byte order mark", () => {
  assertEquals(decodeConfig(bytes("a: ä\r\n")), "a: ä\r\n");
  assertEquals(decodeConfig(bytes("\ufeffa: 1")), "a: 1");
  assertEquals(decodeConfig(new Uint8Array(LARGEST_CONFIG).fill(32)).length, LARGEST_CONFIG);
});

Deno.test("decodeConfig() rejects what is no text, and says how to save it", async (t) => {
  const cases: Record<string, [Uint8Array, string]> = {
    "UTF-16, little end first": [
      new Uint8Array([0xff, 0xfe, 0x61, 0]),
      "the file is UTF-16 text: save it as UTF-8",
    ],
    "UTF-16, big end first": [
      new Uint8Array([0xfe, 0xff, 0, 0x61]),
      "the file is UTF-16 text: save it as UTF-8",
    ],
    "UTF-16 without a mark, little end first": [
      new Uint8Array([0x61, 0, 0x3a, 0]),
      "the file is UTF-16 text: save it as UTF-8",
    ],
    "UTF-16 without a mark, big end first": [
      new Uint8Array([0, 0x61, 0, 0x3a]),
      "the file is UTF-16 text: save it as UTF-8",
    ],
    "Latin 1": [new Uint8Array([0x61, 0xe4, 0x62]), "the file is not UTF-8 text: save it as UTF-8"],
    "half a character": [new Uint8Array([0x61, 0xc3]), "the file is not UTF-8 text: save it as UTF-8"],
    "a NUL byte": [new Uint8Array([0x61, 0, 0x62]), "the file has NUL bytes: it is not text"],
  };
  for (const [name, [input, message]] of Object.entries(cases)) {
    await t.step(name, () => void assertThrows(() => decodeConfig(input), SyntaxError, message));
  }
  assertThrows(() => decodeConfig(new Uint8Array(LARGEST_CONFIG + 1)), RangeError, "the file is over 16 MiB");
});
