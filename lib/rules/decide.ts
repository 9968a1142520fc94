/** What a ruleset does with a packet, without a kernel. */
import { type Cidr, cidrContainsAddress } from "../config/cidr.ts";
import { matchesInterface } from "../config/interface_name.ts";
import type { IpAddress } from "../config/ip_address.ts";
import { PORT_PROTOCOLS } from "../config/rule_entry.ts";
import type { Match, Rule, Ruleset, Target } from "./ruleset.ts";

/** What is known of a packet, whose addresses are of the ruleset's family. */
export interface Packet {
  readonly destination: IpAddress;
  readonly source?: IpAddress;
  /** Whether it comes from this host itself. */
  readonly isFromNode?: boolean;
  /** The interface that it leaves by. */
  readonly interface?: string;
  /** Its protocol's name, or its number where it has none. */
  readonly protocol?: string;
  /** Its destination port. */
  readonly port?: number;
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
  isFromNode: (_, { isFromNode }) => isFromNode,
  destinations: (cidrs, { destination }) => contain(cidrs, destination),
  interfaces: (patterns, { interface: name }) =>
    name === undefined ? undefined : patterns.some((pattern) => matchesInterface(pattern, name)),
  protocols: (protocols, { protocol }) =>
    protocol === undefined
      ? undefined
      : protocols.some((it) => it === protocol || it === "icmp" && protocol === "icmpv6"),
  ports: (ranges, { port, protocol }) => {
    if (protocol !== undefined && !PORT_PROTOCOLS.some((it) => it === protocol)) return false;
    return port === undefined ? undefined : ranges.some(({ first, last }) => first <= port && port <= last);
  },
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

/** What may become of a packet: the target of each case that what is known of it leaves open. */
export function possibleTargets({ rules }: Ruleset, packet: Packet): readonly Target[] {
  const targets: Target[] = [];
  for (const { match, target } of rules) {
    const open = openConditions(match, packet);
    if (open === undefined) continue;
    targets.push(target);
    if (open.length === 0) return targets;
  }
  return [...targets, "RETURN"];
}

/** Decides about a packet: the first rule that matches for sure wins. */
export function decide(ruleset: Ruleset, packet: Packet): Decision {
  const rule = ruleset.rules.find(({ match }) => openConditions(match, packet)?.length === 0);
  return { target: rule?.target ?? "RETURN", rule };
}
