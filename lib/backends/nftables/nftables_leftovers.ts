/** Our tables in nftables, as `cleanup` looks for them. */
import type { IpFamily } from "../../config/ip_address.ts";
import type { CommandRunner } from "../../ports.ts";
import { BackendMissingError } from "../backend.ts";
import type { LeftoverPlace } from "../leftovers.ts";
import { TABLE_NAME } from "./nft_table.ts";
import { NftablesBackend } from "./nftables_backend.ts";

/** Both families' tables. No rule of another table can lead into them, so they are never in use. */
export function nftablesPlaces(runner: CommandRunner): LeftoverPlace[] {
  return (["IPv4", "IPv6"] as const).map((family: IpFamily) => ({
    name: `nftables ${family}`,
    family,
    isFallback: false,
    async find() {
      const backend = new NftablesBackend(family, runner);
      try {
        const plan = await backend.planRemoval();
        return plan.transaction === "" ? [] : [{ backend, name: TABLE_NAME, plan, usedBy: [] }];
      } catch (error) {
        if (error instanceof BackendMissingError) return undefined;
        throw error;
      }
    },
  }));
}
