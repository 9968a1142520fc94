import { assertEquals } from "@std/assert";
import type { ConfigWatcher } from "../../lib/ports.ts";
import { FakeHost, settle, until } from "../fakes/agent.ts";

const TEN = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]';
const ELEVEN = 'nonMasqueradeCIDRs: ["11.0.0.0/8"]';
const BAD = 'nonMasqueradeCIDRs: ["10.0.0.1/8"]';

/** A watcher whose hints the test gives; `ensured` counts how often it was asked to watch. */
class FakeWatcher implements ConfigWatcher {
  ensured = 0;
  isWatching = false;
  hint = () => {};

  ensure(onHint: () => void): boolean {
    this.ensured++;
    if (this.isWatching) return false;
    this.isWatching = true;
    this.hint = onHint;
    return true;
  }

  close(): void {
    this.isWatching = false;
  }
}

/** Runs a loop while `test` does something, and stops it. */
async function running(
  host: FakeHost,
  test: (loop: ReturnType<FakeHost["loop"]>) => Promise<void>,
  watcher?: ConfigWatcher,
): Promise<void> {
  const stop = new AbortController();
  const loop = host.loop(watcher);
  const end = loop.run(stop.signal);
  await host.clock.asleep();
  await test(loop);
  stop.abort();
  await end;
}

Deno.test("Loop waits resyncInterval, and a new interval counts at once", async () => {
  const host = new FakeHost("resyncInterval: 30s");
  await running(host, async () => {
    host.source.text = "resyncInterval: 5s";
    await host.clock.tick();
    await host.clock.asleep();
    assertEquals(host.clock.sleeps, [30_000, 5_000]);
  });
});

Deno.test("Loop retries a failure after 1s, doubling up to the interval, and then rests again", async () => {
  const host = new FakeHost("resyncInterval: 10s");
  host.backend().failure = "busy";
  await running(host, async () => {
    for (let time = 0; time < 6; time++) await host.clock.tick();
    host.backend().failure = undefined;
    await host.clock.tick();
    await host.clock.asleep();
    assertEquals(host.clock.sleeps, [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000]);
  });
});

Deno.test("Loop retries a bad config at its start in the same way", async () => {
  const host = new FakeHost(BAD);
  await running(host, async () => {
    for (let time = 0; time < 8; time++) await host.clock.tick();
    await host.clock.asleep();
    assertEquals(host.clock.sleeps.slice(-3), [60_000, 60_000, 60_000]);
  });
});

Deno.test("Loop.wake() makes the next sync happen now", async () => {
  const host = new FakeHost(TEN);
  await running(host, async (loop) => {
    loop.wake();
    await settle();
    await host.clock.asleep();
    assertEquals([host.backend().reads, host.clock.sleepers], [2, 1]);
  });
  assertEquals(host.clock.sleepers, 0, "nothing keeps the program alive");
  assertEquals(host.backend().reads, 2, "stopping does not sync once more");
});

Deno.test("Loop.wake() during a sync is followed by another sync", async () => {
  const host = new FakeHost(TEN);
  let goOn = () => {};
  host.backend().hang = new Promise((resolve) => goOn = resolve);
  const stop = new AbortController();
  const loop = host.loop();
  const end = loop.run(stop.signal);
  await settle();
  assertEquals(host.backend().running, 1);
  loop.wake();
  goOn();
  await settle();
  await host.clock.tick();
  await settle();
  assertEquals(host.backend().reads, 2);
  assertEquals(host.clock.time, 0, "without waiting for the interval");
  stop.abort();
  await end;
});

Deno.test("Loop does not care when the calendar steps back an hour", async () => {
  const host = new FakeHost("resyncInterval: 30s");
  await running(host, async () => {
    host.clock.calendarOffset = -3_600_000;
    await host.clock.tick();
    await host.clock.asleep();
    assertEquals([host.backend().reads, host.clock.sleeps], [2, [30_000, 30_000]]);
  });
});

Deno.test("Loop follows hints of the watcher: it reads the config, and the kernel only for another one", async (t) => {
  const host = new FakeHost(TEN);
  const watcher = new FakeWatcher();
  const quiet = async () => {
    await host.clock.tick();
    await settle();
  };
  await running(host, async () => {
    // What changed before the watch began gives no event, so that its beginning is a hint, too.
    await quiet();
    await t.step("another config is synced at once", async () => {
      host.source.text = ELEVEN;
      watcher.hint();
      await quiet();
      assertEquals(host.backend().rules, ["169.254.0.0/16 RETURN", "11.0.0.0/8 RETURN", "* MASQUERADE"]);
      assertEquals(host.clock.time, 80);
    });
    await t.step("the same config costs no look at the kernel", async () => {
      const { reads } = host.backend();
      watcher.hint();
      await quiet();
      assertEquals(host.backend().reads, reads);
    });
    await t.step("the watch is made sure of after every step, and a new one is a hint", async () => {
      const { ensured } = watcher;
      watcher.isWatching = false;
      watcher.hint();
      await quiet();
      assertEquals([watcher.ensured > ensured, watcher.isWatching], [true, true]);
      host.source.text = TEN;
      await quiet();
      assertEquals(host.backend().rules?.[1], "10.0.0.0/8 RETURN");
    });
  }, watcher);
  assertEquals(watcher.isWatching, false, "it is closed in the end");
});

Deno.test("Loop waits for the quiet behind a burst of events, but not for ever", async () => {
  const host = new FakeHost(TEN);
  const watcher = new FakeWatcher();
  watcher.isWatching = true;
  await running(host, async () => {
    watcher.isWatching = false;
    await host.clock.tick();
  }, watcher);
  const loopHost = new FakeHost(TEN);
  const busy = new FakeWatcher();
  await running(loopHost, async () => {
    await loopHost.clock.tick();
    await settle();
    const start = loopHost.clock.time;
    loopHost.source.text = ELEVEN;
    for (let time = start; time < start + 110; time += 10) {
      loopHost.clock.time = time;
      busy.hint();
    }
    assertEquals(loopHost.backend().rules?.[1], "10.0.0.0/8 RETURN");
    while (loopHost.backend().rules?.[1] !== "11.0.0.0/8 RETURN") {
      await loopHost.clock.tick();
      await settle();
    }
    assertEquals(loopHost.clock.time - start, 120);
  }, busy);
});

Deno.test("Loop loses no hint that comes during a sync", async () => {
  const host = new FakeHost(TEN);
  const watcher = new FakeWatcher();
  await running(host, async (loop) => {
    await host.clock.advance(1_000);
    let goOn = () => {};
    host.backend().hang = new Promise((resolve) => goOn = resolve);
    loop.wake();
    await until(() => host.backend().running === 1);
    host.source.text = ELEVEN;
    watcher.hint();
    await host.clock.advance(100);
    goOn();
    await until(() => host.backend().rules?.[1] === "11.0.0.0/8 RETURN");
    assertEquals(host.clock.time, 1_100, "without waiting for the interval");
  }, watcher);
});

Deno.test("Loop begins the interval anew with every sync, and goes on with it where a hint was none", async () => {
  const host = new FakeHost("resyncInterval: 60s");
  const watcher = new FakeWatcher();
  host.logger.verbosity = 4;
  await running(host, async () => {
    await host.clock.advance(29_960);
    watcher.hint();
    await host.clock.advance(40);
    assertEquals(host.logger.take().at(-1), "I Next sync in 30s");
    host.source.text = `${TEN}\nresyncInterval: 60s`;
    watcher.hint();
    await host.clock.advance(40);
    assertEquals(host.logger.take().at(-1), "I Next sync in 1m0s");
    const { reads } = host.backend();
    await host.clock.advance(59_999);
    assertEquals(host.backend().reads, reads);
    await host.clock.advance(1);
    assertEquals(host.backend().reads, reads + 1);
  }, watcher);
});

Deno.test("Loop reads the config when 40 ms were quiet, and no earlier", async () => {
  const host = new FakeHost(TEN);
  const watcher = new FakeWatcher();
  await running(host, async () => {
    await host.clock.advance(1_000);
    host.source.text = ELEVEN;
    watcher.hint();
    await host.clock.advance(1);
    watcher.hint();
    await host.clock.advance(39);
    assertEquals(host.backend().rules?.[1], "10.0.0.0/8 RETURN");
    await host.clock.advance(1);
    assertEquals(host.backend().rules?.[1], "11.0.0.0/8 RETURN");
  }, watcher);
});

Deno.test("Loop watches no file system that does not answer", async () => {
  const host = new FakeHost(TEN);
  host.source.unreadable = "the file system did not answer within 5s";
  host.source.isHanging = true;
  const watcher = new FakeWatcher();
  await running(host, () => Promise.resolve(), watcher);
  assertEquals(watcher.ensured, 0);
});

Deno.test("Loop says what nobody foresaw, and goes on after the interval", async () => {
  const host = new FakeHost(TEN);
  const { readConfig } = host.agent;
  host.agent.readConfig = () => Promise.reject(new TypeError("no such method"));
  await running(host, async () => {
    assertEquals(host.logger.take(), ["E Unexpected error: no such method"]);
    host.agent.readConfig = readConfig;
    await host.clock.tick();
    await settle();
    assertEquals([host.backend().writes, host.clock.time], [1, 60_000]);
  });
});

Deno.test("Loop looks 2 s later at a config that is found empty, and no sooner lets go of the one in force", async () => {
  const host = new FakeHost(TEN);
  const watcher = new FakeWatcher();
  await running(host, async () => {
    await host.clock.advance(1_000);
    host.source.text = "";
    watcher.hint();
    await host.clock.advance(40 + 1_999);
    assertEquals(host.backend().rules?.length, 3);
    await host.clock.advance(1);
    await settle();
    assertEquals(host.backend().rules?.length, 5, "the defaults");
    const { reads } = host.backend();
    await host.clock.advance(59_999);
    assertEquals(host.backend().reads, reads);
    await host.clock.advance(1);
    assertEquals(host.backend().reads, reads + 1, "the interval counts from there");
  }, watcher);
});
