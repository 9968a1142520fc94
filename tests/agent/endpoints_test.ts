import { assertEquals, assertMatch } from "@std/assert";
import { answer } from "../../lib/agent/endpoints.ts";
import { DRIFT_KINDS } from "../../lib/backends/backend.ts";
import { FakeHost } from "../fakes/agent.ts";

function setUp(text: string) {
  const host = new FakeHost(text, ["IPv4", "IPv6"]);
  const { agent, source, clock } = host;
  const backends = [host.backend("IPv4"), host.backend("IPv6")] as const;
  return { agent, source, backends, clock, get: (path: string) => answer(path, agent, clock, "1.2.3") };
}

const GOOD = 'nonMasqueradeCIDRs: ["10.0.0.0/8", "fd00::/8"]\nmasqueradeCIDRs: ["10.1.0.0/16"]';

Deno.test("/readyz is 503 until the rules stand, and while the config is bad", async () => {
  const { agent, source, get } = setUp("nonMasqueradeCIDRs: 5");
  await agent.cycle();
  assertEquals(await get("/readyz").then((it) => [it?.status, it?.body]), [
    503,
    "the config is bad\nIPv4: the rules are not known to be in force: not synced yet\nIPv6: the rules are not known to be in force: not synced yet\n",
  ]);
  source.text = GOOD;
  await agent.cycle();
  assertEquals((await get("/readyz"))?.status, 200);
  source.text = "nonMasqueradeCIDRs: 5";
  await agent.cycle();
  assertEquals((await get("/readyz"))?.status, 503);
});

Deno.test("/readyz is 503 while one family fails from the start, and says why", async () => {
  const { agent, backends, get } = setUp(GOOD);
  backends[1].failure = "no nat table";
  await agent.cycle();
  const body = "IPv6: the rules are not known to be in force: no nat table\n";
  assertEquals(await get("/readyz").then((it) => [it?.status, it?.body]), [503, body]);
});

Deno.test("/healthz is 200 as long as attempts to sync end, however they end", async () => {
  const { agent, source, backends, clock, get } = setUp(GOOD);
  const status = async () => (await get("/healthz"))?.status;
  backends[0].failure = backends[1].failure = "broken";
  source.text = "nonMasqueradeCIDRs: 5";
  clock.time = 180_000;
  assertEquals(await status(), 200);
  await agent.cycle();
  clock.time = 360_000;
  assertEquals(await status(), 200, "a bad config is no reason to restart");
  source.text = GOOD;
  await agent.cycle();
  clock.time = 540_000;
  assertEquals(await status(), 200, "nor is a kernel that refuses");
  clock.time = 540_001;
  assertEquals(await status(), 500);
});

Deno.test("other paths are not answered", async () => {
  assertEquals(await setUp(GOOD).get("/"), undefined);
});

Deno.test("/metrics tells everything in Prometheus's text format", async () => {
  const { agent, source, backends, get } = setUp(GOOD);
  await agent.cycle();
  backends[0].rules = [];
  await agent.cycle();
  backends[1].failure = "no nat table";
  source.text = "nonMasqueradeCIDRs: 5";
  await agent.cycle();
  const { status, contentType, body } = (await get("/metrics"))!;
  assertEquals([status, contentType], [200, "text/plain; version=0.0.4; charset=utf-8"]);

  const lines = body.trimEnd().split("\n");
  for (const line of lines) {
    assertMatch(
      line,
      /^(# (HELP|TYPE) ip_masq_agent_[a-z_]+ .+|ip_masq_agent_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$/,
    );
  }
  const values = Object.fromEntries(
    lines.filter((line) => !line.startsWith("#")).map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice("ip_masq_agent_".length, at), Number(line.slice(at + 1))];
    }),
  );
  const expected = {
    'build_info{version="1.2.3"}': 1,
    'syncs_total{family="IPv4",result="unchanged"}': 1,
    'syncs_total{family="IPv4",result="applied"}': 2,
    'syncs_total{family="IPv4",result="failed"}': 0,
    'syncs_total{family="IPv6",result="failed"}': 1,
    'sync_duration_seconds_bucket{family="IPv4",le="0.005"}': 3,
    'sync_duration_seconds_bucket{family="IPv4",le="+Inf"}': 3,
    'sync_duration_seconds_sum{family="IPv4"}': 0,
    'sync_duration_seconds_count{family="IPv6"}': 3,
    'last_success_timestamp_seconds{family="IPv4"}': 1_700_000_000,
    'ready{family="IPv4"}': 1,
    'ready{family="IPv6"}': 1,
    "resync_interval_seconds": 60,
    'drift_repairs_total{family="IPv4",reason="chain-differs"}': 1,
    'drift_repairs_total{family="IPv4",reason="jump-missing"}': 0,
    'drift_repairs_total{family="IPv6",reason="set-differs"}': 0,
    "config_valid": 0,
    [`config_info{hash="${agent.config.hash}"}`]: 1,
    'cidrs{family="IPv4",list="nonMasqueradeCIDRs"}': 1,
    'cidrs{family="IPv4",list="masqueradeCIDRs"}': 1,
    'cidrs{family="IPv6",list="masqueradeCIDRs"}': 0,
    'packets_total{family="IPv4",verdict="MASQUERADE"}': 5,
    'bytes_total{family="IPv4",verdict="RETURN"}': 180,
    'packets_total{family="IPv4",verdict="SNAT"}': 2,
    'rule_packets_total{family="IPv4",rule="billing"}': 2,
    'rule_bytes_total{family="IPv4",rule="billing"}': 120,
  };
  for (const [name, value] of Object.entries(expected)) assertEquals(values[name], value, name);
  assertEquals(Object.keys(values).some((name) => /^config_info\{hash="[0-9a-f]{8}"\}$/.test(name)), true);
  assertEquals(Object.keys(values).filter((name) => name.startsWith('packets_total{family="IPv6"')), []);
});

Deno.test("/metrics has every counter of a family that never succeeded, and says that it is not ready", async () => {
  const { agent, backends, clock, get } = setUp(GOOD);
  backends[1].failure = "no nat table";
  await agent.cycle();
  const ready = async () => (await get("/metrics"))!.body.match(/^ip_masq_agent_ready.*/gm);
  assertEquals(await ready(), [
    'ip_masq_agent_ready{family="IPv4"} 1',
    'ip_masq_agent_ready{family="IPv6"} 0',
  ]);
  const repairs = (await get("/metrics"))!.body.match(/^ip_masq_agent_drift_repairs_total\{.*/gm)!;
  assertEquals(repairs.length, 2 * DRIFT_KINDS.length);
  assertEquals(repairs.filter((line) => !line.endsWith(" 0")), []);
  clock.time = 180_001;
  assertEquals(await ready(), [
    'ip_masq_agent_ready{family="IPv4"} 0',
    'ip_masq_agent_ready{family="IPv6"} 0',
  ]);
});

Deno.test("/metrics tells whether the config is good, and has no hash before there was a good one", async () => {
  const { agent, source, get } = setUp("nonMasqueradeCIDRs: 5");
  const config = async () => {
    await agent.cycle();
    return (await get("/metrics"))!.body.match(/^ip_masq_agent_config_.*/gm);
  };
  assertEquals(await config(), ["ip_masq_agent_config_valid 0"]);
  source.text = GOOD;
  assertEquals(await config(), [
    "ip_masq_agent_config_valid 1",
    `ip_masq_agent_config_info{hash="${agent.config.hash}"} 1`,
  ]);
});
