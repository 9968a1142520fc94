/** Rules through nft(8), in a table of our own: no rule of anybody else's is read or written. */
import type { IpFamily } from "../../config/ip_address.ts";
import type { CommandResult, CommandRunner } from "../../ports.ts";
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
import { makeRuleEvents, type RuleEvents } from "../rule_events.ts";
import { compareTable } from "./compare.ts";
import { NFT_FAMILY } from "./nft_family.ts";
import { nftFailure } from "./nft_failure.ts";
import { type ActualTable, describeActual, parseNftListing } from "./nft_listing.ts";
import { buildNftTable, CHAINS, type NftTable, OWN_RULE_PREFIX, TABLE_NAME } from "./nft_table.ts";
import { describeTable, formatChange, formatRemoval } from "./nft_text.ts";

/** Elements of sets up to which nft is to know all of them, of which each takes 1.3 KB while it follows events. */
const MOST_FOLLOWED_ELEMENTS = 1_000;

/** Characters of a listing from which on to compare its elements costs less than to keep it. */
const LONGEST_KEPT = 262_144;

/** Our table in one family. What it remembers spares work and never hides a difference. */
export class NftablesBackend implements Backend {
  readonly name = "nftables";
  readonly family: IpFamily;
  readonly #runner: CommandRunner;
  #version = "";
  #desired: { readonly ruleset: Ruleset; readonly table: NftTable } | undefined;
  /** The listing, but for its counts, that was last found to be as the table should be. A long one is not kept. */
  #verified: { readonly table: NftTable; readonly listing: string } | undefined;
  /** Expressions that nft prints for our rules right after they were written anew: its own way to spell them. */
  #rewritten: { readonly table: NftTable; readonly spelling: string } | undefined;

  constructor(family: IpFamily, runner: CommandRunner) {
    this.family = family;
    this.#runner = runner;
  }

  describe(): string {
    return `nftables${this.#version && ` v${this.#version}`}, table ${NFT_FAMILY[this.family]} ${TABLE_NAME}`;
  }

  /** With a chain nft reads all sets of its table; with a set only that one, and tells no changes of others. */
  get events(): RuleEvents {
    const table = `${NFT_FAMILY[this.family]} ${TABLE_NAME}`;
    const sets = this.#desired?.table.sets.toSorted((a, b) => a.elements.length - b.elements.length) ?? [];
    const isLarge = sets.reduce((sum, { elements }) => sum + elements.length, 0) > MOST_FOLLOWED_ELEMENTS;
    return makeRuleEvents(
      isLarge ? `set ${table} ${sets[0]!.name}` : `chain ${table} ${CHAINS.base}`,
      `\\w+ ${table}`,
    );
  }

  async sync(ruleset: Ruleset): Promise<SyncResult> {
    return await applyPlan(await this.plan(ruleset));
  }

  async plan(ruleset: Ruleset): Promise<Plan> {
    const table = this.#tableOf(ruleset);
    const listing = await this.#list();
    const unchanged = this.#toPlan({ text: "" });
    const withoutCounts = listing?.replace(/"packets": ?\d+, ?"bytes": ?\d+/g, "");
    if (withoutCounts !== undefined && this.#isVerified(table, withoutCounts)) return unchanged;
    const actual = listing === undefined ? undefined : this.#parse(listing);
    const { drift, change, spelling } = compareTable(actual, table);
    const isOnlySpelling = spelling !== undefined && this.#rewritten?.table === table &&
      this.#rewritten.spelling === spelling;
    if (drift.length === 0 || isOnlySpelling) {
      this.#verified = withoutCounts!.length > LONGEST_KEPT ? undefined : { table, listing: withoutCounts! };
      return unchanged;
    }
    return this.#toPlan({ drift, isFresh: actual === undefined, text: formatChange(table, change) }, {
      describe: () => ({
        actual: actual === undefined ? [] : describeActual(actual, table),
        desired: describeTable(table),
      }),
      onApplied: () => this.#rewritten = spelling === undefined ? undefined : { table, spelling },
    });
  }

  /**
   * Lets nft and the kernel judge the table of a ruleset, without making it.
   *
   * @throws {CommandError} They would not take it.
   */
  async check(ruleset: Ruleset): Promise<void> {
    const text = formatChange(this.#tableOf(ruleset), { kind: "replace" });
    const result = await this.#run(["-c", "-f", "-"], text);
    if (result.code !== 0) throw await nftFailure("write", result, this.#runner, text);
  }

  async removal(): Promise<Plan | undefined> {
    const listing = await this.#list(["-t"]);
    if (listing === undefined) return undefined;
    return this.#toPlan({
      text: formatRemoval(this),
      actual: [`table ${NFT_FAMILY[this.family]} ${TABLE_NAME}`],
    });
  }

  /**
   * Reads how many connections were masqueraded and how many were not: the kernel shows a chain of type nat the first
   * packet of each only. Nothing is counted for traffic to this host itself.
   *
   * @throws {BackendError} They can't be read.
   */
  async counters(): Promise<readonly CountedRule[]> {
    const listing = await this.#list(["-t"]);
    if (listing === undefined) return [];
    const { counters, verdicts } = this.#parse(listing);
    return [...verdicts].flatMap(([takes, verdict]): CountedRule[] => {
      const count = counters.get(takes);
      if (count === undefined) return [];
      return [{
        verdict,
        ...(takes.startsWith(OWN_RULE_PREFIX) && { name: takes.slice(OWN_RULE_PREFIX.length) }),
        takes,
        ...count,
      }];
    });
  }

  #toPlan(
    plan: Pick<Plan, "text"> & Partial<Plan>,
    { describe, onApplied }: {
      readonly describe?: () => Pick<Plan, "actual" | "desired">;
      readonly onApplied?: () => void;
    } = {},
  ): Plan {
    const apply = async () => {
      const result = await this.#run(["-f", "-"], plan.text);
      if (result.code !== 0) throw await nftFailure("write", result, this.#runner, plan.text);
      onApplied?.();
    };
    return makePlan({ family: this.family, apply, ...plan }, describe);
  }

  #tableOf(ruleset: Ruleset): NftTable {
    if (this.#desired?.ruleset !== ruleset) this.#desired = { ruleset, table: buildNftTable(ruleset) };
    return this.#desired.table;
  }

  #isVerified(table: NftTable, listing: string): boolean {
    return this.#verified?.table === table && this.#verified.listing === listing;
  }

  /** The listing of our table in JSON, undefined where there is no such table. */
  async #list(options: readonly string[] = []): Promise<string | undefined> {
    const result = await this.#run([...options, "-j", "list", "table", NFT_FAMILY[this.family], TABLE_NAME]);
    if (result.code === 0) return result.stdout;
    if (/^Error: No such file or directory/m.test(result.stderr)) return undefined;
    throw await nftFailure("read", result, this.#runner);
  }

  #parse(listing: string): ActualTable {
    try {
      const actual = parseNftListing(listing, this.family);
      this.#version = actual.version;
      return actual;
    } catch (error) {
      throw new BackendError(`nft -j printed what can't be read: ${(error as Error).message}`);
    }
  }

  async #run(args: readonly string[], input?: string): Promise<CommandResult> {
    return await this.#runner.run({ name: "nft", args, ...(input !== undefined && { input }) });
  }
}
