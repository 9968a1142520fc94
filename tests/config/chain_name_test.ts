import { assertEquals, assertThrows } from "@std/assert";
import { parseChainName } from "../../lib/config/chain_name.ts";

Deno.test("parseChainName() takes what iptables takes", () => {
  for (const name of ["IP-MASQ-AGENT", "a", "_", "masq.v2_x-1", "A".repeat(28)]) {
    assertEquals<string>(parseChainName(name), name);
  }
});

Deno.test("parseChainName() rejects what iptables rejects, or would read as something else", async (t) => {
  const cases: [name: string, message: string][] = [
    ["", "it must have 1 to 28 characters"],
    ["A".repeat(29), "it must have 1 to 28 characters"],
    ["-A", "don't start with"],
    ["!A", "use letters"],
    ["A B", "use letters"],
    ["A\nB", "use letters"],
    ['A"B', "use letters"],
    ["Ä", "use letters"],
    ["POSTROUTING", "built-in chain or target"],
    ["MASQUERADE", "built-in chain or target"],
  ];
  for (const [name, message] of cases) {
    await t.step(
      JSON.stringify(name),
      () => void assertThrows(() => parseChainName(name), SyntaxError, message),
    );
  }
});
