/** Our chains in the nat tables of both iptables variants, under whichever name they were made. */
import { type ChainName, parseChainName } from "../../config/chain_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import type { CommandRunner } from "../../ports.ts";
import type { Leftover, LeftoverPlace } from "../leftovers.ts";
import { IptablesBackend } from "./iptables_backend.ts";
import { commentOf, type NatTable, readNatTable, targetOf } from "./nat_table.ts";
import type { IptablesProgram } from "./restore_command.ts";

/** Every place that iptables has. The plain name leads to one of the variants, or to the only one there was until 1.8. */
export function iptablesPlaces(chainName: ChainName, runner: CommandRunner): LeftoverPlace[] {
  const programs: readonly IptablesProgram[] = ["iptables-nft", "iptables-legacy", "iptables"];
  const families: readonly IpFamily[] = ["IPv4", "IPv6"];
  return programs.flatMap((program) =>
    families.map((family) => iptablesPlace(program, family, chainName, runner))
  );
}

/** The nat table of one family under one program. */
function iptablesPlace(
  program: IptablesProgram,
  family: IpFamily,
  chainName: ChainName,
  runner: CommandRunner,
): LeftoverPlace {
  return {
    name: `${program} ${family}`,
    family,
    isFallback: program === "iptables",
    async find() {
      const table = await readNatTable(family, runner, program);
      if (table === undefined) return undefined;
      const leftovers: Leftover[] = [];
      for (const name of findOurChains(table, chainName)) {
        const backend = new IptablesBackend(family, name, runner, program);
        const plan = await backend.planRemoval();
        if (plan.transaction !== "") leftovers.push({ backend, name, plan, usedBy: findUsers(table, name) });
      }
      return leftovers;
    },
  };
}

/** The rules outside of POSTROUTING that lead to a chain. */
function findUsers(table: NatTable, name: ChainName): string[] {
  const users = [...table].flatMap(([chain, rules]) => chain === "POSTROUTING" ? [] : rules);
  return users.filter((rule) => targetOf(rule) === name).map(({ text }) => text);
}

/** Releases of upstream wrote the comments with literal quote characters around them, so these stand anywhere. */
const JUMP_COMMENT =
  "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom ";
const RULE_COMMENT = /^"?ip-masq-agent: /;

/**
 * The chains that are ours: the one of that name, those that a jump with our comment leads to, and those in which
 * every rule has one of our comments.
 */
export function findOurChains(table: NatTable, chainName: ChainName): ChainName[] {
  const names = new Set<string>();
  const postrouting = table.get("POSTROUTING") ?? [];
  if (table.has(chainName) || postrouting.some((rule) => targetOf(rule) === chainName)) names.add(chainName);
  for (const rule of postrouting) {
    const target = targetOf(rule);
    if (target !== undefined && commentOf(rule).includes(JUMP_COMMENT)) names.add(target);
  }
  for (const [chain, rules] of table) {
    if (rules.length > 0 && rules.every((rule) => RULE_COMMENT.test(commentOf(rule)))) names.add(chain);
  }
  return [...names].flatMap((name) => {
    try {
      return [parseChainName(name)];
    } catch {
      return []; // POSTROUTING itself where it has nothing but our jump; no name that an agent could have used.
    }
  });
}
