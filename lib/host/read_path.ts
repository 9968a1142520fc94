/** Reads the nat chains of a host's postrouting hook: those of both variants of iptables and those of native nft tables. */
import { BackendError, describeExit } from "../backends/backend.ts";
import type { BackendName } from "../backends/backend_name.ts";
import { type NatTable, parseNatTable, type TableRule } from "../backends/iptables/nat_table.ts";
import {
  type IptablesProgram,
  readNatTable,
  RESTORE_ARGS,
  RESTORE_COMMANDS,
  restoreFailure,
} from "../backends/iptables/restore_command.ts";
import { mentionsLegacyTables } from "../backends/iptables/version.ts";
import { NFT_FAMILY } from "../backends/nftables/nft_family.ts";
import { TABLE_NAME } from "../backends/nftables/nft_table.ts";
import { askVariant } from "../backends/stale.ts";
import type { ChainName } from "../config/chain_name.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { CommandError, CommandKilledError, CommandNotFoundError, type CommandRunner } from "../ports.ts";
import { chainOf, toPathRule } from "./iptables_path.ts";
import { chainsOf, objectsOf, setsOf, toPathRules } from "./nft_path.ts";
import type { BaseChain, Path, PathRule } from "./path.ts";

/** What reading takes. */
export interface PathParts {
  readonly runner: CommandRunner;
  readonly family: IpFamily;
  /** The backend whose rules are ours: the same chain or table elsewhere is of somebody else, be it an old agent. */
  readonly backend: BackendName;
  readonly chainName: ChainName;
  /** What stands in our chain or table. */
  readonly ours: readonly PathRule[];
  /** Whether to list named sets of nft, too, which may be large. */
  readonly withSets?: boolean;
  /** Is told of what could not be read, and why. A tool that is not installed is nothing to tell. */
  readonly onUnread?: (message: string) => void;
}

/** The priority of iptables' chains. */
const SOURCE_NAT = 100;

/** Tables with more chains are read chain by chain, as far as postrouting leads: kube-proxy's may have 100,000 rules. */
const MOST_CHAINS = 200;

/**
 * Reads the path of one family. Changes nothing and makes no table. It takes one process for the list of nft's chains,
 * one for each native table with a nat chain at the hook (more where it is very large), one for each level of chains below
 * POSTROUTING in iptables-nft, and one for iptables-legacy where that has tables.
 */
export async function readPath(parts: PathParts): Promise<Path> {
  const hooks = await attempt(parts, () => listHooks(parts));
  const tables = await readIptables(parts, hooks);
  const native = (hooks ?? []).filter(({ family, table, name }) =>
    !(tables.hasReadNft && family === NFT_FAMILY[parts.family] && table === "nat" && name === "POSTROUTING")
  );
  const groups = [...Map.groupBy(native, ({ family, table }) => `${family} ${table}`).values()];
  const found = await Promise.all(groups.map((group) => attempt(parts, () => readNftTable(group, parts))));
  const order = (hooks ?? []).map(({ family, table, name }) => `${family} ${table} ${name}`);
  const ranks = new Map(order.map((name, index) => [name, index]));
  const rankOf = ({ hook }: Ranked) => ranks.get(hook) ?? -1;
  // Of chains with the same priority the kernel asks the one first that was hooked in last: most often the last table.
  const path = [...tables.found, ...found.flatMap((it) => it ?? [])]
    .toSorted((a, b) => a.base.priority - b.base.priority || rankOf(b) - rankOf(a))
    .map(({ base }) => base);
  const ours = path.find(({ hasOurs }) => hasOurs);
  return path.map((base) => ({ ...base, isTied: base !== ours && base.priority === ours?.priority }));
}

/** A base chain with the name of its hook in nft's list. */
interface Ranked {
  readonly base: BaseChain;
  readonly hook: string;
}

/** A nat chain of nft at the hook, as its list of chains has it, and how many chains its table has. */
interface Hook {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly prio: number;
  readonly policy: string;
  readonly chains: number;
}

/** Undefined for what can't be read, or has no tool. */
async function attempt<T>({ onUnread }: PathParts, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof CommandError) || error instanceof CommandKilledError) throw error;
    if (!(error instanceof CommandNotFoundError)) onUnread?.(error.message);
    return undefined;
  }
}

async function listHooks({ runner, family }: PathParts): Promise<Hook[]> {
  const chains = await listNft(runner, "chain", "chains");
  const counts = Map.groupBy(chains, (it) => `${it.family} ${it.table}`);
  return chains
    .filter((it) =>
      it.type === "nat" && it.hook === "postrouting" && [NFT_FAMILY[family], "inet"].includes(it.family)
    )
    .map((it) => ({ ...it, chains: counts.get(`${it.family} ${it.table}`)!.length }));
}

// deno-lint-ignore no-explicit-any -- whatever nft printed
async function listNft(runner: CommandRunner, kind: string, ...words: readonly string[]): Promise<any[]> {
  // Only who asks for a set wants its elements.
  const options = kind === "set" || kind === "map" ? ["-j"] : ["-j", "-t"];
  const { code, stdout, stderr } = await runner.run({ name: "nft", args: [...options, "list", ...words] });
  const what = `nft cannot list ${words.join(" ")}`;
  if (code !== 0) throw new BackendError(`${what}: ${stderr.trim().split("\n")[0] || describeExit(code)}`);
  try {
    return objectsOf(stdout, kind);
  } catch (error) {
    throw new BackendError(`${what}: ${(error as Error).message}`);
  }
}

/** Reads the base chains of one table. */
async function readNftTable(hooks: readonly Hook[], parts: PathParts): Promise<Ranked[]> {
  const { family, table, chains: count } = hooks[0]!;
  const isOurs = parts.backend === "nftables" && table === TABLE_NAME && family === NFT_FAMILY[parts.family];
  const lists = isOurs
    ? new Map<string, PathRule[]>()
    : await readNftChains(hooks, parts, count > MOST_CHAINS);
  return hooks.map(({ name, prio, policy }) => ({
    hook: `${family} ${table} ${name}`,
    base: {
      table: `${family} ${table}`,
      priority: prio,
      policy: policy === "drop" ? "drop" : "accept",
      rules: isOurs ? parts.ours : lists.get(name) ?? [],
      chains: lists,
      hasOurs: isOurs,
    },
  }));
}

async function readNftChains(
  hooks: readonly Hook[],
  { runner, family: ipFamily, withSets = false }: PathParts,
  isLarge: boolean,
): Promise<ReadonlyMap<string, readonly PathRule[]>> {
  const { family, table } = hooks[0]!;
  const listed = isLarge ? [] : await listNft(runner, "rule", "table", family, table);
  const rules = Map.groupBy(listed, ({ chain }) => chain as string);
  const sets = new Map<string, readonly unknown[]>();
  await followJumps(hooks.map(({ name }) => name), async (names) => {
    const next: string[] = [];
    for (const name of names) {
      if (isLarge) rules.set(name, await listNft(runner, "rule", "chain", family, table, name));
      for (const { expr } of rules.get(name) ?? []) {
        next.push(...chainsOf(expr));
        for (const set of withSets ? setsOf(expr) : []) {
          if (!sets.has(set)) sets.set(set, await listSet(runner, family, table, set));
        }
      }
    }
    return next;
  });
  return new Map(
    [...rules].map(([chain, those]) => [
      chain,
      those.flatMap((rule, index) => toPathRules(rule, index + 1, ipFamily, sets)),
    ]),
  );
}

/** The elements of a set or map, which nft lists under different names. */
async function listSet(runner: CommandRunner, ...words: readonly string[]): Promise<readonly unknown[]> {
  const found = await listNft(runner, "set", "set", ...words).catch(() =>
    listNft(runner, "map", "map", ...words)
  );
  return found[0]?.elem ?? [];
}

/** Visits chains level by level, each chain once; `visit` returns those that a level leads to. */
async function followJumps(
  first: readonly string[],
  visit: (names: readonly string[]) => Promise<readonly string[]>,
): Promise<void> {
  const seen = new Set<string>();
  for (let level = [...new Set(first)]; level.length > 0;) {
    for (const name of level) seen.add(name);
    level = [...new Set(await visit(level))].filter((name) => !seen.has(name));
  }
}

/** What was read of iptables, and whether the nft variant read its own table, so that nobody else has to. */
interface IptablesFound {
  readonly found: readonly Ranked[];
  readonly hasReadNft: boolean;
}

async function readIptables(parts: PathParts, hooks: readonly Hook[] | undefined): Promise<IptablesFound> {
  const { backend, family, runner } = parts;
  const hasTable = hooks?.some((it) => `${it.family} ${it.table} ${it.name}` === nftHook(family)) ?? true;
  const nft = backend === "iptables" && await askVariant(family, runner) === "nft"
    ? "iptables"
    : "iptables-nft";
  const legacy = backend === "iptables" && nft !== "iptables" ? "iptables" : "iptables-legacy";
  const found: Ranked[] = [];
  let hasLegacy = true;
  if (hasTable || backend === nft) {
    // What it can't read nft can, as far as it is there.
    const reading = { ...parts, ...(hooks !== undefined && { onUnread: () => {} }) };
    const read = await attempt(reading, () => readChains(nft, parts));
    if (read !== undefined) {
      hasLegacy = read.mentionsLegacy;
      found.push({ hook: nftHook(family), base: toBaseChain(nft, read.table, parts) });
    }
  }
  const hasReadNft = found.length > 0;
  if (hasLegacy || backend === legacy) {
    const table = await attempt(
      parts,
      async () =>
        backend === legacy
          ? (await readChains(legacy, parts)).table
          : await readNatTable(family, runner, legacy),
    );
    if (table !== undefined) found.push({ hook: "", base: toBaseChain(legacy, table, parts) });
  }
  return { found, hasReadNft };
}

/** What the nft variant prints of a table with a base chain that is hooked in otherwise than its own are. */
const INCOMPATIBLE = /incompatible base-chains/;

function nftHook(family: IpFamily): string {
  return `${NFT_FAMILY[family]} nat POSTROUTING`;
}

function toBaseChain(
  program: IptablesProgram,
  table: NatTable,
  { backend, chainName, ours }: PathParts,
): BaseChain {
  const isActive = program === backend;
  const chains = new Map([...table].map(([name, rules]) => [name, rules.map(toPathRule)]));
  if (isActive) chains.set(chainName, [...ours]);
  return {
    table: `nat (${program})`,
    priority: SOURCE_NAT,
    policy: "accept",
    rules: chains.get("POSTROUTING") ?? [],
    chains,
    hasOurs: isActive && (table.get("POSTROUTING") ?? []).some((rule) => chainOf(rule) === chainName),
  };
}

/** Lists POSTROUTING and all that it leads to, but our own chain, of a table that may be too large to list whole. */
async function readChains(
  program: IptablesProgram,
  { runner, family, backend, chainName }: PathParts,
): Promise<{ readonly table: NatTable; readonly mentionsLegacy: boolean }> {
  const name = RESTORE_COMMANDS[program][family];
  const table = new Map<string, readonly TableRule[]>();
  let mentionsLegacy = false;
  await followJumps(["POSTROUTING"], async (names) => {
    const input = ["*nat", ...names.map((it) => `-S ${it}`), "COMMIT", ""].join("\n");
    const result = await runner.run({ name, args: RESTORE_ARGS, input });
    if (result.code !== 0) throw restoreFailure(name, "read", result, input);
    // It then lists chains as if they were empty.
    if (INCOMPATIBLE.test(result.stdout)) {
      throw new BackendError(`${name} cannot read the nat table: only nft can`);
    }
    mentionsLegacy ||= mentionsLegacyTables(result.stderr);
    const next: string[] = [];
    for (const [chain, rules] of parseNatTable(result.stdout)) {
      table.set(chain, rules);
      next.push(...rules.flatMap((rule) => chainOf(rule) ?? []));
    }
    return program === backend ? next.filter((it) => it !== chainName) : next;
  });
  return { table, mentionsLegacy };
}
