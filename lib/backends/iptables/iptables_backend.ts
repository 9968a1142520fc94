/** Rules through iptables-restore, of whichever variant (nft or legacy). */
import type { ChainName } from "../../config/chain_name.ts";
import type { IpFamily } from "../../config/ip_address.ts";
import type { Ruleset } from "../../rules/ruleset.ts";
import type { Command, CommandName, CommandResult, CommandRunner } from "../../ports.ts";
import {
  type Backend,
  BackendError,
  BackendMissingError,
  type SyncPlan,
  toBackendError,
  type VerdictCounters,
} from "../backend.ts";
import { type Capabilities, expandRuleset, formatChainRule, quoteWord } from "./chain_rule.ts";
import { compare } from "./compare.ts";
import { parseCounters, parseListing, type Standing } from "./listing.ts";
import { type IptablesProgram, RESTORE_ARGS, RESTORE_COMMANDS, restoreFailure } from "./restore_command.ts";
import {
  formatCountersText,
  formatInstallText,
  formatJump,
  formatReadText,
  formatRemoveText,
  formatWriteText,
} from "./restore_text.ts";
import {
  capabilitiesOf,
  type IptablesVersion,
  mentionsLegacyTables,
  parseIptablesVersion,
} from "./version.ts";

const SAVE_COMMANDS: Partial<Record<CommandName, CommandName>> = {
  "iptables-legacy-restore": "iptables-legacy-save",
  "ip6tables-legacy-restore": "ip6tables-legacy-save",
};

/** What the installed iptables is. */
interface Installed {
  readonly description: string;
  readonly variant: IptablesVersion["variant"];
  readonly capabilities: Capabilities;
}

/** What a program is whose name says it: those named after a variant came with iptables 1.8.0, and need not be asked. */
function installedByName(program: IptablesProgram, command: CommandName): Installed | undefined {
  if (program === "iptables") return undefined;
  const variant = program === "iptables-nft" ? "nft" : "legacy";
  return { description: command, variant, capabilities: { randomFully: true } };
}

/** One family's chain and jump in the nat table. Remembers only what the installed iptables is. */
export class IptablesBackend implements Backend {
  readonly family: IpFamily;
  readonly #chainName: ChainName;
  readonly #runner: CommandRunner;
  readonly #command: CommandName;
  /** What the command's name alone says. */
  readonly #named: Installed | undefined;
  #installed: Installed | undefined;
  #sawLegacyTables = false;

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
    this.#named = installedByName(program, this.#command);
    this.#installed = this.#named;
  }

  describe(): string {
    return this.#installed?.description ?? this.#command;
  }

  /** Which variant the program is, once that is known. */
  get variant(): IptablesVersion["variant"] | undefined {
    return this.#installed?.variant;
  }

  /** Whether the nft variant said, when it read, that the legacy one has tables here: there may be rules in them. */
  get sawLegacyTables(): boolean {
    return this.#sawLegacyTables;
  }

  async install(ruleset: Ruleset): Promise<string | undefined> {
    this.#installed ??= await this.#probe();
    const transaction = formatInstallText(
      this.#chainName,
      expandRuleset(ruleset, this.#installed.capabilities),
    );
    // It does not wait for the lock: where somebody holds it, what follows does.
    const { code } = await this.#run(["--noflush"], transaction, { ignoreOutput: true });
    return code === 0 ? transaction : undefined;
  }

  async plan(ruleset: Ruleset): Promise<SyncPlan> {
    const [{ capabilities }, standing] = await this.#look();
    const wanted = expandRuleset(ruleset, capabilities);
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
    const standing = await this.#mayStand() ? await this.#read() : { chain: undefined, jumps: [] };
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

  /** The version and the rules, side by side; the version only where it is not known. */
  async #look(): Promise<[Installed, Standing]> {
    const [installed, standing] = await Promise.all([this.#installed ?? this.#probe(), this.#read()]);
    this.#installed = installed;
    return [installed, standing];
  }

  async #probe(): Promise<Installed> {
    const result = await this.#run(["--version"]);
    if (result.code !== 0) throw this.#failure("ask for the version", result);
    try {
      const version = parseIptablesVersion(result.stdout);
      return {
        description: result.stdout.trim(),
        variant: version.variant,
        capabilities: capabilitiesOf(version),
      };
    } catch (error) {
      throw new BackendError(`${this.#command} --version: ${(error as Error).message}`);
    }
  }

  /**
   * Whether anything of ours may stand, asked without making a table: to read the nat table of the legacy variant
   * makes it where it is not, and iptables-legacy-save lists only what is there.
   */
  async #mayStand(): Promise<boolean> {
    const save = SAVE_COMMANDS[this.#command];
    if (save === undefined) return true;
    try {
      const { code, stdout } = await this.#runner.run({ name: save, args: [] });
      return code !== 0 || stdout.includes(`:${this.#chainName} `);
    } catch (error) {
      const failure = toBackendError(error);
      if (failure instanceof BackendMissingError) return true;
      throw failure;
    }
  }

  async #read(): Promise<Standing> {
    const input = formatReadText(this.#chainName);
    const result = await this.#run(RESTORE_ARGS, input);
    this.#sawLegacyTables = mentionsLegacyTables(result.stderr);
    // A chain that does not exist ends the command with an error, after it printed POSTROUTING.
    const listed = /^-P POSTROUTING /m.test(result.stdout);
    if (!listed && result.code === 0) {
      throw new BackendError(`${this.#command} listed nothing: is it iptables?`);
    }
    if (!listed) throw this.#failure("read", result, input);
    return parseListing(result.stdout, this.#chainName);
  }

  async #run(
    args: readonly string[],
    input?: string,
    options: Pick<Command, "ignoreOutput"> = {},
  ): Promise<CommandResult> {
    try {
      return await this.#runner.run({
        name: this.#command,
        args,
        ...(input !== undefined && { input }),
        ...options,
      });
    } catch (error) {
      // Another version may be installed by the time of the next try.
      this.#installed = this.#named;
      throw toBackendError(error);
    }
  }

  #failure(action: string, result: CommandResult, input?: string): BackendError {
    this.#installed = this.#named;
    return restoreFailure(this.#command, action, result, input);
  }
}
