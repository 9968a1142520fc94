import { assertEquals } from "@std/assert";
import { Agent } from "../../lib/agent/agent.ts";
import { FakeBackend, FakeClock, FakeConfigSource, FakeLogger } from "../fakes/agent.ts";

/** An agent and everything around it. */
function setUp(text?: string, families: readonly FakeBackend["family"][] = ["IPv4"]) {
  const source = new FakeConfigSource(text);
  const backends = families.map((family) => new FakeBackend(family));
  const clock = new FakeClock();
  const logger = new FakeLogger();
  const agent = new Agent({
    source,
    backends,
    clock,
    logger,
    configOptions: { enableIpv6: families.includes("IPv6"), allReservedRanges: false },
    masquerade: { randomFully: true, toPorts: [] },
  });
  return { agent, source, backends, backend: backends[0]!, clock, logger };
}

const TEN = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]';
const ELEVEN = 'nonMasqueradeCIDRs: ["11.0.0.0/8"]';
const BAD = 'nonMasqueradeCIDRs: ["10.0.0.1/8"]';
const BAD_LINE =
  'E /etc/config/test:1:22: nonMasqueradeCIDRs[0]: "10.0.0.1/8" is not aligned: did you mean "10.0.0.0/8"?';

Deno.test("Agent.cycle() installs the rules, says so once, and then leaves them alone", async () => {
  const { agent, backend, logger } = setUp(TEN);
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 0 });
  assertEquals(backend.rules, ["169.254.0.0/16 RETURN", "10.0.0.0/8 RETURN", "* MASQUERADE"]);
  assertEquals(logger.take(), ["I IPv4: installed 3 rules, with a list"]);
  await agent.cycle();
  assertEquals([backend.reads, backend.writes], [2, 1]);
  assertEquals(logger.take(), []);
});

Deno.test("Agent.cycle() tries once to install before it reads", async (t) => {
  await t.step("nothing stands", async () => {
    const { agent, backend, logger } = setUp(TEN);
    backend.installs = true;
    await agent.cycle();
    assertEquals([backend.reads, backend.writes], [1, 1], "it looks whether they stand");
    assertEquals(logger.take(), ["I IPv4: installed 3 rules, with a list"]);
    backend.rules = undefined;
    await agent.cycle();
    assertEquals([backend.reads, backend.writes], [2, 2]);
    assertEquals(logger.take(), ["W IPv4: repaired drift: the list differs"]);
  });
  await t.step("something stands", async () => {
    const { agent, backend, logger } = setUp(TEN);
    backend.installs = true;
    backend.rules = [];
    await agent.cycle();
    assertEquals([backend.reads, backend.writes], [1, 1]);
    assertEquals(logger.take(), ["I IPv4: updated the rules: the list differs"]);
  });
});

Deno.test("Agent.cycle() says at its start that all stands already", async () => {
  const { agent, backend, logger } = setUp(TEN);
  backend.rules = ["169.254.0.0/16 RETURN", "10.0.0.0/8 RETURN", "* MASQUERADE"];
  await agent.cycle();
  assertEquals(backend.writes, 0);
  assertEquals(logger.take(), ["I IPv4: the rules stand as they should, with a list"]);
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

Deno.test("Agent.cycle() says a warning once", async () => {
  const { agent, logger } = setUp(`${TEN}\ncolour: red`);
  await agent.cycle();
  await agent.cycle();
  assertEquals(logger.take().filter((line) => line.startsWith("W")).length, 1);
});

Deno.test("Agent.cycle() syncs a family also when the other fails", async () => {
  const { agent, backends: [ipv4, ipv6], logger } = setUp(TEN, ["IPv4", "IPv6"]);
  ipv4!.failure = "no such table";
  assertEquals(await agent.cycle(), { configIsGood: true, failures: 1 });
  assertEquals(ipv6!.rules, ["fe80::/10 RETURN", "* MASQUERADE"]);
  assertEquals(logger.take().sort(), ["E IPv4: no such table", "I IPv6: installed 2 rules, with a list"]);
  await agent.cycle();
  assertEquals(logger.take(), [], "a failure that stays the same is said once");
  ipv4!.failure = undefined;
  await agent.cycle();
  assertEquals(logger.take(), [
    "I The event before this happened 1 more time",
    "I IPv4: the last failure is over",
    "I IPv4: installed 3 rules, with a list",
  ]);
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

Deno.test("Agent.run() waits resyncInterval, and a new interval counts at once", async () => {
  const { agent, source, clock } = setUp("resyncInterval: 30s");
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  await clock.asleep();
  source.text = "resyncInterval: 5s";
  await clock.tick();
  await clock.asleep();
  assertEquals(clock.sleeps, [30_000, 5_000]);
  stop.abort();
  await running;
});

Deno.test("Agent.run() retries a failure after 1s, doubling up to the interval, and then rests again", async () => {
  const { agent, backend, clock } = setUp("resyncInterval: 10s");
  backend.failure = "busy";
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  for (let time = 0; time < 6; time++) await clock.tick();
  backend.failure = undefined;
  await clock.tick();
  await clock.asleep();
  assertEquals(clock.sleeps, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000]);
  stop.abort();
  await running;
});

Deno.test("Agent.run() retries a bad config at its start in the same way", async () => {
  const { agent, clock } = setUp(BAD);
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  for (let time = 0; time < 8; time++) await clock.tick();
  await clock.asleep();
  assertEquals(clock.sleeps.slice(-3), [60_000, 60_000, 60_000]);
  stop.abort();
  await running;
});

Deno.test("Agent.wake() makes the next sync happen now", async () => {
  const { agent, backend, clock } = setUp(TEN);
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  await clock.asleep();
  agent.wake();
  await new Promise((resolve) => setTimeout(resolve));
  await clock.asleep();
  assertEquals(backend.reads, 2);
  stop.abort();
  await running;
  assertEquals(backend.reads, 2, "stopping does not sync once more");
});

Deno.test("Agent.run() does not care when the calendar steps back an hour", async () => {
  const { agent, backend, clock } = setUp("resyncInterval: 30s");
  const stop = new AbortController();
  const running = agent.run(stop.signal);
  await clock.asleep();
  clock.calendarOffset = -3_600_000;
  await clock.tick();
  await clock.asleep();
  assertEquals([backend.reads, clock.sleeps], [2, [30_000, 30_000]]);
  stop.abort();
  await running;
});
