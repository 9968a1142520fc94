/** `ip-masq-agent cleanup`. */
import { findAllStale, type Found, type StalePlace, type StaleRules } from "../../backends/stale.ts";
import { parseChainName } from "../../config/chain_name.ts";
import { plural } from "../../config/printable.ts";
import { CommandError } from "../../ports.ts";
import type { FlagValues } from "../flag_values.ts";
import { EXIT, type System } from "../system.ts";

/**
 * Removes everything of ours from every place, or the one chain that `--masq-chain` names, and says what. A place that
 * fails does not stop the others.
 */
export async function cleanup(flags: FlagValues, system: System): Promise<number> {
  const dryRun = flags.boolean("dry-run");
  const found = await findAllStale({
    chainName: flags.parsed("masq-chain", parseChainName),
    onlyThisChain: flags.has("masq-chain"),
    runner: system.runner,
  });
  let failures = 0;
  const fail = (place: StalePlace, message: string) => {
    failures++;
    system.printError(`ip-masq-agent: ${nameOf(place)}: ${message}\n`);
  };
  for (const it of found) {
    if ("error" in it) fail(it.place, it.error.message);
    for (const rules of rulesOf(it)) {
      const [user] = rules.usedBy;
      if (user !== undefined) {
        fail(it.place, `chain ${rules.name} is in use, and nothing of it was removed: first remove ${user}`);
        continue;
      }
      try {
        if (!dryRun) await rules.plan.apply();
        system.printOut(`${describeRemoval(it.place, rules, dryRun)}\n`);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        fail(it.place, error.message);
      }
    }
  }
  if (failures > 0) return EXIT.failed;
  if (found.every((it) => rulesOf(it).length === 0)) {
    const isNothingThere = found.every((it) => "missing" in it);
    system.printOut(`Nothing to remove${isNothingThere ? ": neither iptables nor nft is installed" : ""}\n`);
  }
  return EXIT.done;
}

function rulesOf(found: Found): readonly StaleRules[] {
  return "rules" in found ? found.rules : [];
}

function nameOf({ backend, family }: StalePlace): string {
  return `${backend} ${family}`;
}

function describeRemoval(place: StalePlace, { name, plan }: StaleRules, dryRun: boolean): string {
  const count = (start: string) => plan.actual.filter((line) => line.startsWith(start)).length;
  const parts: string[] = [];
  const jumps = count("-A POSTROUTING ");
  if (count("-N ") > 0) parts.push(`chain ${name} (${plural(count("-A ") - jumps, "rule")})`);
  if (count("table ") > 0) parts.push(`table ${name}`);
  if (jumps > 0) parts.push(`${plural(jumps, "jump")} to ${parts.length > 0 ? "it" : name}`);
  return `${nameOf(place)}: ${dryRun ? "would remove" : "removed"} ${parts.join(" and ")}`;
}
