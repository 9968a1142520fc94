/** `ip-masq-agent explain`. */
import { readConfig } from "../../agent/read_config.ts";
import { type MasqConfig, OUTBOUND_KEY } from "../../config/config.ts";
import { formatIpAddress, type IpAddress, type IpFamily } from "../../config/ip_address.ts";
import { formatPortRanges, type PortRange } from "../../config/port_range.ts";
import { PORT_PROTOCOLS } from "../../config/rule_entry.ts";
import { formatSourceAddress } from "../../config/source_address.ts";
import { formatProblem } from "../../config/problem.ts";
import type { Path } from "../../host/path.ts";
import { judge, type Verdict } from "../../host/verdict.ts";
import { CommandError } from "../../ports.ts";
import type { MatchName, Packet } from "../../rules/decide.ts";
import { explainPacket, type Explanation } from "../../rules/explain.ts";
import { buildRuleset, originOf, type Rule, type Ruleset, type Target } from "../../rules/ruleset.ts";
import { familiesOf } from "../backends.ts";
import { commandSource } from "../command_source.ts";
import {
  dataKey,
  describeConditions,
  describeMatch,
  describeOthers,
  matchAsData,
} from "../describe_match.ts";
import { describeOrigin } from "../describe_origin.ts";
import {
  parseDestinations,
  parseInterfaceName,
  parsePacketAddress,
  parsePort,
  parseProtocol,
} from "../destinations.ts";
import { type FlagValues, readBackendOptions } from "../flag_values.ts";
import { UsageError } from "../go_flags.ts";
import {
  describeFallback,
  describeHead,
  describeOtherRules,
  otherRulesAsData,
  readPaths,
} from "../host_paths.ts";
import { EXIT, type System } from "../system.ts";

/** What the person says of the packet, beside its destination. */
type Details = Omit<Packet, "destination">;

/** One destination and what becomes of it; nothing but that where its family is off. */
interface Answer {
  readonly destination: IpAddress;
  readonly explanation?: Explanation;
  /** What others on this host do; undefined where only the config is asked. */
  readonly verdict?: Verdict;
  /** Conditions that some rule of the family has. */
  readonly asked: ReadonlySet<MatchName>;
}

/** Explains every address in the order of the command line. */
export async function explain(flags: FlagValues, system: System): Promise<number> {
  const format = flags.choice("output", ["text", "json"]);
  const options = readBackendOptions(flags);
  const destinations = parseDestinations(flags.words);
  const details: Details = {
    ...(flags.text("source") === "node"
      ? { isFromNode: true }
      : flags.has("source") && { source: flags.parsed("source", parsePacketAddress) }),
    ...(flags.has("via") && { interface: flags.parsed("via", parseInterfaceName) }),
    ...(flags.has("port") && { port: flags.parsed("port", parsePort) }),
    ...(flags.has("protocol") && { protocol: flags.parsed("protocol", parseProtocol) }),
  };
  for (const destination of destinations) checkFamilies(destination, details);
  const { config, warnings } = await readConfig(commandSource(system, options.configPaths), options);
  for (const warning of warnings) system.printError(`${formatProblem(warning)}\n`);

  const rulesets = new Map(
    familiesOf(options).map((family) => [family, buildRuleset(family, config, options)]),
  );
  const paths = flags.has("host") && !flags.boolean("host")
    ? new Map<IpFamily, Path>()
    : await readPaths(rulesets.values().toArray(), options, system).catch((error) => {
      if (!(error instanceof CommandError) || flags.has("host")) throw error;
      system.printError(`${describeFallback(error)}\n`);
      return new Map<IpFamily, Path>();
    });
  const answers = destinations.map((destination): Answer => {
    const ruleset = rulesets.get(destination.family);
    if (ruleset === undefined) return { destination, asked: new Set() };
    const explanation = explainPacket(ruleset, { destination, ...details });
    const path = paths.get(destination.family);
    return {
      destination,
      explanation,
      ...path !== undefined && explanation.reason !== "local" &&
        { verdict: judge(path, { destination, ...details }) },
      asked: conditionsOf(ruleset),
    };
  });
  if (format === "json") {
    const report = answers.map((answer) =>
      describeAsData(answer, config, portsFor(answer, details, options.toPorts))
    );
    system.printOut(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    for (const answer of answers) {
      system.printOut(`${describeAsText(answer, config, details, options.toPorts).join("\n  ")}\n`);
    }
  }
  return EXIT.done;
}

function conditionsOf({ rules }: Ruleset): ReadonlySet<MatchName> {
  return new Set(rules.flatMap(({ match }) => Object.keys(match) as MatchName[]));
}

function checkFamilies(destination: IpAddress, { source }: Details): void {
  if (source !== undefined && source.family !== destination.family) {
    throw new UsageError(
      `--source: ${formatIpAddress(source)} is ${source.family}, and ${formatIpAddress(destination)} is ` +
        `${destination.family}: no packet has both`,
    );
  }
}

/** The source ports that --to-ports gives to this packet, empty where the kernel chooses. */
function portsFor(
  { explanation }: Answer,
  { protocol }: Details,
  toPorts: readonly PortRange[],
): readonly PortRange[] {
  const hasPorts = protocol === undefined || PORT_PROTOCOLS.some((it) => it === protocol);
  return isTranslated(explanation) && hasPorts ? toPorts : [];
}

/** Whether any packet of the description gets another source. */
function isTranslated(explanation: Explanation | undefined): boolean {
  return explanation !== undefined && (explanation.target !== "RETURN" ||
    explanation.exceptions.some(({ rule }) => rule.target !== "RETURN"));
}

function describeAsText(
  answer: Answer,
  config: MasqConfig,
  packet: Details,
  toPorts: readonly PortRange[],
): string[] {
  const { destination, explanation, verdict } = answer;
  const pure = describeOutcome(explanation);
  const head = explanation && verdict ? describeHead(pure, explanation, verdict) : pure;
  const lines = [
    `${formatIpAddress(destination)}: ${head}`,
    ...(explanation?.exceptions ?? []).map(describeRule),
    describeReason(explanation, destination.family, config),
    ...verdict === undefined ? [] : describeOtherRules(verdict),
  ];
  for (const rule of explanation?.shadowed ?? []) {
    lines.push(`shadowed: ${describeMatch(rule.match)}, ${describeOrigin(rule.origin)}`);
  }
  const ports = portsFor(answer, packet, toPorts);
  if (ports.length > 0) {
    const which = packet.protocol ?? PORT_PROTOCOLS.join(", ");
    lines.push(`source ports: ${formatPortRanges(ports)} (${which})`);
  }
  // Of what others ask there is no end.
  if (verdict !== undefined) return lines;
  if (packet.source !== undefined && !answer.asked.has("sources")) {
    const why = [...answer.asked].every((name) => name === "destinations")
      ? "rules look at the destination only"
      : "no rule looks at the source address";
    lines.push(`--source ${formatIpAddress(packet.source)} changes nothing: ${why}`);
  }
  if (packet.isFromNode && !answer.asked.has("isFromNode")) {
    lines.push("--source node changes nothing: no rule looks at whether it is the node's own traffic");
  }
  if (packet.interface !== undefined && !answer.asked.has("interfaces")) {
    lines.push(`--via ${packet.interface} changes nothing: no rule looks at the interface`);
  }
  if (packet.port !== undefined && !answer.asked.has("ports")) {
    lines.push(`--port ${packet.port} changes nothing: no rule looks at the port`);
  }
  if (packet.protocol !== undefined && ports.length === 0 && !answer.asked.has("protocols")) {
    const why = toPorts.length === 0
      ? "without --to-ports all protocols are treated alike"
      : isTranslated(explanation)
      ? `--to-ports is for ${PORT_PROTOCOLS.join(", ")} only`
      : "no protocol is masqueraded";
    lines.push(`--protocol ${packet.protocol} changes nothing: ${why}`);
  }
  return lines;
}

/** What happens; where it depends on what was not said, in each case. */
function describeOutcome(explanation: Explanation | undefined): string {
  if (explanation === undefined) return describeTarget("RETURN");
  const { exceptions, target } = explanation;
  if (exceptions.length === 0) return describeTarget(target, explanation.rule);
  const cases = exceptions.map(({ rule, open }) =>
    `${describeConditions(rule.match, open)}: ${describeTarget(rule.target, rule)}`
  );
  const others = describeOthers(exceptions.flatMap(({ open }) => open));
  return [...cases, `${others}: ${describeTarget(target, explanation.rule)}`].join("; ");
}

function describeTarget(target: Target, rule?: Rule): string {
  const words = target === "MASQUERADE"
    ? "masqueraded"
    : target === "RETURN"
    ? "not masqueraded"
    : `leaves as ${formatSourceAddress(target.address)}`;
  return rule?.name === undefined ? words : `${words}, rule ${rule.name}`;
}

function outcomeAsData(target: Target): Record<string, unknown> {
  return {
    masqueraded: target === "MASQUERADE",
    ...(typeof target !== "string" && { leavesAs: formatSourceAddress(target.address) }),
  };
}

function describeRule({ rule, ruleNumber }: { rule: Rule; ruleNumber: number }): string {
  const everything = rule.name === undefined ? "all other destinations" : "everything";
  return `rule ${ruleNumber}: ${describeMatch(rule.match) || everything}, ${describeOrigin(rule.origin)}`;
}

function describeReason(explanation: Explanation | undefined, family: IpFamily, config: MasqConfig): string {
  if (explanation === undefined) {
    return `${family} is off: start the agent with --enable-ipv6 to have rules for it`;
  }
  switch (explanation.reason) {
    case "local":
      return "it is the node's own address, and only traffic that leaves the node is masqueraded";
    case "no-rule": {
      const key = OUTBOUND_KEY[family];
      return `no rule is for it, and ${key} is false: ${describeOrigin(originOf(config, key))}`;
    }
    case "rule":
      return describeRule({ rule: explanation.rule!, ruleNumber: explanation.ruleNumber! });
  }
}

function describeAsData(
  { destination, explanation, verdict }: Answer,
  config: MasqConfig,
  ports: readonly PortRange[],
): unknown {
  const { family } = destination;
  const ruleData = ({ name, match, origin }: Rule) => ({
    ...(name !== undefined && { name }),
    ...matchAsData(match),
    origin,
  });
  return {
    address: formatIpAddress(destination),
    family,
    ...outcomeAsData(explanation?.target ?? "RETURN"),
    reason: explanation?.reason ?? "family-off",
    ...(explanation?.rule !== undefined &&
      { rule: { number: explanation.ruleNumber, ...ruleData(explanation.rule) } }),
    ...(explanation?.reason === "no-rule" && { origin: originOf(config, OUTBOUND_KEY[family]) }),
    ...(ports.length > 0 && { toPorts: ports.map(({ first, last }) => ({ first, last })) }),
    ...(explanation !== undefined && explanation.exceptions.length > 0 && {
      exceptions: explanation.exceptions.map(({ rule, ruleNumber, open }) => ({
        if: open.map(dataKey),
        ...outcomeAsData(rule.target),
        rule: { number: ruleNumber, ...ruleData(rule) },
      })),
    }),
    shadowed: explanation?.shadowed.map(ruleData) ?? [],
    ...verdict !== undefined && { host: otherRulesAsData(verdict) },
  };
}
