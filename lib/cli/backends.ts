/** Flags -> the backends that do what they say. */
import type { Backend } from "../backends/backend.ts";
import { IptablesBackend } from "../backends/iptables/iptables_backend.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { CommandRunner } from "../system/command_runner.ts";
import type { RuleOptions } from "./flag_values.ts";

/** The families that the agent looks after. */
export function familiesOf({ enableIpv6 }: Pick<RuleOptions, "enableIpv6">): readonly IpFamily[] {
  return enableIpv6 ? ["IPv4", "IPv6"] : ["IPv4"];
}

/** One backend for each family. */
export function createBackends(options: RuleOptions, runner: CommandRunner): readonly Backend[] {
  return familiesOf(options).map((family) => new IptablesBackend(family, options.chainName, runner));
}
