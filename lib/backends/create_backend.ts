/** Makes backends by name. */
import type { ChainName } from "../config/chain_name.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { CommandRunner } from "../system/command_runner.ts";
import type { Backend } from "./backend.ts";
import type { BackendName } from "./backend_name.ts";
import { IptablesBackend } from "./iptables/iptables_backend.ts";
import { NftablesBackend } from "./nftables/nftables_backend.ts";

/** The backend of that name for one family; `chainName` matters to those of iptables only. */
export function createBackend(
  name: BackendName,
  family: IpFamily,
  chainName: ChainName,
  runner: CommandRunner,
): Backend {
  return name === "nftables"
    ? new NftablesBackend(family, runner)
    : new IptablesBackend(family, chainName, runner, name);
}
