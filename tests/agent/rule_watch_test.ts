import { assertEquals } from "@std/assert";
import type { RuleMonitor } from "../../lib/ports.ts";
import { FakeHost, settle, until } from "../fakes/agent.ts";

const TEN = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]\nresyncInterval: 1h';
const EVENTS = { script: "monitor", pattern: "^ours$" };

/** An nft whose words the test says. */
class FakeMonitor implements RuleMonitor {
  /** How often it was started. */
  starts = 0;
  /** How many run. */
  running = 0;
  text: (text: string) => void = () => {};
  end: (why: string) => void = () => {};

  async follow(_script: string, onText: (text: string) => void, stop: AbortSignal): Promise<string> {
    this.starts++;
    this.running++;
    this.text = onText;
    const why = await new Promise<string>((resolve) => {
      this.end = resolve;
      stop.addEventListener("abort", () => resolve("stopped"));
    });
    this.running--;
    return why;
  }

  /** Somebody changes our rules, in one transaction. */
  change(): void {
    this.text("ours\n# new generation 2 by process 7 (iptables)\n");
  }
}

interface Watched {
  readonly host: FakeHost;
  readonly monitor: FakeMonitor;
  readonly backend: ReturnType<FakeHost["backend"]>;
}

/** Runs a loop that follows the kernel's events while `test` does something, two seconds after its start. */
async function watching(
  test: (watched: Watched) => Promise<void>,
  events = true,
  config = TEN,
): Promise<FakeMonitor> {
  const host = new FakeHost(config);
  const backend = host.backend();
  if (events) Object.assign(backend, { events: EVENTS });
  const monitor = new FakeMonitor();
  const stop = new AbortController();
  const end = host.loop(undefined, monitor).run(stop.signal);
  await until(() => !events || monitor.running > 0);
  await host.clock.advance(2_000);
  host.logger.take();
  await test({ host, monitor, backend });
  stop.abort();
  await end;
  assertEquals(host.clock.sleepers, 0, "nothing keeps the program alive");
  return monitor;
}

Deno.test("RuleWatch has a change repaired 200 ms after it, and its own write is no change", async () => {
  const monitor = await watching(async ({ host, monitor, backend }) => {
    assertEquals(backend.reads, 2, "what changed before it listened is looked for");
    backend.rules = [];
    monitor.change();
    await host.clock.advance(199);
    assertEquals(backend.rules, []);
    await host.clock.advance(1);
    assertEquals(backend.rules?.length, 3);
    monitor.change();
    await host.clock.advance(5_000);
    assertEquals([backend.reads, backend.writes], [3, 2]);
    assertEquals(host.logger.take(), ["W IPv4: repaired drift: the list differs"]);
  });
  assertEquals(monitor.running, 0);
});

Deno.test("RuleWatch loses no change that is made during a sync, or right behind its write", async () => {
  await watching(async ({ host, monitor, backend }) => {
    let goOn = () => {};
    backend.hang = new Promise((resolve) => goOn = resolve);
    backend.rules = [];
    monitor.change();
    await host.clock.advance(200);
    assertEquals(backend.running, 1);
    monitor.change();
    monitor.change();
    goOn();
    await settle();
    backend.rules = [];
    await host.clock.advance(500);
    assertEquals([backend.rules.length, backend.writes], [3, 3]);
  });
});

Deno.test("RuleWatch checks at most 30 times a minute however much others change", async () => {
  await watching(async ({ host, monitor, backend }) => {
    const { reads } = backend;
    for (let time = 0; time < 600; time++) {
      monitor.change();
      await host.clock.advance(100);
    }
    assertEquals(backend.reads - reads, 30);
  });
});

Deno.test("RuleWatch lets repairs rest that are undone at once, and the fight is said once", async () => {
  await watching(async ({ host, monitor, backend }) => {
    const seconds = 600;
    for (let time = 0; time < seconds * 10; time++) {
      backend.rules = [];
      monitor.change();
      await host.clock.advance(100);
    }
    assertEquals(backend.writes < 25, true, String(backend.writes));
    const fight = host.logger.take().filter((line) => !line.includes("repaired drift"));
    assertEquals(fight, [
      "W IPv4: every repair is undone at once, last process 7 (iptables): does another agent or a firewall " +
      "manage the same rules? From now on repairs wait longer and longer, up to a minute",
    ]);
    await host.clock.advance(3_600_000);
    await host.clock.advance(3_600_000);
    assertEquals(
      host.logger.take().filter((line) => line.includes("undo")),
      ["I IPv4: nobody undoes the repairs any more"],
    );
  });
});

Deno.test("RuleWatch starts an nft that ends again, later each time, and says so once", async () => {
  await watching(async ({ host, monitor, backend }) => {
    const starts: number[] = [];
    for (let time = 0; time < 13; time++) {
      const { time: before } = host.clock;
      const count = monitor.starts;
      monitor.end("nft ended");
      await settle();
      while (monitor.starts === count) await host.clock.tick();
      starts.push((host.clock.time - before) / 1_000);
    }
    assertEquals(starts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
    assertEquals(host.logger.take().filter((line) => line.includes("changes")), [
      "I IPv4: changes by others are found only once a resyncInterval: nft ended",
    ]);
    backend.rules = [];
    await host.clock.advance(1_200);
    assertEquals(backend.rules.length, 3, "what changed meanwhile is looked for");
    await host.clock.advance(60_000);
    const count = monitor.starts;
    monitor.end("nft ended");
    await host.clock.advance(1_000);
    assertEquals(monitor.starts, count + 1, "one that ran for a minute had begun well");
  });
});

Deno.test("RuleWatch leaves failures to the loop", async () => {
  await watching(async ({ host, monitor, backend }) => {
    backend.failure = "busy";
    monitor.change();
    await host.clock.advance(200);
    const { counts } = backend;
    assertEquals(host.agent.health.families[0]!.syncs.failed, 2, "its own, and one of the loop at once");
    for (let time = 0; time < 7; time++) {
      monitor.change();
      await host.clock.advance(100);
    }
    assertEquals([backend.counts, host.agent.health.families[0]!.syncs.failed], [counts, 2]);
    backend.failure = undefined;
    await host.clock.advance(1_000);
    assertEquals(host.agent.health.families[0]!.lastError, undefined);
  });
});

Deno.test("RuleWatch follows another backend once that one is in use", async () => {
  await watching(async ({ host, monitor, backend }) => {
    Object.assign(host.backend("IPv4", "nftables"), { events: EVENTS });
    host.choice = { backend: "nftables", reason: "" };
    backend.failure = "broken";
    monitor.change();
    await host.clock.advance(10_000);
    assertEquals([monitor.starts, monitor.running], [2, 1]);
  });
});

Deno.test("RuleWatch says once where a backend has no events, and starts nothing", async () => {
  const monitor = await watching(async ({ host }) => {
    await host.clock.advance(7_200_000);
    assertEquals(host.logger.take(), []);
  }, false);
  assertEquals(monitor.starts, 0);
});

/** With the rules for link-local destinations and for all others, one more than few. */
const LONG = `nonMasqueradeCIDRs: [${
  Array.from({ length: 999 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`)
}]\ncidrLimit: 1000\nresyncInterval: 60s`;

Deno.test("many rules are read only where something was changed, or nobody listened, and now and then", async (t) => {
  const foreign = "add rule ip other c\n# new generation 9 by process 7 (iptables)\n";
  const cases: [name: string, act: (watched: Watched) => unknown, reads: readonly number[]][] = [
    ["nothing is changed", () => {}, [0, 0, 0]],
    ["a transaction about other rules", ({ monitor }) => monitor.text(foreign), [1, 0, 0]],
    ["events are lost", ({ monitor }) => monitor.text("# ERROR: We lost some netlink events!\n"), [1, 0, 0]],
    ["nft ends, and is started again", ({ monitor }) => monitor.end("it crashed"), [1, 0, 0]],
    ["nft ends again and again", async ({ host, monitor }) => {
      for (let wait = 1_000; wait <= 256_000; wait *= 2) {
        monitor.end("it crashed");
        await host.clock.advance(wait);
      }
      monitor.end("it crashed");
    }, [1, 1, 1]],
    ["a sync fails", ({ backend, monitor }) => {
      monitor.text(foreign);
      backend.failure = "broken";
    }, [0, 1, 0]],
    ["another config", ({ host }) => host.source.text = LONG.replace("10.0.0.0", "11.0.0.0"), [1, 0, 0]],
  ];
  for (const [name, act, reads] of cases) {
    await t.step(name, () =>
      watching(
        async (watched) => {
          const { host, backend } = watched;
          await act(watched);
          const found: number[] = [];
          for (const _ of reads) {
            const before = backend.reads;
            await host.clock.advance(60_000);
            backend.failure = undefined;
            found.push(backend.reads - before);
          }
          assertEquals(found, reads);
        },
        true,
        LONG,
      ).then(() => {}));
  }
  await t.step("every tenth time", () =>
    watching(
      async ({ host, backend }) => {
        const before = backend.reads;
        await host.clock.advance(20 * 60_000);
        assertEquals(backend.reads - before, 2);
      },
      true,
      LONG,
    ).then(() => {}));
  await t.step("few rules are read each time", () =>
    watching(
      async ({ host, backend }) => {
        const before = backend.reads;
        await host.clock.advance(3 * 60_000);
        assertEquals(backend.reads - before, 3);
      },
      true,
      LONG.replace("10.0.0.0/24,", ""),
    ).then(() => {}));
});
