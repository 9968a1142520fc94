import { assertEquals } from "@std/assert";
import { mentionsLegacyTables, variantOf } from "../../../lib/backends/iptables/version.ts";

Deno.test("variantOf() reads the variant that iptables-restore --version names", () => {
  assertEquals(variantOf("iptables-restore v1.8.9 (nf_tables)\n"), "nft");
  assertEquals(variantOf("ip6tables-restore v1.8.11 (legacy)"), "legacy");
  assertEquals(variantOf("iptables-restore v1.6.0"), undefined);
  assertEquals(variantOf("bash: not found"), undefined);
});

Deno.test("mentionsLegacyTables() knows the warning of both families, among others", () => {
  for (const tool of ["iptables", "ip6tables"]) {
    const warning = `# Warning: ${tool}-legacy tables present, use ${tool}-legacy to see them\n`;
    assertEquals(mentionsLegacyTables(`${tool}-nft-restore: COMMIT expected at line 8\n${warning}`), true);
  }
  for (const stderr of ["", "iptables-legacy-restore: line 2 failed\n"]) {
    assertEquals(mentionsLegacyTables(stderr), false);
  }
});
