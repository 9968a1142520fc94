/** Makes backends by name. */
import type { ChainName } from "../config/chain_name.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { CommandRunner } from "../ports.ts";
import type { Backend } from "./backend.ts";
import type { BackendName } from "./backend_name.ts";
import { IptablesBackend } from "./iptables/iptables_backend.ts";

/**
 * The backend of that name for one family; `chainName` matters to those of iptables only. The code for nftables is
 * loaded by who needs it.
 */
export async function createBackend(
  name: BackendName,
  family: IpFamily,
  chainName: ChainName,
  runner: CommandRunner,
): Promise<Backend> {
  if (name !== "nftables") return new IptablesBackend(family, chainName, runner, name);
  const { NftablesBackend } = await import("./nftables/nftables_backend.ts");
  return new NftablesBackend(family, runner);
}
