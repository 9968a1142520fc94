/**
 * Where rules of ours may be left that no backend looks after any more: under another backend, or in the chain of an
 * earlier `--masq-chain`. The one list of these places, for the command `cleanup` and for a change of the backend.
 */
import type { ChainName } from "../config/chain_name.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { CommandError, CommandKilledError, CommandNotFoundError, type CommandRunner } from "../ports.ts";
import { type Backend, BackendError, type Plan } from "./backend.ts";
import type { BackendName } from "./backend_name.ts";
import { createBackend } from "./create_backend.ts";
import { isSubChain } from "./iptables/chain_tree.ts";
import { findOurChains } from "./iptables/listing.ts";
import { type NatTable, targetOf } from "./iptables/nat_table.ts";
import { type IptablesProgram, readNatTable, RESTORE_COMMANDS } from "./iptables/restore_command.ts";
import { type Variant, variantOf } from "./iptables/version.ts";

/** One place: a backend's rules of one family. */
export interface StalePlace {
  readonly backend: BackendName;
  readonly family: IpFamily;
}

/** The variants of iptables by name, and what is looked at only where neither is installed. */
const VARIANTS = ["iptables-nft", "iptables-legacy"] as const;
const FALLBACK = "iptables";

/** What one place has of ours. */
export interface StaleRules {
  /** The name of the chain or table. */
  readonly name: string;
  /** Removes it in one transaction. */
  readonly plan: Plan;
  /** Rules of others that lead to the chain, as the tool prints them: the kernel removes no chain that is in use. */
  readonly usedBy: readonly string[];
}

/** What looking at a place gave: everything of ours there, or why it can't be told. */
export type Found =
  | { readonly place: StalePlace; readonly rules: readonly StaleRules[] }
  | { readonly place: StalePlace; readonly missing: true }
  | { readonly place: StalePlace; readonly error: CommandError };

/** What to look for. */
export interface StaleOptions {
  readonly chainName: ChainName;
  /** Whether to look for that chain alone, and for nothing of nftables. */
  readonly onlyThisChain: boolean;
  readonly runner: CommandRunner;
}

/**
 * Looks at all places of both families, and reads whole tables to find chains of any name. For a person's command.
 * Makes no table, and changes nothing.
 */
export async function findAllStale(options: StaleOptions): Promise<readonly Found[]> {
  const places = (backends: readonly BackendName[]) =>
    backends.flatMap((backend) => (["IPv4", "IPv6"] as const).map((family) => ({ backend, family })));
  const look = (backends: readonly BackendName[]) =>
    Promise.all(places(backends).map((place) => attempt(place, () => scan(place, options))));
  const iptables = await look(VARIANTS);
  const isFallbackOnly = iptables.every((found) => "missing" in found);
  return [
    ...iptables,
    ...(isFallbackOnly ? await look([FALLBACK]) : []),
    ...(options.onlyThisChain ? [] : await look(["nftables"])),
  ];
}

/**
 * Looks at the places beside `active`, whose rules are in force, in its family. Reads our own chains and their jumps
 * only, for whole tables may be large.
 */
export async function findStaleBeside(
  active: Backend,
  { chainName, runner }: Omit<StaleOptions, "onlyThisChain">,
): Promise<readonly Found[]> {
  const { family, name } = active;
  const look = (backends: readonly BackendName[]) =>
    Promise.all(
      backends.filter((backend) => backend !== name).map((backend) => {
        const place = { backend, family };
        return attempt(place, async () => {
          const plan = await (await createBackend(backend, family, chainName, runner)).removal();
          return plan === undefined ? [] : [{ name: chainName, plan, usedBy: [] }];
        });
      }),
    );
  const variant = name === FALLBACK ? await askVariant(family, runner) : undefined;
  const iptables = await look(VARIANTS.filter((backend) => backend !== `iptables-${variant}`));
  const isFallbackOnly = name === "nftables" && iptables.every((found) => "missing" in found);
  return [...iptables, ...await look(isFallbackOnly ? ["nftables", FALLBACK] : ["nftables"])];
}

async function attempt(place: StalePlace, find: () => Promise<readonly StaleRules[]>): Promise<Found> {
  try {
    return { place, rules: await find() };
  } catch (error) {
    if (error instanceof CommandNotFoundError) return { place, missing: true };
    if (!(error instanceof CommandError) || error instanceof CommandKilledError) throw error;
    return { place, error };
  }
}

async function scan({ backend: name, family }: StalePlace, options: StaleOptions): Promise<StaleRules[]> {
  const { chainName, onlyThisChain, runner } = options;
  if (name === "nftables") {
    const plan = await (await createBackend(name, family, chainName, runner)).removal();
    return plan === undefined ? [] : [{ name: "ip-masq-agent", plan, usedBy: [] }];
  }
  let table: NatTable | undefined;
  let chains: readonly ChainName[] = [];
  try {
    table = await readNatTable(family, runner, name);
    if (table !== undefined) chains = findOurChains(table, chainName);
  } catch (error) {
    if (!(error instanceof BackendError && error.needsNft)) throw error;
    // A backend can look for its own chain all the same.
    chains = [chainName];
  }
  const found: StaleRules[] = [];
  for (const chain of chains) {
    if (onlyThisChain && chain !== chainName) continue;
    const backend = await createBackend(name, family, chain, runner);
    const subChains = [...table?.keys() ?? []].filter((it) => isSubChain(it, chain));
    const plan = await backend.removal({ onlyThisChain: true, subChains });
    if (plan !== undefined) {
      found.push({ name: chain, plan, usedBy: table === undefined ? [] : findUsers(table, chain) });
    }
  }
  return found;
}

/** The rules outside of POSTROUTING that lead to a chain. */
function findUsers(table: NatTable, name: ChainName): string[] {
  const users = [...table].flatMap(([chain, rules]) => chain === "POSTROUTING" ? [] : rules);
  return users.filter((rule) => targetOf(rule) === name).map(({ text }) => text);
}

/**
 * Which variant the plain name leads to.
 *
 * @throws {CommandError} It does not say.
 */
export async function askVariant(family: IpFamily, runner: CommandRunner): Promise<Variant> {
  const name = RESTORE_COMMANDS[FALLBACK satisfies IptablesProgram][family];
  const { stdout } = await runner.run({ name, args: ["--version"] });
  const variant = variantOf(stdout);
  if (variant === undefined) throw new BackendError(`${name} --version does not say which variant it is`);
  return variant;
}
