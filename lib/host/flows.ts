/** UDP flows that the kernel remembers: it asks the rules about the first packet only, and the address stays for the rest. */
import { type IpAddress, parseIpAddress } from "../config/ip_address.ts";
import { type Packet, possibleTargets } from "../rules/decide.ts";
import type { Ruleset, Target } from "../rules/ruleset.ts";

/** A flow of conntrack's table. Addresses and ports are as conntrack prints them. */
export interface Flow {
  /** The first packet, as it came. */
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: string;
  readonly destinationPort: string;
  /** Where it went, which is another destination where one was translated. */
  readonly target: string;
  readonly targetPort: string;
  /** The source address that it left with. */
  readonly leftWith: string;
}

const TUPLE = "src=(\\S+) dst=(\\S+) sport=(\\d+) dport=(\\d+) ";
// Counters stand behind each direction where the kernel counts. The same addresses in another zone are another flow.
const LINE = new RegExp(
  `^udp .*?${TUPLE}(?:packets=\\d+ bytes=\\d+ )?(?:\\[UNREPLIED\\] )?${TUPLE}(?!.*zone)`,
);

/** Reads what `conntrack -L -p udp` prints. What looks otherwise is left out. */
export function parseFlows(listing: string): Flow[] {
  return listing.split("\n").flatMap((line) => {
    const [, source, destination, sourcePort, destinationPort, target, leftWith, targetPort] =
      LINE.exec(line) ?? [];
    return targetPort === undefined
      ? []
      : { source, destination, sourcePort, destinationPort, target, targetPort, leftWith } as Flow;
  });
}

/** Whether an address is the node's own. */
export type IsLocal = (address: string) => boolean;

/**
 * Whether a flow would leave with another address if it began now, for sure.
 *
 * @param before The rules until now, where they are known: only what they translated is no other program's work.
 */
export function isOutdated(flow: Flow, now: Ruleset, before: Ruleset | undefined, isLocal: IsLocal): boolean {
  // The jump to our chain takes only what leaves the node.
  if (isLocal(flow.target)) return false;
  const isTranslated = flow.leftWith !== flow.source;
  // Who translates the destination may translate the source for a reason of its own, as kube-proxy does.
  if (isTranslated && (flow.target !== flow.destination || flow.targetPort !== flow.destinationPort)) {
    return false;
  }
  const packet: Packet = {
    source: parseIpAddress(flow.source),
    isFromNode: isLocal(flow.source),
    destination: parseIpAddress(flow.target),
    protocol: "udp",
    port: Number(flow.targetPort),
  };
  const leftWith = parseIpAddress(flow.leftWith);
  const isRight = (target: Target) =>
    target === "RETURN"
      ? !isTranslated
      : target === "MASQUERADE"
      ? isLocal(flow.leftWith)
      : isIn(target.address, leftWith);
  return !possibleTargets(now, packet).some(isRight) &&
    (!isTranslated || before !== undefined && possibleTargets(before, packet).every(isRight));
}

function isIn(
  { first, last }: { readonly first: bigint; readonly last: bigint },
  { value }: IpAddress,
): boolean {
  return first <= value && value <= last;
}

/** The first packet of a flow, as a text to compare. */
export function firstPacket({ source, sourcePort, destination, destinationPort }: Flow): string {
  return `${source} ${sourcePort} ${destination} ${destinationPort}`;
}

/** The same of an answer to a flow whose source address was kept. */
export function answerTo({ source, sourcePort, target, targetPort }: Flow): string {
  return `${target} ${targetPort} ${source} ${sourcePort}`;
}

/** Words of conntrack that select flows, from many at once to a single one. */
const SELECTIONS: readonly ((flow: Flow) => string)[] = [
  ({ source, leftWith }) => `-s ${source} -q ${leftWith}`,
  ({ source, destination, leftWith }) => `-s ${source} -d ${destination} -q ${leftWith}`,
  ({ source, destination, sourcePort, destinationPort, leftWith }) =>
    `-s ${source} -d ${destination} -q ${leftWith} --sport ${sourcePort} --dport ${destinationPort}`,
];

/**
 * Selects some of all flows, and none of the others, in few selections: for each, conntrack walks through the table.
 */
export function selectFlows(all: readonly Flow[], isSelected: (flow: Flow) => boolean): string[] {
  const selected: Flow[] = [];
  const kept = new Set<string>();
  for (const flow of all) {
    if (isSelected(flow)) selected.push(flow);
    else for (const selection of SELECTIONS) kept.add(selection(flow));
  }
  return [
    ...new Set(
      selected.flatMap((flow) =>
        SELECTIONS.map((selection) => selection(flow)).find((words) => !kept.has(words)) ?? []
      ),
    ),
  ];
}
