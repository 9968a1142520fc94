import { assert, assertEquals } from "@std/assert";
import type { FamilyStatus } from "../../lib/agent/status.ts";
import { BackendError, type Drift } from "../../lib/backends/backend.ts";
import { formatConfig } from "../../lib/config/config.ts";
import { CommandError, CommandKilledError } from "../../lib/ports.ts";
import { FakeBackend, FakeHost, until } from "../fakes/agent.ts";

function setUp(text?: string, families: readonly FakeBackend["family"][] = ["IPv4"]) {
  const host = new FakeHost(text, families);
  const { agent, source, clock, logger } = host;
  return { host, agent, source, clock, logger, backend: host.backend(), ipv6: host.backend("IPv6") };
}

const TEN = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]';
const ELEVEN = 'nonMasqueradeCIDRs: ["11.0.0.0/8"]';
const BAD = 'nonMasqueradeCIDRs: ["10.0.0.1/8"]';
const BAD_LINE =
  'E /etc/config/test:1:22: nonMasqueradeCIDRs[0]: "10.0.0.1/8" is not aligned: did you mean "10.0.0.0/8"?';
const IPV6_GAP =
  "W /etc/config/test:1:1: warning: nonMasqueradeCIDRs: no IPv6 range is exempt, so that pods lose their addresses " +
  "among each other, too: add the pods' range, or masqOutBoundIPv6: false";

Deno.test("Agent.cycle() installs the rules, says so once, and then leaves them alone", async () => {
  const { agent, backend, logger } = setUp(TEN);
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 0 });
  assertEquals(backend.rules, ["169.254.0.0/16 RETURN", "10.0.0.0/8 RETURN", "* MASQUERADE"]);
  assertEquals(logger.take(), ["I IPv4: installed 3 rules, with a list of iptables-nft"]);
  await agent.cycle();
  assertEquals([backend.reads, backend.writes], [2, 1]);
  assertEquals(logger.take(), []);
});

Deno.test("Agent.cycle() says at its start that all stands already", async () => {
  const { agent, backend, logger } = setUp(TEN);
  backend.rules = ["169.254.0.0/16 RETURN", "10.0.0.0/8 RETURN", "* MASQUERADE"];
  await agent.cycle();
  assertEquals(backend.writes, 0);
  assertEquals(logger.take(), ["I IPv4: the rules are up to date, with a list of iptables-nft"]);
});

Deno.test("Agent.cycle() tells a new config from drift", async () => {
  const { agent, backend, source, logger } = setUp(TEN);
  await agent.cycle();
  logger.take();
  source.text = ELEVEN;
  await agent.cycle();
  assertEquals(logger.take(), ["I IPv4: updated the rules: the list differs"]);
  backend.rules = [];
  await agent.cycle();
  assertEquals(logger.take(), ["W IPv4: repaired drift: the list differs"]);
});

Deno.test("Agent.cycle() says how a new config differs, in numbers where that is all", async (t) => {
  const rules = (missing: number, surplus: number): Drift => ({
    kind: "chain-differs",
    detail: "others",
    counts: { missing, surplus },
  });
  const jump: Drift = { kind: "jump-missing", detail: "no jump" };
  const cases: [drift: Drift[], said: string][] = [
    [[rules(2, 1)], "added 2, removed 1"],
    [[rules(2, 0), rules(1, 4)], "added 3, removed 4"],
    [[rules(2, 1), jump], "others, no jump"],
    [[jump, rules(2, 1)], "no jump, others"],
  ];
  for (const [drift, said] of cases) {
    await t.step(said, async () => {
      const { agent, backend, source, logger } = setUp(TEN);
      await agent.cycle();
      logger.take();
      backend.drift = drift;
      source.text = ELEVEN;
      await agent.cycle();
      assertEquals(logger.take(), [`I IPv4: updated the rules: ${said}`]);
      backend.rules = [];
      await agent.cycle();
      assertEquals(logger.take(), [
        `W IPv4: repaired drift: ${drift.map(({ detail }) => detail).join(", ")}`,
      ]);
    });
  }
});

Deno.test("Agent.cycle() replaces what an agent before it left, and says so in the tool's words", async () => {
  const { agent, backend, logger } = setUp(TEN);
  backend.rules = ["old RETURN"];
  backend.drift = [{ kind: "chain-differs", detail: "1 rule", counts: { missing: 3, surplus: 1 } }];
  await agent.cycle();
  assertEquals(logger.take(), ["I IPv4: updated the rules: 1 rule"]);
});

Deno.test("Agent.cycle() says every repair and every update that is an event of its own", async () => {
  const { agent, backend, source, logger } = setUp(TEN);
  const drift = "W IPv4: repaired drift: the list differs";
  const update = "I IPv4: updated the rules: the list differs";
  await agent.cycle();
  logger.take();
  for (const expected of [[drift], []]) {
    backend.rules = [];
    await agent.cycle();
    assertEquals(logger.take(), expected, "again and again is one event");
  }
  await agent.cycle();
  assertEquals(logger.take(), ["I Previous message repeated 1 time"]);
  backend.rules = [];
  await agent.cycle();
  assertEquals(logger.take(), [drift], "after some quiet it is another one");
  for (const text of [ELEVEN, TEN]) {
    source.text = text;
    await agent.cycle();
    assertEquals(logger.take(), [update]);
  }
});

Deno.test("Agent.cycle() keeps healing with the last good config while the new one is bad", async () => {
  const { agent, backend, source, logger } = setUp(TEN);
  await agent.cycle();
  const good = backend.rules;
  logger.take();

  source.text = BAD;
  assertEquals(await agent.cycle(), { configIsGood: false, failures: 0 });
  const kept = "E Config /etc/config/test is bad: the last good one stays in force";
  assertEquals(logger.take(), [BAD_LINE, kept]);
  backend.rules = [];
  await agent.cycle();
  assertEquals(backend.rules, good);
  assertEquals(logger.take(), ["W IPv4: repaired drift: the list differs"]);

  source.text = BAD.replace("10.0.0.1", "10.0.0.2");
  await agent.cycle();
  assertEquals(logger.take().at(-1), kept);
  source.text = TEN;
  await agent.cycle();
  assertEquals(logger.take(), ["I Config /etc/config/test is good again"]);
});

Deno.test("Agent.cycle() touches nothing when it starts with a bad config", async () => {
  const { agent, backend, source, logger } = setUp(BAD);
  backend.rules = ["old RETURN"];
  for (let time = 0; time < 3; time++) await agent.cycle();
  assertEquals([backend.reads, backend.writes], [0, 0]);
  const untouched = "E Config /etc/config/test is bad: no rule is touched until it is good";
  assertEquals(logger.take(), [BAD_LINE, untouched]);
  source.text = TEN;
  await agent.cycle();
  assertEquals(backend.writes, 1);
});

Deno.test("Agent.cycle() treats a config that can't be read as a bad one, not as none", async () => {
  const { agent, backend, source, logger } = setUp(TEN);
  await agent.cycle();
  const good = backend.rules;
  logger.take();
  source.unreadable = "permission denied";
  assertEquals(await agent.cycle(), { configIsGood: false, failures: 0 });
  assertEquals(backend.rules, good);
  assertEquals(logger.take()[0], "E /etc/config/test: cannot be read: permission denied");
});

Deno.test("Agent.cycle() uses the defaults where there is no config", async () => {
  const { agent, backend } = setUp();
  await agent.cycle();
  assertEquals(backend.rules?.length, 5);
});

Deno.test("Agent.cycle() says that there is no config, and that one is gone, once", async () => {
  const { agent, source, logger } = setUp();
  source.others = ["config", "values.yaml"];
  await agent.cycle();
  await agent.cycle();
  const hint = "; its folder has config, values.yaml: is the ConfigMap's key or --config-path wrong?";
  assertEquals(logger.take(), [
    `I No config at /etc/config/test: the defaults apply${hint}`,
    "I IPv4: installed 5 rules, with a list of iptables-nft",
  ]);
  source.text = TEN;
  await agent.cycle();
  logger.take();
  source.text = undefined;
  source.others = [];
  await agent.cycle();
  await agent.cycle();
  assertEquals(logger.take()[0], "W Config /etc/config/test is gone: the defaults apply");
});

Deno.test("Agent.cycle() says a warning once", async () => {
  const { agent, logger } = setUp(`${TEN}\ncolour: red`);
  await agent.cycle();
  await agent.cycle();
  assertEquals(logger.take().filter((line) => line.startsWith("W")).length, 1);
});

Deno.test("Agent.cycle() syncs a family also when the other fails", async () => {
  const { agent, backend: ipv4, ipv6, logger } = setUp(TEN, ["IPv4", "IPv6"]);
  ipv4.failure = "no such table";
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 1 });
  assertEquals(ipv6.rules, ["fe80::/10 RETURN", "* MASQUERADE"]);
  assertEquals(logger.take().sort(), [
    "E IPv4: no such table",
    "I IPv6: installed 2 rules, with a list of iptables-nft",
    IPV6_GAP,
  ]);
  await agent.cycle();
  assertEquals(logger.take(), [], "a failure that stays the same is said once");
  ipv4.failure = undefined;
  await agent.cycle();
  assertEquals(logger.take(), [
    "I Previous message repeated 1 time",
    "I IPv4: recovered from the last failure",
    "I IPv4: installed 3 rules, with a list of iptables-nft",
  ]);
  assertEquals(agent.health.families.map(({ lastError }) => lastError), [undefined, undefined]);
  await agent.cycle();
  assertEquals(logger.take(), []);
});

Deno.test("Agent.cycle() shows config and rules at -v=2 only", async () => {
  const { agent, logger } = setUp(TEN);
  logger.verbosity = 2;
  await agent.cycle();
  const lines = logger.take();
  assertEquals(lines[0]?.startsWith('I Config: {"nonMasqueradeCIDRs":["10.0.0.0/8"]'), true);
  assertEquals(lines.slice(2), [
    "I IPv4: 169.254.0.0/16 RETURN",
    "I IPv4: 10.0.0.0/8 RETURN",
    "I IPv4: * MASQUERADE",
  ]);
  await agent.cycle();
  assertEquals(logger.take(), []);
});

Deno.test("Agent chooses the backend before the first sync, once for all families, and says why", async () => {
  const { host, agent, logger } = setUp(TEN, ["IPv4", "IPv6"]);
  host.choice = { backend: "nftables", reason: "iptables-nft is not installed" };
  await agent.cycle();
  await agent.cycle();
  assertEquals(host.choices, 1);
  assertEquals([...host.backends.values()].filter(({ writes }) => writes > 0).map(({ name }) => name), [
    "nftables",
    "nftables",
  ]);
  assertEquals(logger.take()[1], "I Backend nftables: iptables-nft is not installed");
});

Deno.test("Agent fails, and looks again, where no backend works", async () => {
  const { host, agent, backend, logger } = setUp(TEN);
  host.choice = new BackendError("No backend works here");
  for (let time = 0; time < 2; time++) {
    assertEquals(await agent.cycle(), { configIsGood: true, failures: 1 });
  }
  assertEquals(logger.take(), ["E IPv4: No backend works here"]);
  const [{ syncs, durationSum }] = agent.health.families as [FamilyStatus];
  assertEquals([syncs.failed, durationSum], [2, 0]);
  host.choice = { backend: "iptables-nft", reason: "" };
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 0 });
  assertEquals([host.choices, backend.writes], [3, 1]);
});

Deno.test("Agent chooses again after failures in a row of all families, and leaves a choice that can't be made", async (t) => {
  const fail = async (host: FakeHost, times: number) => {
    for (let time = 0; time < times; time++) await host.agent.cycle();
  };
  await t.step("another backend", async () => {
    const { host, backend, logger } = setUp(TEN);
    backend.failure = "it crashed";
    await fail(host, 3);
    assertEquals(host.choices, 1);
    host.choice = { backend: "nftables", reason: "iptables-nft cannot work" };
    await fail(host, 1);
    assertEquals([host.choices, host.backend("IPv4", "nftables").writes], [2, 1]);
    assertEquals(logger.take().slice(-4), [
      "I Backend nftables: iptables-nft cannot work",
      "I Previous message repeated 2 times",
      "I IPv4: recovered from the last failure",
      "I IPv4: installed 3 rules, with a list of nftables",
    ]);
  });
  await t.step("the same one", async () => {
    const { host, backend } = setUp(TEN);
    backend.failure = "busy";
    await fail(host, 8);
    assertEquals([host.choices, host.backends.size], [3, 2]);
  });
  await t.step("none, while one is in use", async () => {
    const { host, backend, logger } = setUp(TEN);
    backend.failure = "busy";
    host.choice = { backend: "iptables-nft", reason: "" };
    await fail(host, 1);
    host.choice = new CommandError("No backend works here");
    await fail(host, 4);
    assertEquals(logger.take(), ["E IPv4: busy"]);
  });
  await t.step("not while one family works", async () => {
    const { host, ipv6 } = setUp(TEN, ["IPv4", "IPv6"]);
    ipv6.failure = "no ip6 nat table";
    await fail(host, 8);
    assertEquals(host.choices, 1);
  });
});

Deno.test("Agent removes stale rules once the new ones are in force, and tries again where it can't", async () => {
  const { host, agent, logger, backend } = setUp(TEN);
  const stale = new FakeBackend("IPv4", "iptables-legacy");
  stale.rules = ["old RETURN"];
  const plan = (await stale.removal())!;
  host.stale = [{
    place: { backend: stale.name, family: "IPv4" },
    rules: [{ name: "OLD", plan, usedBy: [] }],
  }];
  stale.failure = "busy";
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 1 });
  await agent.cycle();
  const left = "W IPv4: stale rules of iptables-legacy are still in force and can't be removed: busy";
  assertEquals(logger.take().slice(1), [left]);
  stale.failure = undefined;
  assertEquals((await agent.cycle()).failures, 0);
  assertEquals([stale.rules, backend.rules?.length], [undefined, 3]);
  assertEquals(logger.take(), [
    "I IPv4: removed stale rules of iptables-legacy: those of a list of iptables-nft are in force",
  ]);
  await agent.cycle();
  assertEquals(host.staleLooks, 3, "it looks no more");
});

Deno.test("Agent looks five times for stale rules that can't be read, and never before its own are in force", async () => {
  const { host, agent, backend, logger } = setUp(TEN);
  logger.verbosity = 2;
  const place = { backend: "nftables", family: "IPv4" } as const;
  host.stale = [{ place, error: new BackendError("nft crashed") }, { place, missing: true }];
  backend.failure = "busy";
  await agent.cycle();
  assertEquals(host.staleLooks, 0);
  backend.failure = undefined;
  for (let time = 0; time < 7; time++) assertEquals((await agent.cycle()).failures, 0);
  assertEquals(host.staleLooks, 5);
  assertEquals(
    logger.take().filter((line) => line === "I IPv4: cannot look for rules of nftables: nft crashed").length,
    5,
  );
});

Deno.test("Agent looks for stale rules anew, and complains anew, once another backend is in use", async () => {
  const { host, agent, backend, logger } = setUp(TEN);
  const place = { backend: "iptables-legacy", family: "IPv4" } as const;
  const stuck = new FakeBackend("IPv4", "iptables-legacy");
  stuck.rules = ["old RETURN"];
  const plan = (await stuck.removal())!;
  stuck.failure = "busy";
  host.stale = [{ place, rules: [{ name: "OLD", plan, usedBy: [] }] }, {
    place,
    error: new BackendError("x"),
  }];
  const complaint = "W IPv4: stale rules of iptables-legacy are still in force and can't be removed: busy";
  const cycles = async (times: number) => {
    for (let time = 0; time < times; time++) await agent.cycle();
    return logger.take().filter((line) => line === complaint).length;
  };
  assertEquals([await cycles(7), host.staleLooks], [1, 7], "what can be read is not given up");
  logger.take();
  backend.failure = "it crashed";
  host.choice = { backend: "nftables", reason: "" };
  assertEquals(await cycles(6), 1);
  assertEquals(agent.health.families[0]!.repairs.size, 0, "rules of another backend are no repair");
  stuck.failure = undefined;
  host.staleLooks = 0;
  assertEquals([await cycles(7), host.staleLooks], [0, 1], "it was asked often enough");
  host.backend("IPv4", "nftables").failure = "it crashed";
  host.choice = { backend: "iptables", reason: "" };
  host.staleLooks = 0;
  assertEquals([await cycles(9), host.staleLooks], [0, 5]);
});

Deno.test("Agent.cycle() is silent about a removal of stale rules that was killed, and fails", async () => {
  const { host, agent, logger } = setUp(TEN);
  const stale = new FakeBackend("IPv4", "nftables");
  stale.rules = ["old RETURN"];
  const plan = (await stale.removal())!;
  stale.failure = new CommandKilledError("nft");
  host.stale = [{
    place: { backend: "nftables", family: "IPv4" },
    rules: [{ name: "OLD", plan, usedBy: [] }],
  }];
  assertEquals((await agent.cycle()).failures, 1);
  assertEquals(logger.take(), ["I IPv4: installed 3 rules, with a list of iptables-nft"]);
});

Deno.test("Agent knows how long syncs took, and when they ended", async () => {
  const { agent, backend, ipv6, clock } = setUp(TEN, ["IPv4", "IPv6"]);
  const during = async (milliseconds: number) => {
    let goOn = () => {};
    backend.hang = ipv6.hang = new Promise((resolve) => goOn = resolve);
    const cycle = agent.cycle();
    await until(() => backend.running + ipv6.running === 2);
    clock.time += milliseconds;
    goOn();
    await cycle;
  };
  clock.time = 1_000;
  await during(2_000);
  ipv6.failure = "busy";
  await during(500);
  const [ipv4Status, ipv6Status] = agent.health.families;
  assertEquals([ipv4Status!.durationSum, ipv6Status!.durationSum, agent.health.lastAttemptMs], [
    2.5,
    2.5,
    3_500,
  ]);
  assertEquals([ipv4Status!.lastSuccess, ipv6Status!.lastSuccess], [
    { monotonicMs: 3_500, epochMs: clock.epoch() },
    { monotonicMs: 3_000, epochMs: clock.epoch() - 500 },
  ]);
  assertEquals([ipv4Status!.syncs, ipv6Status!.syncs], [
    { applied: 1, unchanged: 1, failed: 0 },
    { applied: 1, unchanged: 0, failed: 1 },
  ]);
});

Deno.test("Agent.cycle() says at -v=2 once which files are skipped, and at -v=4 that there is nothing to change", async () => {
  for (const verbosity of [1, 2]) {
    const { agent, source, logger } = setUp(TEN);
    source.skipped = ["a~", "b.bak"];
    logger.verbosity = verbosity;
    await agent.cycle();
    await agent.cycle();
    const said = logger.take().filter((line) => line.startsWith("I Skipped"));
    assertEquals(said, verbosity < 2 ? [] : ["I Skipped as backups: a~, b.bak"]);
  }
  const { agent, logger } = setUp(TEN);
  await agent.cycle();
  logger.take();
  for (const verbosity of [3, 4]) {
    logger.verbosity = verbosity;
    await agent.cycle();
    assertEquals(logger.take(), verbosity < 4 ? [] : ["I IPv4: nothing to change"]);
  }
});

Deno.test("the hash of a config is the FNV-1a of its text, and none before there is one", async () => {
  const { agent, source, backend } = setUp(BAD);
  await agent.cycle();
  assertEquals([agent.config.hash, agent.config.config, backend.reads], ["", undefined, 0]);
  const first = new Set<string>();
  for (let octet = 0; octet < 100; octet++) {
    source.text = `nonMasqueradeCIDRs: ["10.${octet}.0.0/16"]`;
    await agent.cycle();
    let hash = 2166136261n;
    for (const byte of new TextEncoder().encode(formatConfig(agent.config.config!))) {
      hash = ((hash ^ BigInt(byte)) * 16777619n) % (1n << 32n);
    }
    assertEquals(agent.config.hash, hash.toString(16).padStart(8, "0"));
    first.add(agent.config.hash[0]!);
  }
  assertEquals(first.size, 16, "zeros in front are among them");
});

Deno.test("Family.sync() has nothing to do without a backend, or without rules", async () => {
  const { host, agent: { families: [family] }, backend } = setUp(TEN);
  assertEquals(await family!.sync(), true);
  family!.use(backend);
  assertEquals([await family!.sync(), backend.reads, host.logger.lines], [true, 0, []]);
});

Deno.test("Agent.cycle() takes a family that the host lacks for a warning's worth, not for a failure", async () => {
  const { agent, ipv6, logger } = setUp(TEN, ["IPv4", "IPv6"]);
  ipv6.failure = new BackendError("this host has no IPv6", { lacksFamily: true });
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 0 });
  assert(logger.take().includes("E IPv6: this host has no IPv6"));
});

Deno.test("Agent.cycle() is silent about a command that was killed, for the agent stops", async () => {
  const { agent, backend, logger } = setUp(TEN);
  backend.failure = new CommandKilledError("nft");
  assertEquals((await agent.cycle()).failures, 1);
  assertEquals(logger.take(), []);
});

Deno.test("Agent.cycle() survives what nobody foresaw in one family", async () => {
  const { agent, backend, ipv6, logger } = setUp(TEN, ["IPv4", "IPv6"]);
  backend.failure = new TypeError("no such method");
  assertEquals((await agent.cycle()).failures, 1);
  assertEquals(ipv6.writes, 1);
  assert(logger.take().includes("E IPv4: unexpected error: no such method"));
});

Deno.test("Family.remove() waits for a sync that runs, and nothing runs beside it", async () => {
  const { agent, backend, logger } = setUp(TEN);
  await agent.cycle();
  logger.take();
  let goOn = () => {};
  backend.hang = new Promise((resolve) => goOn = resolve);
  backend.rules = [];
  const sync = agent.families[0]!.sync();
  const removed = agent.families[0]!.remove(backend);
  const counted = agent.counters();
  goOn();
  await Promise.all([sync, counted]);
  assertEquals([await removed, backend.rules, backend.mostRunning], [true, undefined, 1]);
  assertEquals(logger.take(), ["W IPv4: repaired drift: the list differs", "I IPv4: removed the rules"]);
});

Deno.test("Family.remove() says what it could not remove", async () => {
  const { agent, backend, logger } = setUp(TEN);
  await agent.cycle();
  backend.failure = "busy";
  assertEquals(await agent.families[0]!.remove(backend), false);
  assertEquals(logger.take().at(-1), "E IPv4: cannot remove the rules: busy");
});

Deno.test("Agent.counters() reads once for all who ask at a time, and for a second", async () => {
  const { agent, backend, ipv6, clock } = setUp(TEN, ["IPv4", "IPv6"]);
  await agent.cycle();
  const all = await Promise.all(Array.from({ length: 50 }, () => agent.counters()));
  assertEquals([backend.counts, ipv6.counts, all[49]!.size], [1, 1, 2]);
  clock.time = 999;
  await agent.counters();
  assertEquals(backend.counts, 1);
  clock.time = 1_000;
  await agent.counters();
  assertEquals(backend.counts, 2);
  ipv6.failure = "no table";
  clock.time = 2_000;
  assertEquals([...(await agent.counters()).keys()], ["IPv4"]);
});

Deno.test("Agent.counters() gives what was read before to those who would wait for long", async () => {
  const { agent, backend, clock } = setUp(TEN);
  await agent.cycle();
  const first = await agent.counters();
  clock.time = 10_000;
  let goOn = () => {};
  backend.hang = new Promise((resolve) => goOn = resolve);
  const late = agent.counters();
  await clock.tick();
  assertEquals([await late, clock.time], [first, 12_000]);
  assertEquals(backend.counts, 2);
  const same = agent.counters();
  assertEquals(backend.counts, 2, "one command at a time");
  goOn();
  await same;
  assertEquals(clock.sleepers, 0);
});

Deno.test("Agent.cycle() forgets flows behind what it writes only, knowing the rules before, and complains once", async () => {
  const host = new FakeHost("nonMasqueradeCIDRs: [10.0.0.0/8]");
  host.forgetting = 2;
  await host.agent.cycle();
  await host.agent.cycle();
  assertEquals(host.forgettings.splice(0), ["IPv4 ? 3"]);
  assertEquals(host.logger.take().at(-1), "I IPv4: forgot 2 UDP flows with another address");
  host.forgetting = 0;
  host.source.text = "nonMasqueradeCIDRs: []";
  await host.agent.cycle();
  host.forgetting = new CommandError("Cannot find conntrack");
  for (let time = 0; time < 2; time++) {
    host.backend().rules = [];
    assertEquals((await host.agent.cycle()).failures, 0);
  }
  assertEquals(host.forgettings, ["IPv4 3 2", "IPv4 2 2", "IPv4 2 2"]);
  assertEquals(host.logger.take().filter((text) => text.includes("flow")), [
    "W IPv4: cannot forget UDP flows: Cannot find conntrack",
  ]);
  host.forgetting = new CommandKilledError("conntrack");
  host.backend().rules = [];
  await host.agent.cycle();
  assertEquals(host.logger.take().filter((text) => text.includes("conntrack")), []);
});
