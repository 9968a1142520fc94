/** `ip-masq-agent render`. */
import { readConfig } from "../../agent/read_config.ts";
import { buildChains } from "../../backends/iptables/chain_tree.ts";
import { formatWriteText } from "../../backends/iptables/restore_text.ts";
import { buildNftTable } from "../../backends/nftables/nft_table.ts";
import { formatScript } from "../../backends/nftables/nft_text.ts";
import { formatPortRanges } from "../../config/port_range.ts";
import { formatProblem } from "../../config/problem.ts";
import { formatSourceAddress } from "../../config/source_address.ts";
import { buildRuleset, type Ruleset, verdictOf } from "../../rules/ruleset.ts";
import { familiesOf } from "../backends.ts";
import { commandSource } from "../command_source.ts";
import { describeMatch, matchAsData } from "../describe_match.ts";
import { describeOrigin } from "../describe_origin.ts";
import { type FlagValues, readRuleOptions, type RuleOptions } from "../flag_values.ts";
import { EXIT, type System } from "../system.ts";
import { formatTable } from "../text_table.ts";

/** Writes rulesets as text. */
type Format = (rulesets: readonly Ruleset[], options: RuleOptions) => string;

/** The values of `-o`. Scripts for nft may be run again and again. */
const FORMATS: Readonly<Record<"iptables" | "nft" | "table" | "json", Format>> = {
  iptables: formatAsIptables,
  nft: (rulesets) => rulesets.map((ruleset) => formatScript(buildNftTable(ruleset))).join(""),
  table: formatAsTable,
  json: formatAsJson,
};

/** Prints the rules of every family that is on. */
export async function render(flags: FlagValues, system: System): Promise<number> {
  const format = FORMATS[flags.choice("output", Object.keys(FORMATS) as (keyof typeof FORMATS)[])];
  const options = readRuleOptions(flags);
  const { config, warnings } = await readConfig(commandSource(system, options.configPaths), options);
  for (const warning of warnings) system.printError(`${formatProblem(warning)}\n`);
  system.printOut(
    format(familiesOf(options).map((family) => buildRuleset(family, config, options)), options),
  );
  return EXIT.done;
}

/** As one transaction that may be run again and again. */
function formatAsIptables(rulesets: readonly Ruleset[], { chainName }: RuleOptions): string {
  return rulesets.map((ruleset) => {
    const command = ruleset.family === "IPv4" ? "iptables-restore" : "ip6tables-restore";
    const chains = buildChains(ruleset, chainName);
    return `# ${ruleset.family}, for ${command} --noflush\n` +
      formatWriteText(chainName, { chains, removeJumps: [], insertJump: Infinity, removeChains: [] });
  }).join("");
}

function formatAsTable(rulesets: readonly Ruleset[], { chainName }: RuleOptions): string {
  return rulesets.map(({ family, rules, masquerade }) => {
    const rows = rules.map(({ name, match, target, origin }, index) => [
      String(index + 1),
      describeMatch(match) || (name === undefined ? "all others" : "everything"),
      target === "RETURN"
        ? "keep"
        : target === "MASQUERADE"
        ? "masquerade"
        : formatSourceAddress(target.address),
      `${name === undefined ? "" : `rule ${name}, `}${describeOrigin(origin)}`,
    ]);
    const ports = masquerade.toPorts.length === 0
      ? ""
      : `, source ports ${formatPortRanges(masquerade.toPorts)}`;
    const end = rules.length > 0 && Object.keys(rules.at(-1)!.match).length === 0
      ? []
      : ["All other destinations keep the source address."];
    return [
      `${family}, chain ${chainName}${ports}`,
      ...formatTable([["#", "destination", "source address", "from"], ...rows]),
      ...end,
      "",
    ].join("\n");
  }).join("\n");
}

function formatAsJson(
  rulesets: readonly Ruleset[],
  { chainName, randomFully, toPorts }: RuleOptions,
): string {
  const report = rulesets.map(({ family, rules }) => ({
    family,
    chain: chainName,
    randomFully,
    toPorts: toPorts.map(({ first, last }) => ({ first, last })),
    rules: rules.map(({ name, match, target, comment, origin }) => ({
      ...(name !== undefined && { name }),
      ...matchAsData(match),
      target: verdictOf(target),
      ...(typeof target !== "string" && { address: formatSourceAddress(target.address) }),
      comment,
      origin,
    })),
  }));
  return `${JSON.stringify(report, null, 2)}\n`;
}
