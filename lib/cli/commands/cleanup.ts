/** `ip-masq-agent cleanup`. */
import { BackendError } from "../../backends/backend.ts";
import { iptablesPlaces } from "../../backends/iptables/iptables_leftovers.ts";
import { nftablesPlaces } from "../../backends/nftables/nftables_leftovers.ts";
import type { Leftover, LeftoverPlace } from "../../backends/leftovers.ts";
import { parseChainName } from "../../config/chain_name.ts";
import { plural } from "../../config/printable.ts";
import type { FlagValues } from "../flag_values.ts";
import { EXIT, type System } from "../system.ts";

/** Removes everything of ours from every place, and says what; a place that fails does not stop the others. */
export async function cleanup(flags: FlagValues, system: System): Promise<number> {
  const chainName = flags.parsed("masq-chain", parseChainName);
  const dryRun = flags.boolean("dry-run");
  const { runner } = system;
  const places: readonly LeftoverPlace[] = [...iptablesPlaces(chainName, runner), ...nftablesPlaces(runner)];
  let [found, failures, present] = [0, 0, 0];
  const attempt = async (place: LeftoverPlace, action: () => Promise<void>) => {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      failures++;
      system.printError(`ip-masq-agent: ${place.name}: ${error.message}\n`);
    }
  };
  const fallbacks = places.filter((place) => place.isFallback);
  const variants = places.filter((place) => !place.isFallback);
  for (const place of [...variants, ...fallbacks]) {
    if (place === fallbacks[0] && present + failures > 0) break;
    await attempt(place, async () => {
      const leftovers = await place.find();
      if (leftovers !== undefined) present++;
      for (const leftover of leftovers ?? []) {
        found++;
        await attempt(place, async () => {
          if (leftover.usedBy.length > 0) throw inUse(leftover);
          if (!dryRun) await leftover.backend.apply(leftover.plan);
          system.printOut(`${describeRemoval(place, leftover, dryRun)}\n`);
        });
      }
    });
  }
  if (failures > 0) return EXIT.failed;
  if (present === 0) {
    system.printOut("Nothing to remove: no iptables is installed, or the kernel has no nat table\n");
  } else if (found === 0) system.printOut("Nothing to remove\n");
  return EXIT.done;
}

function inUse({ name, usedBy: [rule] }: Leftover): BackendError {
  return new BackendError(`chain ${name} is in use, and nothing of it was removed: first remove ${rule}`);
}

function describeRemoval({ name: place }: LeftoverPlace, { name, plan }: Leftover, dryRun: boolean): string {
  const count = (pattern: string) => plan.standing.filter((line) => line.startsWith(pattern)).length;
  const parts: string[] = [];
  if (count(`-N ${name}`) > 0) parts.push(`chain ${name} (${plural(count(`-A ${name} `), "rule")})`);
  if (count("table ") > 0) parts.push(`table ${name}`);
  const jumps = count("-A POSTROUTING ");
  if (jumps > 0) parts.push(`${plural(jumps, "jump")} to ${parts.length > 0 ? "it" : name}`);
  return `${place}: ${dryRun ? "would remove" : "removed"} ${parts.join(" and ")}`;
}
