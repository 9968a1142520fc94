/** What a ruleset does with a packet, without a kernel. */
import { type Cidr, cidrContainsAddress } from "../config/cidr.ts";
import type { IpAddress } from "../config/ip_address.ts";
import type { Match, Rule, Ruleset, Target } from "./ruleset.ts";

/** What is known of a packet, whose addresses are of the ruleset's family. */
export interface Packet {
  readonly destination: IpAddress;
  readonly source?: IpAddress;
}

/** The outcome for a packet. */
export interface Decision {
  /** RETURN where no rule matches, too: the packet leaves the chain as it came. */
  readonly target: Target;
  /** The rule that decides, undefined where none matches. */
  readonly rule: Rule | undefined;
}

/** A condition of a rule. */
export type MatchName = keyof Match;

/** Whether a packet meets each condition; undefined where what is known of it does not tell. */
const CONDITIONS: {
  readonly [Name in MatchName]-?: (wanted: NonNullable<Match[Name]>, packet: Packet) => boolean | undefined;
} = {
  sources: (cidrs, { source }) => source && contain(cidrs, source),
  destinations: (cidrs, { destination }) => contain(cidrs, destination),
};

function contain(cidrs: readonly Cidr[], address: IpAddress): boolean {
  return cidrs.some((cidr) => cidrContainsAddress(cidr, address));
}

/**
 * The conditions on which it depends whether a packet of which only this is known matches: none where it does for
 * sure, and undefined where it can't.
 */
export function openConditions(match: Match, packet: Packet): readonly MatchName[] | undefined {
  const open: MatchName[] = [];
  for (const name of Object.keys(match) as MatchName[]) {
    const holds = (CONDITIONS[name] as (wanted: unknown, packet: Packet) => boolean | undefined)(
      match[name],
      packet,
    );
    if (holds === false) return undefined;
    if (holds === undefined) open.push(name);
  }
  return open;
}

/** Decides about a packet: the first rule that matches for sure wins. */
export function decide(ruleset: Ruleset, packet: Packet): Decision {
  const rule = ruleset.rules.find(({ match }) => openConditions(match, packet)?.length === 0);
  return { target: rule?.target ?? "RETURN", rule };
}
