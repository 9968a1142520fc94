/** IPv6 that is on and not thought of. Apart from other checks: a start without a config makes this one, too. */
import type { ConfigOptions, MasqConfig } from "./config.ts";
import type { ConfigProblem } from "./problem.ts";
import { existsIn } from "./rule_entry.ts";

/** Where IPv6 is on, and nothing but fe80::/10 keeps its address: traffic between pods loses it. */
export function findIpv6Gap(config: MasqConfig, { enableIpv6 }: ConfigOptions): ConfigProblem | undefined {
  const { nonMasqueradeCIDRs, nonMasqueradeSrcCIDRs, masqOutBoundIPv6, rules, origins } = config;
  const isThoughtOf =
    [...nonMasqueradeCIDRs, ...nonMasqueradeSrcCIDRs].some(({ cidr }) => cidr.family === "IPv6") ||
    rules.some((rule) => rule.action.kind === "keep" && existsIn(rule, "IPv6"));
  if (!enableIpv6 || !masqOutBoundIPv6 || isThoughtOf) return undefined;
  const key = "nonMasqueradeCIDRs";
  return {
    severity: "warning",
    origin: origins.get(key) ?? { key },
    message: "no IPv6 range is exempt, so that pods lose their addresses among each other, too: " +
      "add the pods' range, or masqOutBoundIPv6: false",
  };
}
