/** Rules through iptables-restore, of whichever variant (nft or legacy). */
import type { ChainName } from "../../config/chain_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import type { Command, CommandName, CommandResult, CommandRunner } from "../../ports.ts";
import type { Ruleset } from "../../rules/ruleset.ts";
import {
  applyPlan,
  type Backend,
  BackendError,
  makePlan,
  type Plan,
  type RuleCounters,
  type SyncResult,
} from "../backend.ts";
import { makeRuleEvents, type RuleEvents } from "../rule_events.ts";
import { expandRuleset, formatChainRule } from "./chain_rule.ts";
import { compare } from "./compare.ts";
import { type Actual, findOurs, hasOurRules, parseCounters, parseListing, toChainName } from "./listing.ts";
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

/** One family's chain and jump in the nat table. */
export class IptablesBackend implements Backend {
  readonly name: IptablesProgram;
  readonly family: IpFamily;
  readonly #chainName: ChainName;
  readonly #runner: CommandRunner;
  readonly #command: CommandName;
  #hasSynced = false;

  constructor(
    family: IpFamily,
    chainName: ChainName,
    runner: CommandRunner,
    program: IptablesProgram = "iptables",
  ) {
    this.name = program;
    this.family = family;
    this.#chainName = chainName;
    this.#runner = runner;
    this.#command = RESTORE_COMMANDS[program][family];
  }

  describe(): string {
    return this.#command;
  }

  /** What is called iptables may be legacy: then nft finds no such chain, and ends. */
  get events(): RuleEvents | undefined {
    if (this.name === "iptables-legacy") return undefined;
    const table = `${this.family === "IPv4" ? "ip" : "ip6"} nat`;
    const chain = this.#chainName.replaceAll(".", "\\.");
    return makeRuleEvents(
      `chain ${table} POSTROUTING`,
      `table ${table}|(?:chain|rule) ${table} (?:POSTROUTING|${chain})`,
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
    if (installText !== undefined && plan.drift.every(({ kind }) => kind === "jump-duplicate")) {
      return { outcome: "applied", drift: [], isFresh: true, text: installText };
    }
    return await applyPlan(plan);
  }

  async plan(ruleset: Ruleset): Promise<Plan> {
    const actual = await this.#read();
    const desired = expandRuleset(ruleset);
    const { drift, changes } = compare(actual, desired, this.#chainName);
    if (drift.length === 0) return this.#toPlan({ text: "" });
    return this.#toPlan({
      drift,
      isFresh: isAbsent(actual),
      text: formatWriteText(this.#chainName, {
        ...changes,
        removeChains: await this.#removableChains(actual),
      }),
      actual: this.#describeActual(actual),
      desired: [
        `-A POSTROUTING ${formatJump(this.#chainName)}`,
        `-N ${this.#chainName}`,
        ...desired.map((rule) => `-A ${this.#chainName} ${formatChainRule(rule)}`),
      ],
    });
  }

  async removal({ onlyThisChain } = { onlyThisChain: false }): Promise<Plan | undefined> {
    let found: Actual;
    try {
      found = await this.#readExisting();
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
        removeChains: actual.chain === undefined ? removeChains : [this.#chainName, ...removeChains],
      }),
      actual: this.#describeActual(actual),
    });
  }

  async counters(): Promise<RuleCounters> {
    const input = formatCountersText(this.#chainName);
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
    const input = formatInstallText(this.#chainName, expandRuleset(ruleset));
    // It does not wait for the lock: where somebody holds it, what follows does.
    const { code } = await this.#run({ args: ["--noflush"], input, ignoreOutput: true });
    return code === 0 ? input : undefined;
  }

  #describeActual({ chain, jumps, staleJumps }: Actual): string[] {
    return [
      ...[...jumps, ...staleJumps].map(({ words }) => `-A POSTROUTING ${formatWords(words)}`),
      ...(chain === undefined ? [] : [`-N ${this.#chainName}`]),
      ...(chain ?? []).map(({ words }) => `-A ${this.#chainName} ${formatWords(words)}`),
    ];
  }

  /**
   * Reads without making a table, as naming one to the legacy variant does. With iptables-nft, whose tables may be too
   * large to list whole, a chain that can't be listed and that no jump leads to counts as absent: it decides nothing.
   */
  async #readExisting(): Promise<Actual> {
    if (this.name === "iptables-nft") return await this.#read(() => Promise.resolve(true));
    const table = await readNatTable(this.family, this.#runner, this.name);
    return findOurs(table ?? new Map(), this.#chainName);
  }

  async #read(isUnusedChainAbsent = () => this.#isChainAbsent()): Promise<Actual> {
    const input = formatReadText(this.#chainName);
    const result = await this.#run({ args: RESTORE_ARGS, input });
    const failure = () => restoreFailure(this.#command, "read", result, input);
    // Only a listing of POSTROUTING in which nothing leads to our chain leaves the question whether there is one.
    if (result.code > 1 || result.code === 1 && !result.stdout.startsWith("-P POSTROUTING ")) throw failure();
    let actual: Actual;
    try {
      actual = parseListing(result.stdout, this.#chainName);
    } catch (error) {
      throw new BackendError(`${this.#command} printed what can't be read: ${(error as Error).message}`);
    }
    if (result.code === 1 && (actual.jumps.length > 0 || !await isUnusedChainAbsent())) throw failure();
    return actual;
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

  /** Chains of an earlier `--masq-chain` that hold only rules of ours, and to which nothing but the stale jumps leads. */
  async #removableChains({ staleJumps }: Actual): Promise<ChainName[]> {
    const removable: ChainName[] = [];
    for (const name of new Set(staleJumps.map(({ target }) => target))) {
      const chainName = toChainName(name);
      if (chainName === undefined) continue;
      const { stdout } = await this.#run({ args: RESTORE_ARGS, input: formatReferencesText(chainName) });
      const references = Number(/^Chain \S+ \((\d+) references\)$/m.exec(stdout)?.[1]);
      const jumps = staleJumps.filter(({ target }) => target === name).length;
      if (references === jumps && hasOurRules(parseNatTable(stdout).get(name) ?? [])) {
        removable.push(chainName);
      }
    }
    return removable;
  }

  async #run(command: Omit<Command, "name">): Promise<CommandResult> {
    return await this.#runner.run({ name: this.#command, ...command });
  }
}

function isAbsent({ chain, jumps, staleJumps }: Actual): boolean {
  return chain === undefined && jumps.length + staleJumps.length === 0;
}
