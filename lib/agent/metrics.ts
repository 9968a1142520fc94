/** What the agent knows of itself -> the text format of Prometheus, version 0.0.4. */
import { cidrCounts } from "../config/cidr_counts.ts";
import type { MasqConfig } from "../config/config.ts";
import type { IpFamily } from "../config/ip_address.ts";
import { DRIFT_KINDS, type RuleCounters } from "../backends/backend.ts";
import { DURATION_BUCKETS, type FamilyStatus, type Health, isInForce, OUTCOMES } from "./status.ts";

/** All that the metrics tell. */
export interface MetricsInput {
  readonly version: string;
  readonly health: Health;
  /** Milliseconds of the clock that never steps back. */
  readonly nowMs: number;
  /** Of the config in force; empty where there is none. */
  readonly configHash: string;
  readonly config: MasqConfig | undefined;
  /** The kernel's own counters; a family whose counters can't be read is left out. */
  readonly counters: ReadonlyMap<IpFamily, RuleCounters>;
}

type Labels = Readonly<Record<string, string>>;

/** Writes every metric with its help and type. */
export function formatMetrics(input: MetricsInput): string {
  const { health } = input;
  const { families } = health;
  const perFamily = <T>(values: (family: FamilyStatus) => readonly [Labels, T][]): [Labels, T][] =>
    families.flatMap((status) =>
      values(status).map(([labels, value]): [Labels, T] => [{ family: status.family, ...labels }, value])
    );
  const verdicts = (unit: "packets" | "bytes") =>
    perFamily((status) =>
      Object.entries(input.counters.get(status.family)?.verdicts ?? {}).map((
        [verdict, counter],
      ) => [{ verdict }, counter[unit]])
    );
  const ownRules = (unit: "packets" | "bytes") =>
    perFamily((status) =>
      [...input.counters.get(status.family)?.rules ?? []].map(([rule, counter]) => [{ rule }, counter[unit]])
    );
  return [
    metric("build_info", "gauge", "The agent that runs.", [[{ version: input.version }, 1]]),
    metric(
      "syncs_total",
      "counter",
      "Checks of the rules, by how they ended.",
      perFamily(({ syncs }) => OUTCOMES.map((result) => [{ result }, syncs[result]])),
    ),
    histogram("sync_duration_seconds", "Time that a check took.", families),
    metric(
      "last_success_timestamp_seconds",
      "gauge",
      "When the rules were last known to stand.",
      perFamily(({ lastSuccess }) => lastSuccess === undefined ? [] : [[{}, lastSuccess.epochMs / 1000]]),
    ),
    metric(
      "ready",
      "gauge",
      "1 where the rules are known to be in force.",
      perFamily((status) => [[{}, isInForce(status, health, input.nowMs) ? 1 : 0]]),
    ),
    metric("resync_interval_seconds", "gauge", "Time between checks of the rules.", [
      [{}, health.resyncIntervalMs / 1000],
    ]),
    metric(
      "drift_repairs_total",
      "counter",
      "Repairs of what something else had changed, by what it was.",
      perFamily(({ repairs }) => DRIFT_KINDS.map((reason) => [{ reason }, repairs.get(reason) ?? 0])),
    ),
    metric("config_valid", "gauge", "1 where the config that is there now is good.", [
      [{}, health.configIsGood ? 1 : 0],
    ]),
    metric(
      "config_info",
      "gauge",
      "The config in force, by a hash.",
      input.configHash === "" ? [] : [[{ hash: input.configHash }, 1]],
    ),
    metric(
      "cidrs",
      "gauge",
      "Entries of the lists of the config in force.",
      input.config === undefined
        ? []
        : perFamily(({ family }) =>
          Object.entries(cidrCounts(input.config!, family)).map(([list, count]) => [{ list }, count])
        ),
    ),
    metric(
      "packets_total",
      "counter",
      "First packets of connections, by verdict, since the rules were written.",
      verdicts("packets"),
    ),
    metric("bytes_total", "counter", "Bytes of these packets.", verdicts("bytes")),
    metric(
      "rule_packets_total",
      "counter",
      "First packets of connections for which an entry of rules decided, by its name.",
      ownRules("packets"),
    ),
    metric("rule_bytes_total", "counter", "Bytes of these packets.", ownRules("bytes")),
  ].join("");
}

function metric(
  name: string,
  type: "counter" | "gauge",
  help: string,
  samples: readonly [Labels, number][],
): string {
  return header(name, type, help) + samples.map(([labels, value]) => sample(name, labels, value)).join("");
}

function histogram(name: string, help: string, families: readonly FamilyStatus[]): string {
  const lines = families.flatMap(({ family, durationCounts, durationSum, syncs }) => {
    const total = OUTCOMES.reduce((sum, outcome) => sum + syncs[outcome], 0);
    return [
      ...DURATION_BUCKETS.map((le, index) =>
        sample(`${name}_bucket`, { family, le: String(le) }, durationCounts[index]!)
      ),
      sample(`${name}_bucket`, { family, le: "+Inf" }, total),
      sample(`${name}_sum`, { family }, durationSum),
      sample(`${name}_count`, { family }, total),
    ];
  });
  return header(name, "histogram", help) + lines.join("");
}

function header(name: string, type: string, help: string): string {
  return `# HELP ip_masq_agent_${name} ${help}\n# TYPE ip_masq_agent_${name} ${type}\n`;
}

/** One line. Label values are escaped as the format asks. */
function sample(name: string, labels: Labels, value: number): string {
  const escape = (text: string) =>
    text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`).join(",");
  return `ip_masq_agent_${name}${pairs && `{${pairs}}`} ${value}\n`;
}
