/** Rules through iptables-restore, of whichever variant (nft or legacy). */
import type { ChainName } from "../../config/chain_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import type { Ruleset } from "../../rules/ruleset.ts";
import type { CommandName, CommandResult, CommandRunner } from "../../system/command_runner.ts";
import { type Backend, BackendError, type SyncPlan, type VerdictCounters } from "../backend.ts";
import { type Capabilities, expandRuleset, formatChainRule, quoteWord } from "./chain_rule.ts";
import { compare } from "./compare.ts";
import { parseCounters, parseListing, type Standing } from "./listing.ts";
import { type IptablesProgram, RESTORE_ARGS, RESTORE_COMMANDS, restoreFailure } from "./restore_command.ts";
import {
  formatCountersText,
  formatJump,
  formatReadText,
  formatRemoveText,
  formatWriteText,
} from "./restore_text.ts";
import { capabilitiesOf, parseIptablesVersion } from "./version.ts";

/** One family's chain and jump in the nat table. Remembers only what the installed iptables is. */
export class IptablesBackend implements Backend {
  readonly family: IpFamily;
  readonly #chainName: ChainName;
  readonly #runner: CommandRunner;
  readonly #command: CommandName;
  #installed: { readonly description: string; readonly capabilities: Capabilities } | undefined;

  constructor(
    family: IpFamily,
    chainName: ChainName,
    runner: CommandRunner,
    program: IptablesProgram = "iptables",
  ) {
    this.family = family;
    this.#chainName = chainName;
    this.#runner = runner;
    this.#command = RESTORE_COMMANDS[program][family];
  }

  describe(): string {
    return this.#installed?.description ?? this.#command;
  }

  async plan(ruleset: Ruleset): Promise<SyncPlan> {
    const { capabilities } = this.#installed ??= await this.#probe();
    const wanted = expandRuleset(ruleset, capabilities);
    const standing = await this.#read();
    const { drift, changes } = compare(standing, wanted, this.#chainName);
    const fresh = standing.chain === undefined && standing.jumps.length === 0;
    if (drift.length === 0) {
      return { family: this.family, drift, fresh, transaction: "", standing: [], wanted: [] };
    }
    return {
      family: this.family,
      drift,
      fresh,
      transaction: formatWriteText(this.#chainName, changes),
      standing: this.#standingLines(standing),
      wanted: [
        `-A POSTROUTING ${formatJump(this.#chainName)}`,
        `-N ${this.#chainName}`,
        ...wanted.map((rule) => `-A ${this.#chainName} ${formatChainRule(rule)}`),
      ],
    };
  }

  async apply({ transaction }: SyncPlan): Promise<void> {
    const result = await this.#run(RESTORE_ARGS, transaction);
    if (result.code !== 0) throw this.#failure("write", result, transaction);
  }

  async planRemoval(): Promise<SyncPlan> {
    const standing = await this.#read();
    const fresh = standing.chain === undefined && standing.jumps.length === 0;
    return {
      family: this.family,
      drift: [],
      fresh,
      transaction: fresh ? "" : formatRemoveText(this.#chainName, standing),
      standing: this.#standingLines(standing),
      wanted: [],
    };
  }

  async readCounters(): Promise<VerdictCounters> {
    const input = formatCountersText(this.#chainName);
    const result = await this.#run(RESTORE_ARGS, input);
    if (result.code !== 0) throw this.#failure("count", result, input);
    return parseCounters(result.stdout, this.#chainName);
  }

  #standingLines({ chain, jumps }: Standing): string[] {
    return [
      ...jumps.map(({ words }) => `-A POSTROUTING ${words.map(quoteWord).join(" ")}`),
      ...(chain === undefined ? [] : [`-N ${this.#chainName}`]),
      ...(chain ?? []).map(({ words }) => `-A ${this.#chainName} ${words.map(quoteWord).join(" ")}`),
    ];
  }

  async #probe(): Promise<{ description: string; capabilities: Capabilities }> {
    const result = await this.#run(["--version"]);
    if (result.code !== 0) throw this.#failure("ask for the version", result);
    try {
      return {
        description: result.stdout.trim(),
        capabilities: capabilitiesOf(parseIptablesVersion(result.stdout)),
      };
    } catch (error) {
      throw new BackendError(`${this.#command} --version: ${(error as Error).message}`);
    }
  }

  async #read(): Promise<Standing> {
    const input = formatReadText(this.#chainName);
    const result = await this.#run(RESTORE_ARGS, input);
    // A chain that does not exist ends the command with an error, after it printed POSTROUTING.
    const listed = /^-P POSTROUTING /m.test(result.stdout);
    if (!listed && result.code === 0) {
      throw new BackendError(`${this.#command} listed nothing: is it iptables?`);
    }
    if (!listed) throw this.#failure("read", result, input);
    return parseListing(result.stdout, this.#chainName);
  }

  async #run(args: readonly string[], input?: string): Promise<CommandResult> {
    try {
      return await this.#runner.run({
        name: this.#command,
        args,
        ...(input !== undefined && { input }),
      });
    } catch (error) {
      // Another version may be installed by the time of the next try.
      this.#installed = undefined;
      throw new BackendError(error instanceof Error ? error.message : String(error));
    }
  }

  #failure(action: string, result: CommandResult, input?: string): BackendError {
    this.#installed = undefined;
    return restoreFailure(this.#command, action, result, input);
  }
}
