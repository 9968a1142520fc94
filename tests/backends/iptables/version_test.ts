import { assertEquals, assertThrows } from "@std/assert";
import { capabilitiesOf, parseIptablesVersion } from "../../../lib/backends/iptables/version.ts";

Deno.test("parseIptablesVersion() reads number and variant", () => {
  assertEquals(parseIptablesVersion("iptables-restore v1.8.9 (nf_tables)\n"), {
    numbers: [1, 8, 9],
    variant: "nft",
  });
  assertEquals(parseIptablesVersion("ip6tables-restore v1.8.11 (legacy)"), {
    numbers: [1, 8, 11],
    variant: "legacy",
  });
  assertEquals(parseIptablesVersion("iptables-restore v1.6.0"), { numbers: [1, 6, 0], variant: "legacy" });
  assertThrows(() => parseIptablesVersion("bash: not found"), SyntaxError, "Cannot find a version");
});

Deno.test("capabilitiesOf() knows since when --random-fully is there", () => {
  for (
    const [version, randomFully] of [["1.6.1", false], ["1.6.2", true], ["1.10.0", true], ["2.0.0", true], [
      "1.4.21",
      false,
    ]] as const
  ) {
    assertEquals(capabilitiesOf(parseIptablesVersion(`v${version}`)), { randomFully });
  }
});
