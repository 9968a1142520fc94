import { assertEquals } from "@std/assert";
import { parseIpAddress } from "../../lib/config/ip_address.ts";
import { explainPacket } from "../../lib/rules/explain.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { configOf } from "../fakes/config.ts";

Deno.test("explainPacket() names the deciding rule and those that it hides", async (t) => {
  const config = configOf({
    nonMasqueradeCIDRs: ["10.0.0.0/8", "10.10.0.0/16", "fd00::/8"],
    masqueradeCIDRs: ["10.10.10.10/32"],
    masqOutBoundIPv6: false,
  });
  const cases: [
    address: string,
    isMasqueraded: boolean,
    reason: string,
    number?: number,
    ...shadowed: string[],
  ][] = [
    ["10.10.10.10", true, "rule", 1, "10.0.0.0/8", "10.10.0.0/16"],
    ["10.10.10.11", false, "rule", 3, "10.10.0.0/16"],
    ["169.254.169.254", false, "rule", 2],
    ["203.0.113.1", true, "rule", 5],
    ["127.0.0.53", false, "local"],
    ["fd00::1", false, "rule", 2],
    ["fe80::1", false, "rule", 1],
    ["2001:db8::1", false, "no-rule"],
    ["::1", false, "local"],
  ];
  for (const [address, isMasqueraded, reason, ruleNumber, ...shadowed] of cases) {
    await t.step(address, () => {
      const destination = parseIpAddress(address);
      const ruleset = buildRuleset(destination.family, config, { randomFully: true, toPorts: [] });
      const found = explainPacket(ruleset, { destination });
      assertEquals(
        [found.target === "MASQUERADE", found.reason, found.ruleNumber, found.rule],
        [
          isMasqueraded,
          reason,
          ruleNumber,
          ruleNumber === undefined ? undefined : ruleset.rules[ruleNumber - 1],
        ],
      );
      assertEquals(found.shadowed.map(({ match }) => match.destinations?.[0]?.text), shadowed);
    });
  }
});
