/** Rules through iptables-restore, of whichever variant (nft or legacy). */
import type { ChainName } from "../../config/chain_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import type { Command, CommandName, CommandResult, CommandRunner } from "../../ports.ts";
import type { Ruleset } from "../../rules/ruleset.ts";
import {
  applyPlan,
  type Backend,
  BackendError,
  type CountedRule,
  makePlan,
  type Plan,
  type SyncResult,
} from "../backend.ts";
import { NFT_FAMILY } from "../nftables/nft_family.ts";
import { makeRuleEvents, type RuleEvents } from "../rule_events.ts";
import { formatChainRule } from "./chain_rule.ts";
import { buildChains, subChainPrefix } from "./chain_tree.ts";
import { compare } from "./compare.ts";
import {
  type Actual,
  findOurs,
  findSubChains,
  hasOurRules,
  parseCounters,
  parseListing,
  toChainName,
} from "./listing.ts";
import { parseNatTable } from "./nat_table.ts";
import {
  type IptablesProgram,
  readNatTable,
  RESTORE_ARGS,
  RESTORE_COMMANDS,
  restoreFailure,
} from "./restore_command.ts";
import {
  formatCountersText,
  formatInstallText,
  formatJump,
  formatReadText,
  formatReferencesText,
  formatRemoveText,
  formatWords,
  formatWriteText,
} from "./restore_text.ts";

/** A listing of our chains in which nothing differs from a ruleset. */
interface GoodListing {
  readonly ruleset: Ruleset;
  readonly names: readonly string[];
  readonly stdout: string;
}

/** One family's chain, its sub-chains and its jump in the nat table. */
export class IptablesBackend implements Backend {
  readonly name: IptablesProgram;
  readonly family: IpFamily;
  readonly #chainName: ChainName;
  readonly #runner: CommandRunner;
  readonly #command: CommandName;
  #hasSynced = false;
  /** Our chain and its sub-chains, as of the last sync that succeeded. */
  #names: readonly string[];
  #good: GoodListing | undefined;

  constructor(
    family: IpFamily,
    chainName: ChainName,
    runner: CommandRunner,
    program: IptablesProgram = "iptables",
  ) {
    this.name = program;
    this.family = family;
    this.#chainName = chainName;
    this.#names = [chainName];
    this.#runner = runner;
    this.#command = RESTORE_COMMANDS[program][family];
  }

  describe(): string {
    return this.#command;
  }

  /** What is called iptables may be legacy: then nft finds no such chain, and ends. */
  get events(): RuleEvents | undefined {
    if (this.name === "iptables-legacy") return undefined;
    const table = `${NFT_FAMILY[this.family]} nat`;
    const chains = [this.#chainName, `${subChainPrefix(this.#chainName)}\\w+`].join("|").replaceAll(
      ".",
      "\\.",
    );
    return makeRuleEvents(
      `chain ${table} POSTROUTING`,
      `table ${table}|(?:chain|rule) ${table} (?:POSTROUTING|${chains})`,
    );
  }

  /**
   * The first sync begins by writing, in a transaction that fails where our chain exists: on a node that starts, the
   * rules stand after one process instead of three. The reading that follows tells what came of it.
   */
  async sync(ruleset: Ruleset): Promise<SyncResult> {
    const installText = this.#hasSynced ? undefined : await this.#install(ruleset);
    this.#hasSynced = true;
    const plan = await this.plan(ruleset);
    // Agents that install at the same time may append a jump each, which does no harm. To remove one here might
    // remove them all, for the other agent would do the same.
    const isInstalled = installText !== undefined &&
      plan.drift.every(({ kind }) => kind === "jump-duplicate");
    const result: SyncResult = isInstalled
      ? { outcome: "applied", drift: [], isFresh: true, text: installText }
      : await applyPlan(plan);
    this.#names = plan.names;
    return result;
  }

  /** As of every backend, with the names of the chains that are to be. */
  async plan(ruleset: Ruleset): Promise<Plan & Pick<GoodListing, "names">> {
    const good = this.#good?.ruleset === ruleset ? this.#good : undefined;
    const first = good && await this.#list(good.names);
    if (good && first?.code === 0 && first.stdout === good.stdout) {
      return Object.assign(this.#toPlan({ text: "" }), { names: good.names });
    }
    const desired = buildChains(ruleset, this.#chainName);
    const names = [...desired.keys()];
    const { actual, stdout } = await this.#read(names, first);
    const { drift, changes } = compare(actual, desired, this.#chainName);
    this.#good = drift.length === 0 ? { ruleset, names, stdout } : undefined;
    if (drift.length === 0) return Object.assign(this.#toPlan({ text: "" }), { names });
    const plan = this.#toPlan({
      drift,
      isFresh: isAbsent(actual),
      text: formatWriteText(this.#chainName, {
        ...changes,
        removeChains: [...changes.removeChains, ...await this.#removableChains(actual)],
      }),
      actual: this.#describeActual(actual),
      desired: [
        `-A POSTROUTING ${formatJump(this.#chainName)}`,
        ...[...desired].flatMap(([name, rules]) => [
          `-N ${name}`,
          ...rules.map((rule) => `-A ${name} ${formatChainRule(rule)}`),
        ]),
      ],
    });
    return Object.assign(plan, { names });
  }

  async removal(
    { onlyThisChain, subChains }: { onlyThisChain: boolean; subChains?: readonly string[] } = {
      onlyThisChain: false,
    },
  ): Promise<Plan | undefined> {
    let found: Actual;
    try {
      found = await this.#readExisting(subChains);
    } catch (error) {
      if (!(error instanceof BackendError && error.needsNft)) throw error;
      return await this.#removalByNft(error);
    }
    const actual = onlyThisChain ? { ...found, staleJumps: [] } : found;
    if (isAbsent(actual)) return undefined;
    const removeChains = await this.#removableChains(actual);
    return this.#toPlan({
      text: formatRemoveText({
        removeJumps: [...actual.jumps, ...actual.staleJumps],
        removeChains: [...actual.chains.keys(), ...removeChains],
      }),
      actual: this.#describeActual(actual),
    });
  }

  async counters(): Promise<readonly CountedRule[]> {
    const input = formatCountersText(this.#names);
    const result = await this.#run({ args: RESTORE_ARGS, input });
    if (result.code !== 0) throw restoreFailure(this.#command, "count", result, input);
    return parseCounters(result.stdout, this.#chainName);
  }

  async #removalByNft(unreadable: BackendError): Promise<Plan | undefined> {
    const { planRemovalByNft } = await import("./nft_view.ts");
    return await planRemovalByNft(this.family, this.#chainName, this.#runner, unreadable);
  }

  #toPlan(plan: Pick<Plan, "text"> & Partial<Plan>): Plan {
    const apply = async () => {
      const result = await this.#run({ args: RESTORE_ARGS, input: plan.text });
      if (result.code !== 0) throw restoreFailure(this.#command, "write", result, plan.text);
    };
    return makePlan({ family: this.family, apply, ...plan });
  }

  /** Returns the transaction's text; undefined where it failed, for whatever reason. */
  async #install(ruleset: Ruleset): Promise<string | undefined> {
    const input = formatInstallText(this.#chainName, buildChains(ruleset, this.#chainName));
    // It does not wait for the lock: where somebody holds it, what follows does.
    const { code } = await this.#run({ args: ["--noflush"], input, ignoreOutput: true });
    return code === 0 ? input : undefined;
  }

  #describeActual({ chains, jumps, staleJumps }: Actual): string[] {
    return [
      ...[...jumps, ...staleJumps].map(({ words }) => `-A POSTROUTING ${formatWords(words)}`),
      ...[...chains].flatMap(([name, rules]) => [
        `-N ${name}`,
        ...rules.map(({ words }) => `-A ${name} ${formatWords(words)}`),
      ]),
    ];
  }

  /**
   * Reads without making a table, as naming one to the legacy variant does. With iptables-nft, whose tables may be too
   * large to list whole, a chain that can't be listed and that no jump leads to counts as absent: it decides nothing.
   */
  async #readExisting(subChains: readonly string[] = []): Promise<Actual> {
    if (this.name === "iptables-nft") {
      // Ours last: it may be the one that is missing, and the listing ends there.
      const names = [...subChains, this.#chainName];
      return (await this.#read(names, undefined, () => Promise.resolve(true))).actual;
    }
    const table = await readNatTable(this.family, this.#runner, this.name);
    return findOurs(table ?? new Map(), this.#chainName);
  }

  async #list(names: Iterable<string>): Promise<CommandResult> {
    return await this.#run({ args: RESTORE_ARGS, input: formatReadText(names) });
  }

  /**
   * Reads our chain and those sub-chains that are expected. Where others stand, the rules that lead to them are
   * followed, a process for each level.
   */
  async #read(
    expected: readonly string[],
    listed?: CommandResult,
    isUnusedChainAbsent = () => this.#isChainAbsent(),
  ): Promise<{ actual: Actual; stdout: string }> {
    const result = listed ?? await this.#list(expected);
    const { code, stdout } = result;
    const failure = () => restoreFailure(this.#command, "read", result, formatReadText(expected));
    // Only a listing of POSTROUTING in which nothing leads to our chain leaves the question whether there is one.
    if (code > 1 || code === 1 && !stdout.startsWith("-P POSTROUTING ")) throw failure();
    let actual: Actual;
    try {
      actual = parseListing(stdout, this.#chainName);
    } catch (error) {
      throw new BackendError(`${this.#command} printed what can't be read: ${(error as Error).message}`);
    }
    const leadTo = findSubChains(actual, this.#chainName);
    if (code === 0) {
      const names = [...new Set([...expected, ...leadTo])];
      return names.length === expected.length
        ? { actual, stdout }
        : await this.#read(names, undefined, isUnusedChainAbsent);
    }
    // The chain after the last listed one is absent: where that is ours, all of it should be, else a sub-chain.
    if (actual.chains.has(this.#chainName)) {
      const names = [this.#chainName, ...leadTo];
      if (names.every((name) => expected.includes(name)) && names.length === expected.length) throw failure();
      return await this.#read(names, undefined, isUnusedChainAbsent);
    }
    if (actual.jumps.length > 0 || !await isUnusedChainAbsent()) throw failure();
    return { actual, stdout };
  }

  /**
   * Whether our chain does not exist. Versions say that in words which also stand for other failures (1.8.9 calls an
   * absent chain incompatible), so all chains are listed. That costs as much as the whole table, but a chain is absent
   * where somebody deleted it, or where a command looks.
   */
  async #isChainAbsent(): Promise<boolean> {
    try {
      const table = await readNatTable(this.family, this.#runner, this.name);
      return !table?.has(this.#chainName);
    } catch (error) {
      if (!(error instanceof BackendError && error.needsNft)) throw error;
      return await this.#removalByNft(error) === undefined;
    }
  }

  /**
   * Chains of an earlier `--masq-chain` that hold only rules of ours, and to which nothing but the stale jumps leads,
   * with their sub-chains.
   */
  async #removableChains({ staleJumps }: Actual): Promise<string[]> {
    const removable: string[] = [];
    for (const name of new Set(staleJumps.map(({ target }) => target))) {
      const chainName = toChainName(name);
      if (chainName === undefined) continue;
      const { stdout } = await this.#run({ args: RESTORE_ARGS, input: formatReferencesText(chainName) });
      const references = Number(/^Chain \S+ \((\d+) references\)$/m.exec(stdout)?.[1]);
      const jumps = staleJumps.filter(({ target }) => target === name).length;
      const table = parseNatTable(stdout);
      if (references !== jumps || !hasOurRules(table.get(name) ?? [])) continue;
      const earlier = new IptablesBackend(this.family, chainName, this.#runner, this.name);
      const hasSubChains = findSubChains(findOurs(table, chainName), chainName).size > 0;
      removable.push(...hasSubChains ? (await earlier.#read([name])).actual.chains.keys() : [name]);
    }
    return removable;
  }

  async #run(command: Omit<Command, "name">): Promise<CommandResult> {
    return await this.#runner.run({ name: this.#command, ...command });
  }
}

function isAbsent({ chains, jumps, staleJumps }: Actual): boolean {
  return chains.size === 0 && jumps.length + staleJumps.length === 0;
}
