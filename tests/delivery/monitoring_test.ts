/** The alerts and the dashboard, with a real Prometheus that scrapes the real agent and node_exporter. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { parse } from "@std/yaml/parse";
import { fromFileUrl } from "@std/path";
import dashboard from "../../deploy/monitoring/dashboard.json" with { type: "json" };
import { findDashboardErrors, findSchemaErrors } from "../deploy/schemas.ts";
import { parseManifests } from "../deploy/kustomize.ts";
import { Daemon } from "../sandbox/daemon.ts";
import { CHECKERS, Host } from "../sandbox/host.ts";
import { DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const RULE = await Deno.readTextFile(
  new URL("../../deploy/monitoring/prometheus-rule.yaml", import.meta.url),
);
const RULE_TEST = fromFileUrl(new URL("prometheus_rule_test.yaml", import.meta.url));

interface Rule {
  readonly alert: string;
  readonly expr: string;
}
const { spec } = parse(RULE) as { readonly spec: { readonly groups: readonly { rules: readonly Rule[] }[] } };

/** A machine with promtool, the rules and their tests in /run. */
async function createHost(sandbox: Sandbox): Promise<Host> {
  const host = await Host.create(sandbox, CHECKERS);
  await sandbox.write("/run/hosts/run/rules.json", JSON.stringify(spec));
  await sandbox.write("/run/hosts/run/test.yaml", await Deno.readTextFile(RULE_TEST));
  return host;
}

Deno.test("the PrometheusRule is what the operator knows, and its alerts fire when they should", async (t) => {
  await using sandbox = await Sandbox.create();
  const host = await createHost(sandbox);
  await t.step("schema", async () => {
    assertEquals(await findSchemaErrors(parseManifests(RULE)), "");
    assertMatch(await findSchemaErrors(parseManifests(RULE.replace("expr:", "exrp:"))), /exrp/);
  });
  await t.step("promtool check rules", async () => {
    const { code, stdout } = await host.run("promtool", ["check", "rules", "--lint=all", "/run/rules.json"]);
    assertEquals([code, stdout.includes(`${spec.groups[0]!.rules.length} rules found`)], [0, true], stdout);
  });
  await t.step("promtool test rules", async () => {
    const { code, stderr } = await host.run("promtool", ["test", "rules", "/run/test.yaml"]);
    assertEquals(code, 0, stderr);
  });
  for (const { alert } of spec.groups.flatMap(({ rules }) => rules)) {
    await t.step(`${alert} is tested`, async () => {
      await host.sh(`sed 's/"alert":"${alert}"/"alert":"Another"/' /run/rules.json >/run/other.json`);
      await host.sh("sed 's/rules.json/other.json/' /run/test.yaml >/run/other.yaml");
      assertEquals((await host.run("promtool", ["test", "rules", "/run/other.yaml"])).code, 1);
    });
  }
});

Deno.test("the dashboard is what Grafana knows", async (t) => {
  const { panels } = dashboard;
  await t.step("schema", async () => {
    assertEquals(await findDashboardErrors(dashboard), "");
    assertMatch(await findDashboardErrors(Object.assign({ refrehs: "1m" }, dashboard)), /refrehs/);
  });
  await t.step("every panel has a number and a place of its own", () => {
    assertEquals(new Set(panels.map(({ id }) => id)).size, panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + index % w} ${y + Math.floor(index / w)}`)
    );
    assertEquals(new Set(cells).size, cells.length);
    assert(panels.every(({ gridPos: { x, w } }) => x + w <= 24));
  });
});

/** The kubelet's numbers, which node_exporter gives here as it found them in a file. */
const KUBELET = `container_cpu_usage_seconds_total{container="ip-masq-agent",pod="ip-masq-agent-x"} 1
container_memory_working_set_bytes{container="ip-masq-agent",pod="ip-masq-agent-x"} 60000000
`;
const PROMETHEUS = `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [rules.json]
scrape_configs:
  - job_name: ip-masq-agent
    static_configs: [{ targets: ["127.0.0.1:10264"] }]
  - job_name: node
    static_configs: [{ targets: ["127.0.0.1:9100"] }]
`;
const CONFIG = `
resyncInterval: 1s
rules:
  - { name: kept, to: [${DESTINATIONS.private10}/32], action: keep }
`;

Deno.test("every query of the dashboard and of the alerts finds what the agent gives", async (t) => {
  await using sandbox = await Sandbox.create();
  const host = await createHost(sandbox);
  await using network = await Network.create(sandbox);
  await sandbox.writeConfig(CONFIG);
  await sandbox.write("/run/hosts/run/kubelet/kubelet.prom", KUBELET);
  await sandbox.write("/run/hosts/run/prometheus.yaml", PROMETHEUS);
  await using daemon = new Daemon(sandbox, "--metrics-bind-address=127.0.0.1:10264");
  await daemon.line(/^IPv4: installed/);
  await daemon.line(/^Metrics and health at/);
  const servers = [
    host.spawn("prometheus-node-exporter", [
      "--web.listen-address=127.0.0.1:9100",
      "--collector.textfile.directory=/run/kubelet",
    ]),
    host.spawn("prometheus", [
      "--config.file=/run/prometheus.yaml",
      "--storage.tsdb.path=/run/tsdb",
      "--web.listen-address=127.0.0.1:9090",
    ]),
  ];
  const logs = servers.map(({ stderr }) => new Response(stderr).text());
  try {
    const query = async (expr: string): Promise<readonly { readonly metric: Record<string, string> }[]> => {
      const { code, stdout, stderr } = await host.run("promtool", [
        "query",
        "instant",
        "--format=json",
        "http://127.0.0.1:9090",
        expr,
      ]);
      if (code !== 0) throw new Error(`${expr}: ${stderr}`);
      return JSON.parse(stdout);
    };
    const until = async (expr: string) => {
      const isSo = () => query(expr).then(({ length }) => length > 0, () => false);
      for (let time = 0; !await isSo(); time++) {
        if (time === 300) throw new Error(`It does not become so: ${expr}`);
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    };
    // A rate needs two samples, and a repair that was not there in the first.
    await until("count_over_time(ip_masq_agent_ready[1m]) > 2 and on () count_over_time(node_load1[1m]) > 2");
    await network.connect(DESTINATIONS.public, DESTINATIONS.private10);
    await sandbox.sh("iptables -t nat -F IP-MASQ-AGENT");
    await daemon.line(/^IPv4: repaired drift/);
    await until('increase(ip_masq_agent_drift_repairs_total{reason="chain-differs"}[1m]) > 0');

    for (const { title, targets } of dashboard.panels) {
      for (const { expr, legendFormat } of targets) {
        await t.step(`${title}: ${expr}`, async () => {
          // What counts troubles finds none here: it is to find what it counts.
          const text = expr.replace(" == 0)", ")").replace(" or vector(0)", "");
          const found = await query(text.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*"));
          const labels = [...legendFormat.matchAll(/\{\{(.*?)\}\}/g)].map(([, label]) => label!);
          assert(found.length > 0, "it finds nothing");
          for (const { metric } of found) assertEquals(labels.filter((label) => !(label in metric)), []);
        });
      }
    }
    for (const { alert, expr } of spec.groups.flatMap(({ rules }) => rules)) {
      await t.step(`${alert}: each metric in it is there`, async () => {
        for (const [metric] of expr.matchAll(/\b(?:ip_masq_agent_\w+|up)\b(?=[{ )\[])/g)) {
          assert((await query(metric)).length > 0, metric);
        }
      });
    }
    await t.step("a bad config is on its way to an alert", async () => {
      await sandbox.writeConfig("nonMasqueradeCIDRs: [10]\n");
      await until('ALERTS{alertname="IpMasqAgentConfigBad", alertstate="pending"}');
    });
  } finally {
    for (const server of servers) {
      server.kill("SIGKILL");
      await server.stdin.close();
      await server.stdout.cancel();
      await server.status;
    }
    await Promise.all(logs);
  }
});
