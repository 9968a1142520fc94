/** Flags -> the backends that do what they say. */
import { AutoBackend, createChooser } from "../backends/auto_backend.ts";
import type { Backend } from "../backends/backend.ts";
import type { BackendChoice, BackendName } from "../backends/backend_name.ts";
import { createBackend } from "../backends/create_backend.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { CommandRunner } from "../ports.ts";
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
 * One backend for each family, by the name that `--backend` has or, for auto, that is found when the first of them is
 * used.
 *
 * @param onChoice Told, once, what auto found and why.
 */
export async function createBackends(
  options: BackendOptions,
  runner: CommandRunner,
  onChoice: (backend: BackendName, reason: string) => void = () => {},
): Promise<readonly Backend[]> {
  const { backend, chainName } = options;
  const families = familiesOf(options);
  const create = (name: BackendName, family: IpFamily) => createBackend(name, family, chainName, runner);
  if (backend !== "auto") return await Promise.all(families.map((family) => create(backend, family)));
  const choose = createChooser(async () => {
    const { detectBackend } = await import("../backends/probe.ts");
    return await detectBackend(runner, chainName);
  }, onChoice);
  return families.map((family) => new AutoBackend(family, choose, (name) => create(name, family)));
}
