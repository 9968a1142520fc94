/** Flags -> the backends that do what they say. */
import type { Backend } from "../backends/backend.ts";
import type { BackendChoice } from "../backends/backend_name.ts";
import type { BackendDecision } from "../backends/choose.ts";
import { createBackend } from "../backends/create_backend.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { CommandRunner } from "../ports.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import type { RuleOptions } from "./flag_values.ts";

/** The families that the agent looks after. */
export function familiesOf({ enableIpv6 }: Pick<RuleOptions, "enableIpv6">): readonly IpFamily[] {
  return enableIpv6 ? ["IPv4", "IPv6"] : ["IPv4"];
}

/** What backends are made from. */
export type BackendOptions = Pick<RuleOptions, "enableIpv6" | "chainName"> & {
  readonly backend: BackendChoice;
};

/**
 * The backend that `--backend` names or, for auto, the one that suits the host now and takes these rules.
 *
 * @throws {CommandError} auto finds none that works.
 */
export async function decideBackend(
  options: BackendOptions,
  runner: CommandRunner,
  rulesets: readonly Ruleset[],
): Promise<BackendDecision> {
  const { backend, chainName } = options;
  if (backend !== "auto") return { backend, reason: "" };
  const { chooseBackend } = await import("../backends/choose.ts");
  return await chooseBackend(runner, chainName, rulesets);
}

/**
 * One backend for each ruleset, for a command.
 *
 * @throws {CommandError} auto finds none that works.
 */
export async function createBackends(
  options: BackendOptions,
  runner: CommandRunner,
  rulesets: readonly Ruleset[],
): Promise<readonly Backend[]> {
  const { backend } = await decideBackend(options, runner, rulesets);
  return await Promise.all(
    rulesets.map(({ family }) => createBackend(backend, family, options.chainName, runner)),
  );
}
