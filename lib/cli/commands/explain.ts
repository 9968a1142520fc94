/** `ip-masq-agent explain`. */
import { readConfig } from "../../agent/read_config.ts";
import { PORT_PROTOCOLS } from "../../backends/iptables/chain_rule.ts";
import { type MasqConfig, OUTBOUND_KEY } from "../../config/config.ts";
import { formatIpAddress, type IpAddress, type IpFamily } from "../../config/ip_address.ts";
import { formatPortRanges, type PortRange } from "../../config/port_range.ts";
import { formatProblem } from "../../config/problem.ts";
import { explainDestination, type Explanation } from "../../rules/explain.ts";
import { buildRuleset, originOf, type Rule } from "../../rules/ruleset.ts";
import { familiesOf } from "../backends.ts";
import { commandSource } from "../command_source.ts";
import { describeOrigin } from "../describe_origin.ts";
import { parseDestinations, parsePacketAddress, parseProtocol } from "../destinations.ts";
import { type FlagValues, readRuleOptions } from "../flag_values.ts";
import { UsageError } from "../go_flags.ts";
import { EXIT, type System } from "../system.ts";

/** The packet that the person asks about, beside its destination. */
interface Packet {
  readonly source?: IpAddress;
  readonly protocol?: string;
}

/** One destination and what becomes of it; no explanation where its family is off. */
interface Answer {
  readonly destination: IpAddress;
  readonly explanation: Explanation | undefined;
}

/** Explains every address in the order of the command line. */
export async function explain(flags: FlagValues, system: System): Promise<number> {
  const format = flags.choice("output", ["text", "json"]);
  const options = readRuleOptions(flags);
  const destinations = parseDestinations(flags.words);
  const packet: Packet = {
    ...(flags.has("source") && { source: flags.parsed("source", parsePacketAddress) }),
    ...(flags.has("protocol") && { protocol: flags.parsed("protocol", parseProtocol) }),
  };
  for (const destination of destinations) checkFamilies(destination, packet);
  const { config, warnings } = await readConfig(commandSource(system, options.configPaths), options);
  for (const warning of warnings) system.printError(`${formatProblem(warning)}\n`);

  const rulesets = new Map(
    familiesOf(options).map((family) => [family, buildRuleset(family, config, options)]),
  );
  const answers = destinations.map((destination): Answer => {
    const ruleset = rulesets.get(destination.family);
    return { destination, explanation: ruleset && explainDestination(ruleset, destination) };
  });
  if (format === "json") {
    const report = answers.map((answer) =>
      describeAsData(answer, config, portsFor(answer, packet, options.toPorts))
    );
    system.printOut(`${JSON.stringify(report, null, 2)}\n`);
  } else {
    for (const answer of answers) {
      system.printOut(`${describeAsText(answer, config, packet, options.toPorts).join("\n  ")}\n`);
    }
  }
  return EXIT.done;
}

function checkFamilies(destination: IpAddress, { source }: Packet): void {
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
  { protocol }: Packet,
  toPorts: readonly PortRange[],
): readonly PortRange[] {
  const hasPorts = protocol === undefined || PORT_PROTOCOLS.some((it) => it === protocol);
  return explanation?.isMasqueraded && hasPorts ? toPorts : [];
}

function describeAsText(
  answer: Answer,
  config: MasqConfig,
  packet: Packet,
  toPorts: readonly PortRange[],
): string[] {
  const { destination, explanation } = answer;
  const lines = [
    `${formatIpAddress(destination)}: ${explanation?.isMasqueraded ? "masqueraded" : "not masqueraded"}`,
    describeReason(explanation, destination.family, config),
  ];
  for (const rule of explanation?.shadowed ?? []) {
    lines.push(`shadowed: ${rule.match.destination!.text}, ${describeOrigin(rule.origin)}`);
  }
  const ports = portsFor(answer, packet, toPorts);
  if (ports.length > 0) {
    const which = packet.protocol ?? PORT_PROTOCOLS.join(", ");
    lines.push(`source ports: ${formatPortRanges(ports)} (${which})`);
  }
  if (packet.source !== undefined) {
    lines.push(
      `--source ${formatIpAddress(packet.source)} changes nothing: rules look at the destination only`,
    );
  }
  if (packet.protocol !== undefined && ports.length === 0) {
    const why = toPorts.length === 0
      ? "without --to-ports all protocols are treated alike"
      : explanation?.isMasqueraded
      ? `--to-ports is for ${PORT_PROTOCOLS.join(", ")} only`
      : "no protocol is masqueraded";
    lines.push(`--protocol ${packet.protocol} changes nothing: ${why}`);
  }
  return lines;
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
    case "rule": {
      const { rule, ruleNumber } = explanation;
      return `rule ${ruleNumber}: ${rule!.match.destination?.text ?? "all other destinations"}, ` +
        describeOrigin(rule!.origin);
    }
  }
}

function describeAsData(
  { destination, explanation }: Answer,
  config: MasqConfig,
  ports: readonly PortRange[],
): unknown {
  const { family } = destination;
  const ruleData = ({ match, origin }: Rule) => ({
    ...(match.destination !== undefined && { destination: match.destination.text }),
    origin,
  });
  return {
    address: formatIpAddress(destination),
    family,
    masqueraded: explanation?.isMasqueraded ?? false,
    reason: explanation?.reason ?? "family-off",
    ...(explanation?.rule !== undefined &&
      { rule: { number: explanation.ruleNumber, ...ruleData(explanation.rule) } }),
    ...(explanation?.reason === "no-rule" && { origin: originOf(config, OUTBOUND_KEY[family]) }),
    ...(ports.length > 0 && { toPorts: ports.map(({ first, last }) => ({ first, last })) }),
    shadowed: explanation?.shadowed.map(ruleData) ?? [],
  };
}
