/**
 * The nat table seen through nft(8), for where nft wrote beside iptables-nft what that can't read. It tells what the
 * removal of a chain of ours needs, and no more.
 */
import type { ChainName } from "../../config/chain_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import { CommandKilledError, type CommandRunner } from "../../ports.ts";
import { type BackendError, makePlan, type Plan } from "../backend.ts";
import { isSubChain } from "./chain_tree.ts";
import { NFT_FAMILY } from "../nftables/nft_family.ts";
import { nftFailure } from "../nftables/nft_failure.ts";

/**
 * Plans the removal of a chain and of the jumps to it in POSTROUTING; undefined where there is neither.
 *
 * @param unreadable What iptables said of the table.
 * @throws {BackendError} It, where nft can't read the table either.
 */
export async function planRemovalByNft(
  family: IpFamily,
  chainName: ChainName,
  runner: CommandRunner,
  unreadable: BackendError,
): Promise<Plan | undefined> {
  const name = `${NFT_FAMILY[family]} nat`;
  let listing = "";
  try {
    const { code, stdout } = await runner.run({
      name: "nft",
      args: ["-a", "list", "table", ...name.split(" ")],
    });
    if (code !== 0) throw unreadable;
    listing = stdout;
  } catch (error) {
    throw error instanceof CommandKilledError ? error : unreadable;
  }
  const rulesOf = (chain: string) =>
    listing.split(`\n\tchain ${chain} {`)[1]?.split("\n\t}")[0]?.split("\n").slice(1);
  const names = Array.from(listing.matchAll(/^\tchain (\S+) \{/gm), ([, it]) => it!);
  const ours = names.filter((it) => it === chainName || isSubChain(it, chainName));
  const jump = new RegExp(`\\s(?:jump|goto) ${chainName}(?: .*)? # handle (\\d+)$`);
  const jumps = rulesOf("POSTROUTING")?.flatMap((rule) => jump.exec(rule)?.[1] ?? []) ?? [];
  if (ours.length === 0 && jumps.length === 0) return undefined;
  const text = [
    ...jumps.map((handle) => `delete rule ${name} POSTROUTING handle ${handle}`),
    // All are flushed before one is removed: they lead to each other.
    ...ours.map((it) => `flush chain ${name} ${it}`),
    ...ours.map((it) => `delete chain ${name} ${it}`),
    "",
  ].join("\n");
  return makePlan({
    family,
    text,
    apply: async () => {
      const result = await runner.run({ name: "nft", args: ["-f", "-"], input: text });
      if (result.code !== 0) throw await nftFailure("write", result, runner, text);
    },
    actual: [
      ...jumps.map((handle) => `-A POSTROUTING (handle ${handle}) -j ${chainName}`),
      ...ours.flatMap((it) => [`-N ${it}`, ...rulesOf(it)!.map((rule) => `-A ${it} ${rule.trim()}`)]),
    ],
  });
}
