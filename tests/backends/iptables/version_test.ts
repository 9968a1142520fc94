import { assertEquals } from "@std/assert";
import { variantOf } from "../../../lib/backends/iptables/version.ts";

Deno.test("variantOf() reads the variant that iptables-restore --version names", () => {
  assertEquals(variantOf("iptables-restore v1.8.9 (nf_tables)\n"), "nft");
  assertEquals(variantOf("ip6tables-restore v1.8.11 (legacy)"), "legacy");
  assertEquals(variantOf("iptables-restore v1.6.0"), undefined);
  assertEquals(variantOf("bash: not found"), undefined);
});
