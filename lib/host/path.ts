/**
 * The way of a new connection through the nat chains of a host's postrouting hook, as a model that is asked without a
 * kernel. Every base chain is asked in the order of priorities until one translates: an ACCEPT ends only the base chain
 * that it stands in, and what none translates keeps its source address.
 */
import type { Packet } from "../rules/decide.ts";

/** What is known of a packet; its addresses are of the path's family. */
export interface PathPacket extends Partial<Packet> {
  /** The mark that it has when it comes to the hook. */
  readonly mark?: number;
}

/** A condition of a rule. */
export interface Condition {
  /** As the tool writes it. */
  readonly text: string;
  /** Whether the packet meets it; undefined where what is known of it does not tell, or where we don't understand it. */
  readonly test: (packet: PathPacket) => boolean | undefined;
}

/** What a rule does with a packet that meets all of its conditions. */
export type Action =
  | { readonly kind: "translate"; readonly how: Translation }
  | { readonly kind: "jump" | "goto"; readonly chain: string }
  /** `unknown` may do anything, `pass` nothing that matters here. */
  | { readonly kind: "return" | "accept" | "drop" | "pass" | "unknown" }
  /** Undefined: nobody knows to what. */
  | { readonly kind: "mark"; readonly change: ((mark: number) => number) | undefined };

/** How a source address is rewritten. */
export interface Translation {
  readonly kind: "MASQUERADE" | "SNAT" | "other";
  /** The new source of SNAT: an address or a range, as the tool writes it. */
  readonly to?: string;
}

/** A rule and where it stands. */
export interface PathRule {
  readonly chain: string;
  /** Its place in the chain, from 1. */
  readonly number: number;
  /** As the tool writes it. */
  readonly text: string;
  readonly conditions: readonly Condition[];
  readonly action: Action;
  /** Its place in our ruleset, from 1; undefined for rules of others. */
  readonly ownNumber?: number;
}

/** A base chain of type nat at the postrouting hook, with the other chains of its table. */
export interface BaseChain {
  /** The table, such as `nat (iptables-legacy)` or `inet firewalld`. */
  readonly table: string;
  readonly priority: number;
  readonly policy: "accept" | "drop";
  readonly rules: readonly PathRule[];
  readonly chains: ReadonlyMap<string, readonly PathRule[]>;
  /** Whether our rules stand in it, or are reached from it. */
  readonly hasOurs: boolean;
  /**
   * Whether our rules stand in another base chain of the same priority: the one that was hooked in last is asked first,
   * which the path guesses, for it can't be read.
   */
  readonly isTied?: boolean;
}

/** Base chains in the order in which they are asked. */
export type Path = readonly BaseChain[];

/** What a case depends on: that all of these conditions hold, or that not all of these assumptions do. */
export type Assumption =
  | { readonly all: readonly Condition[] }
  | { readonly notAll: readonly Assumption[] };

/** A rule that decides about a packet where its assumptions hold. */
export interface Case {
  readonly base: BaseChain;
  readonly rule: PathRule;
  /** The rule of the base chain that leads to it: the same one, or a jump. */
  readonly from: PathRule;
  readonly assumptions: readonly Assumption[];
  /**
   * `translate`, `drop` and `unknown` are final. `keep`: one of our rules leaves the source as it is, and others may
   * follow. `skip`: the base chain in which our rules stand is left before they are asked.
   */
  readonly kind: "translate" | "drop" | "unknown" | "keep" | "skip";
}

/** What may become of a packet: of the final cases the first whose assumptions hold decides, else it keeps its source. */
export interface Walk {
  readonly cases: readonly Case[];
  /** Whether one of the cases decides for sure, so that nothing comes after them. */
  readonly isFinal: boolean;
}

/** Steps of one walk: far more than any rules of people need, and an end for chains that a mistake here makes endless. */
const MOST_STEPS = 200_000;

/** Jumps that the kernel allows one inside of the other. */
const MOST_JUMPS = 16;

/** Follows a packet through all base chains. */
export function walkPath(path: Path, packet: PathPacket): Walk {
  const walker = new Walker(packet);
  for (const base of path) {
    if (walker.walkBase(base)) return { cases: walker.cases, isFinal: true };
  }
  return { cases: walker.cases, isFinal: false };
}

/** How a chain may be left: back to where it was called, or out of its base chain. Neither: it decided for sure. */
interface Exits {
  readonly returns: boolean;
  readonly leaves: boolean;
}

class Walker {
  readonly cases: Case[] = [];
  #packet: PathPacket;
  #base!: BaseChain;
  #from!: PathRule;
  #hasMetOurs = false;
  /** What must not hold because the base chain would have been left. */
  #notLeft: Assumption[] = [];
  #steps = 0;

  constructor(packet: PathPacket) {
    this.#packet = packet;
  }

  /** Returns whether the packet's fate is decided for sure. */
  walkBase(base: BaseChain): boolean {
    this.#base = base;
    this.#notLeft = [];
    const { returns, leaves } = this.#walk(base.rules, [], 0);
    if (returns && base.policy === "drop") {
      const rule: PathRule = {
        chain: base.rules[0]?.chain ?? "",
        number: base.rules.length + 1,
        text: "policy drop",
        conditions: [],
        action: { kind: "drop" },
      };
      this.#from = rule;
      this.#add("drop", rule, []);
      return !leaves;
    }
    return !returns && !leaves;
  }

  #walk(rules: readonly PathRule[], assumed: readonly Assumption[], depth: number): Exits {
    let context = assumed;
    let [returns, leaves] = [false, false];
    for (const rule of rules) {
      if (++this.#steps > MOST_STEPS) return { returns: true, leaves: true };
      const open = this.#openConditions(rule);
      if (open === undefined) continue;
      if (depth === 0) this.#from = rule;
      if (rule.ownNumber !== undefined) this.#hasMetOurs = true;
      const isSure = open.length === 0;
      const inner = isSure ? context : [...context, { all: open }];
      const { action } = rule;
      let exits: Exits = { returns: true, leaves: false };
      switch (action.kind) {
        case "pass":
          continue;
        case "mark":
          this.#mark(action.change, isSure && context.length === 0 && this.#notLeft.length === 0);
          continue;
        case "translate":
        case "drop":
        case "unknown":
          this.#add(action.kind, rule, inner);
          exits = { returns: false, leaves: false };
          // What it does is not known, so the packet may as well go on.
          if (action.kind === "unknown") continue;
          break;
        case "accept":
          this.#leave(rule, inner);
          exits = { returns: false, leaves: true };
          break;
        case "return":
          if (rule.ownNumber !== undefined) this.#add("keep", rule, inner);
          else if (depth === 0) this.#skip(rule, inner);
          break;
        case "jump":
        case "goto": {
          const target = this.#base.chains.get(action.chain) ?? [];
          exits = depth < MOST_JUMPS ? this.#walk(target, inner, depth + 1) : exits;
          leaves ||= exits.leaves;
          if (action.kind === "jump" && (!isSure || exits.returns)) continue;
          // Who is gone to does not return here.
          if (depth === 0 && exits.returns) this.#skip(rule, inner);
        }
      }
      leaves ||= exits.leaves;
      if (isSure) return { returns: returns || exits.returns, leaves };
      returns ||= exits.returns;
      if (exits.returns) context = [...context, { notAll: [{ all: open }] }];
    }
    return { returns: true, leaves };
  }

  /** The conditions on which it depends whether the packet meets the rule; undefined where it can't. */
  #openConditions({ conditions }: PathRule): Condition[] | undefined {
    const open: Condition[] = [];
    for (const condition of conditions) {
      const holds = condition.test(this.#packet);
      if (holds === false) return undefined;
      if (holds === undefined) open.push(condition);
    }
    return open;
  }

  #add(kind: Case["kind"], rule: PathRule, assumptions: readonly Assumption[]): void {
    this.cases.push({
      kind,
      base: this.#base,
      rule,
      from: this.#from,
      assumptions: [...this.#notLeft, ...assumptions],
    });
  }

  /** The base chain ends here, where the assumptions hold. */
  #leave(rule: PathRule, assumptions: readonly Assumption[]): void {
    this.#skip(rule, assumptions);
    this.#notLeft.push({ notAll: assumptions });
  }

  /** Our rules are not asked any more, if they would have been. */
  #skip(rule: PathRule, assumptions: readonly Assumption[]): void {
    if (this.#base.hasOurs && !this.#hasMetOurs) this.#add("skip", rule, assumptions);
  }

  #mark(change: ((mark: number) => number) | undefined, isSure: boolean): void {
    const { mark, ...packet } = this.#packet;
    const isKnown = isSure && change !== undefined && mark !== undefined;
    this.#packet = { ...packet, ...(isKnown && { mark: change(mark) }) };
  }
}
