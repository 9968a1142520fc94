import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { run } from "../../lib/cli/run.ts";
import { type Command, CommandError } from "../../lib/ports.ts";
import { until } from "../fakes/agent.ts";
import type { Reply } from "../fakes/command_runner.ts";
import { NatKernel } from "../fakes/nat_kernel.ts";
import { FakeSystem, type Machine } from "../fakes/system.ts";

const PATH = "/etc/config/ip-masq-agent";
const CONFIG = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]\nresyncInterval: 10s\n';
const BAD = "nonMasqueradeCIDRs: 7\n";
const BACKEND = "--backend=iptables-nft";
const BUSY: Reply = { code: 4, stderr: "Another app is currently holding the xtables lock" };

/** A host whose kernel may be made to fail, or to hang. */
class Host {
  readonly kernel = new NatKernel();
  readonly system: FakeSystem;
  /** What the next commands wait for. */
  hang: Promise<void> | undefined;
  /** What commands that match give instead of what the kernel does. */
  failure: ((command: Command) => Reply | undefined) | undefined;
  #end: Promise<number> | undefined;

  constructor(files: Machine["files"] = { [PATH]: CONFIG }) {
    this.system = new FakeSystem({
      files,
      reply: async (command) => {
        await this.hang;
        return this.failure?.(command) ?? this.kernel.run(command);
      },
    });
  }

  /** Lets commands hang from now on, and a sync run into that. Returns what lets them go on. */
  async syncAndHang(): Promise<() => void> {
    const { commands } = this.system.runner;
    const before = commands.length;
    let goOn = () => {};
    this.hang = new Promise((resolve) => goOn = resolve);
    this.system.hangUp();
    await until(() => commands.length > before);
    return () => {
      this.hang = undefined;
      goOn();
    };
  }

  /** Starts a daemon and waits until its first sync is over. */
  async start(...flags: readonly string[]): Promise<void> {
    this.#end = run([BACKEND, ...flags], this.system);
    await until(() => this.system.clock.sleepers > 0 && this.system.logger.lines.length > 1);
  }

  /** Stops the daemon, unless it is being stopped already, and returns its exit code. */
  async stop(): Promise<number> {
    this.system.terminate();
    return await this.#end!;
  }

  /** The events of some kinds. */
  events(...kinds: readonly string[]): string[] {
    return this.system.events.filter((event) => kinds.some((kind) => event.startsWith(kind)));
  }
}

const RULES = ["169.254.0.0/16", "10.0.0.0/8"];

/** The destinations of our chain's rules that keep the source address; undefined where there is no chain. */
function kept(host: Host, family?: "IPv6"): string[] | undefined {
  return host.kernel.rules("IP-MASQ-AGENT", family)?.flatMap((rule) =>
    /^-d (\S+) .*RETURN$/.exec(rule)?.[1] ?? []
  );
}

Deno.test("--once exits with 0 where the rules are in force, 1 where they are not, 2 for a bad config", async (t) => {
  interface Case {
    readonly name: string;
    readonly code: number;
    readonly config?: string;
    readonly flags?: readonly string[];
    readonly failure?: Host["failure"];
    readonly rules: readonly string[] | undefined;
    readonly lastLine: string;
  }
  const ofIpv6 = (reply: Reply): Host["failure"] => ({ name }) => name.startsWith("ip6") ? reply : undefined;
  const cases: Case[] = [
    {
      name: "installed",
      code: 0,
      rules: RULES,
      lastLine: "I IPv4: installed 3 rules, with iptables-nft-restore",
    },
    {
      name: "a bad config",
      code: 2,
      config: BAD,
      rules: undefined,
      lastLine: `E Config ${PATH} is bad: no rule is touched until it is good`,
    },
    {
      name: "a lock",
      code: 1,
      failure: () => BUSY,
      rules: undefined,
      lastLine:
        "E IPv4: iptables-nft-restore cannot read the rules: exit code 4: Another app is currently holding " +
        "the xtables lock: another program holds the xtables lock; this is tried again",
    },
    {
      name: "one family of two",
      code: 1,
      flags: ["--enable-ipv6"],
      failure: ofIpv6(BUSY),
      rules: RULES,
      lastLine: "I IPv4: installed 3 rules, with iptables-nft-restore",
    },
    {
      name: "a family that the host does not have",
      code: 0,
      flags: ["--enable-ipv6"],
      failure: ofIpv6({ code: 3, stderr: "Address family not supported by protocol" }),
      rules: RULES,
      lastLine: "I IPv4: installed 3 rules, with iptables-nft-restore",
    },
    {
      name: "no backend",
      code: 1,
      flags: ["--backend=auto"],
      failure: () => new CommandError("iptables broke"),
      rules: undefined,
      lastLine: "E IPv4: No backend works here: ",
    },
  ];
  for (const { name, code, config = CONFIG, flags = [], failure, rules, lastLine } of cases) {
    await t.step(name, async () => {
      const host = new Host({ [PATH]: config });
      host.failure = failure;
      const { system } = host;
      assertEquals(await run([BACKEND, "--once", ...flags], system), code);
      assertEquals(kept(host), rules);
      assertStringIncludes(system.logger.lines.filter((line) => !line.includes("IPv6")).at(-1)!, lastLine);
      assertEquals(
        host.events("catch", "watch", "follow", "listen"),
        [],
        "it ends at a signal, and follows nothing",
      );
      assertEquals(system.clock.sleeps, []);
      assertEquals([system.out, system.error], ["", ""]);
    });
  }
});

Deno.test("--once repairs what it finds", async () => {
  const host = new Host();
  assertEquals(await run([BACKEND, "--once"], host.system), 0);
  host.kernel.rules()!.pop();
  host.system.logger.take();
  assertEquals(await run([BACKEND, "--once"], host.system), 0);
  assertEquals(host.kernel.rules()!.length, 3);
  assertEquals(host.system.logger.take().map((line) => line.replace(/rules: .*/, "rules")), [
    `I Config: ${PATH}`,
    "I IPv4: updated the rules",
  ]);
});

Deno.test("the agent gives up the network at once, or as soon as it listens where it is to serve metrics", async (t) => {
  const serving = "--metrics-bind-address=127.0.0.1:10264";
  const first = async (flags: readonly string[], listenFailure?: string) => {
    const host = new Host();
    host.system.listenFailure = listenFailure;
    if (flags.includes("--once")) await run([BACKEND, ...flags], host.system);
    else {
      await host.start(...flags);
      await host.stop();
    }
    return host.events("catch", "revoke", "read", "listen");
  };
  const cases: [flags: string[], listenFailure: string | undefined, events: string[]][] = [
    [["--once"], undefined, ["revoke network", `read ${PATH}`]],
    [["--once", serving], undefined, ["revoke network", `read ${PATH}`]],
    [[], undefined, ["catch signals", "revoke network", `read ${PATH}`]],
    [["--metrics-bind-address="], undefined, ["catch signals", "revoke network", `read ${PATH}`]],
    [[serving], undefined, ["catch signals", `read ${PATH}`, "listen on 127.0.0.1", "revoke network"]],
    [[serving], "in use", ["catch signals", `read ${PATH}`, "listen on 127.0.0.1"]],
  ];
  for (const [flags, listenFailure, events] of cases) {
    await t.step(`${flags.join(" ")} ${listenFailure ?? ""}`, async () => {
      assertEquals(await first(flags, listenFailure), events);
    });
  }
});

Deno.test("the daemon says what it does, keeps the rules as they are to be, and leaves them in place", async () => {
  const host = new Host();
  const { system } = host;
  await host.start("--enable-ipv6", "--logtostderr", "-v=2", "--watch-rules=false");
  assertEquals(
    system.logger.take().filter((line) => !/^I (?:IPv\d: [*:C-]|Config: )/.test(line)),
    [
      "I --logtostderr has no meaning here and is ignored",
      `I ip-masq-agent 1.2.3 started: config ${PATH} or /etc/ip-masq-agent, IPv4 and IPv6`,
      `W ${PATH}:1:1: warning: nonMasqueradeCIDRs: no IPv6 range is exempt, so that pods lose their addresses among ` +
      "each other, too: add the pods' range, or masqOutBoundIPv6: false",
      "I IPv4: installed 3 rules, with iptables-nft-restore",
      "I IPv6: installed 2 rules, with ip6tables-nft-restore",
    ].filter((line) => line !== ""),
  );
  assertEquals([kept(host), kept(host, "IPv6")], [RULES, ["fe80::/10"]]);
  host.kernel.rules()!.length = 0;
  await system.clock.advance(9_999);
  assertEquals(kept(host), []);
  await system.clock.advance(1);
  assertEquals(kept(host), RULES);
  assertEquals(await host.stop(), 0);
  assertEquals(system.logger.take().at(-1), "I Stopped: the rules stay in place");
  assertEquals([kept(host), system.hint], [RULES, undefined]);
  assertEquals(host.events("watch"), [`watch ${PATH}`, "watch no more", "watch no more"]);
  assertEquals(host.events("follow"), []);
});

Deno.test("the daemon checks its rules when somebody changes them, and follows them to its end", async () => {
  const host = new Host();
  const { system } = host;
  await host.start();
  await system.clock.advance(2_000);
  host.kernel.rules()!.length = 0;
  system.ruleEvent("delete rule ip nat IP-MASQ-AGENT handle 7\n# new generation 8 by process 9 (nft)\n");
  await system.clock.advance(200);
  assertEquals(kept(host), RULES);
  assertEquals(await host.stop(), 0);
  assertEquals(host.events("follow"), ["follow monitor; list chain ip nat POSTROUTING", "follow no more"]);
});

Deno.test("the daemon follows a hint that its config changed, long before the interval is over", async () => {
  const host = new Host();
  const { system } = host;
  await host.start();
  await system.clock.advance(1_000);
  system.files[PATH] = CONFIG.replace("10.0.0.0", "11.0.0.0");
  system.hint!();
  await system.clock.advance(100);
  assertEquals(kept(host), ["169.254.0.0/16", "11.0.0.0/8"]);
  assertEquals(await host.stop(), 0);
});

Deno.test("the daemon syncs at SIGHUP", async () => {
  const host = new Host();
  const { system } = host;
  await host.start("--watch-rules=false");
  system.logger.take();
  host.kernel.rules()!.length = 0;
  system.hangUp();
  await until(() => kept(host)?.length === 2);
  assertEquals(system.clock.time, 0);
  assertEquals(system.logger.take()[0], "I SIGHUP: syncing now");
  // A firewall that has said that it has reloaded, and only then does.
  host.kernel.rules()!.length = 0;
  await system.clock.advance(4_900);
  assertEquals(kept(host)?.length, 0);
  await system.clock.advance(100);
  await until(() => kept(host)?.length === 2);
  assertEquals(await host.stop(), 0);
});

Deno.test("the daemon goes on with a bad config and with tools that fail", async () => {
  const host = new Host({ [PATH]: BAD });
  const { system } = host;
  host.failure = () => BUSY;
  await host.start();
  system.files[PATH] = CONFIG;
  await system.clock.advance(10_000);
  assertEquals(kept(host), undefined);
  host.failure = undefined;
  await system.clock.advance(10_000);
  assertEquals(kept(host), RULES);
  assertEquals(await host.stop(), 0);
});

Deno.test("a daemon that is stopped finishes its sync, which has a second and a half", async (t) => {
  for (const isInTime of [true, false]) {
    await t.step(isInTime ? "in time" : "too late", async () => {
      const host = new Host();
      const { system } = host;
      await host.start();
      host.kernel.rules()!.length = 0;
      await system.clock.advance(100);
      system.logger.take();
      const goOn = await host.syncAndHang();
      const commands = system.runner.commands.length;
      const { signal } = system.runner.commands.at(-1)!;
      system.terminate();
      await system.clock.advance(1_499);
      assertEquals(signal!.aborted, false);
      if (isInTime) goOn();
      else await system.clock.advance(1);
      assertEquals(await host.stop(), 0);
      assertEquals(signal!.aborted, !isInTime);
      const warning = isInTime ? [] : ["W Stopped in the middle of a sync that hangs"];
      assertEquals(system.logger.take().filter((line) => line.includes("top")), [
        ...warning,
        "I Stopped: the rules stay in place",
      ]);
      goOn();
      await system.clock.advance(0);
      assertEquals(kept(host), isInTime ? RULES : []);
      if (!isInTime) assertEquals(system.runner.commands.length, commands, "it runs nothing after its end");
    });
  }
});

Deno.test("--cleanup-on-exit removes the rules once the last sync is over", async () => {
  const host = new Host();
  const { system } = host;
  const others = "-m comment --comment other -j RETURN";
  host.kernel.rules("POSTROUTING")!.push(others);
  await host.start("--cleanup-on-exit", "--enable-ipv6");
  await system.clock.advance(100);
  host.kernel.rules()!.length = 0;
  const goOn = await host.syncAndHang();
  system.logger.take();
  system.terminate();
  await system.clock.advance(1_000);
  goOn();
  assertEquals(await host.stop(), 0);
  assertEquals([kept(host), kept(host, "IPv6")], [undefined, undefined]);
  assertEquals(host.kernel.rules("POSTROUTING"), [others]);
  const [repaired, ...removed] = system.logger.take();
  assertEquals([repaired!.startsWith("W IPv4: repaired drift"), ...removed.sort()], [
    true,
    "I IPv4: removed the rules",
    "I IPv6: removed the rules",
  ]);
});

Deno.test("--cleanup-on-exit removes the rules also where the last sync had to be abandoned", async () => {
  const host = new Host();
  const { system } = host;
  await host.start("--cleanup-on-exit");
  await system.clock.advance(100);
  await host.syncAndHang();
  system.terminate();
  host.hang = undefined;
  await system.clock.advance(1_500);
  assertEquals(await host.stop(), 0);
  assertEquals([kept(host), host.kernel.rules("POSTROUTING")], [undefined, []]);
  assertEquals(system.logger.take().slice(-2), [
    "W Stopped in the middle of a sync that hangs",
    "I IPv4: removed the rules",
  ]);
});

Deno.test("--cleanup-on-exit exits with 1 where a family could not be cleaned up, and removes the others", async () => {
  const host = new Host();
  await host.start("--cleanup-on-exit", "--enable-ipv6");
  host.failure = ({ name }) => name.startsWith("ip6") ? BUSY : undefined;
  assertEquals(await host.stop(), 1);
  assertEquals([kept(host), kept(host, "IPv6")], [undefined, ["fe80::/10"]]);
});

Deno.test("--cleanup-on-exit removes nothing where no rule was ever touched", async () => {
  const host = new Host({ [PATH]: BAD });
  const { system } = host;
  await host.start("--cleanup-on-exit");
  assertEquals(await host.stop(), 0);
  assertEquals(system.runner.commands, []);
  assertEquals(system.logger.take().at(-1), `E Config ${PATH} is bad: no rule is touched until it is good`);
});

Deno.test("the daemon removes what another backend left, and --cleanup-on-exit its own rules only", async () => {
  const host = new Host();
  const { system } = host;
  const missing = host.kernel.run;
  const deleted: string[] = [];
  host.failure = ({ name, args, input }) => {
    if (name !== "nft") return undefined;
    if (args.includes("list")) {
      return deleted.length === 0 ? { stdout: '{"nftables": []}' } : missing({ name, args });
    }
    deleted.push(input!);
    return {};
  };
  await host.start("--cleanup-on-exit");
  await until(() => deleted.length > 0);
  assertEquals(deleted, ["delete table ip ip-masq-agent\n"]);
  await host.stop();
  assert(
    system.logger.take().includes(
      "I IPv4: removed stale rules of nftables: those of iptables-nft-restore are in force",
    ),
  );
  assertEquals(deleted.length, 1);
});

Deno.test("the daemon serves metrics and health from its start on", async (t) => {
  const host = new Host();
  const { system } = host;
  system.listenFailure = undefined;
  await host.start("--metrics-bind-address=[::1]:10264");
  await t.step("answers", async () => {
    const healthy = (await system.answer!("/healthz"))!;
    assertEquals([healthy.status, healthy.body], [200, "ok\n"]);
    assertEquals((await system.answer!("/readyz"))!.status, 200);
    assertStringIncludes((await system.answer!("/metrics"))!.body, 'version="1.2.3"');
    assertEquals(await system.answer!("/"), undefined);
  });
  await t.step("health is that of the clock", async () => {
    system.clock.time = 60_001;
    assertEquals((await system.answer!("/healthz"))!.status, 500);
  });
  assertEquals(await host.stop(), 0);
  const lines = system.logger.take().filter((line) => line.includes("etrics"));
  assertEquals(lines, ["I Metrics and health at http://::1:10264/metrics, /healthz and /readyz"]);
});

Deno.test("the daemon says why its server ended", async () => {
  const host = new Host();
  const { system } = host;
  system.listenFailure = undefined;
  await host.start("--metrics-bind-address=127.0.0.1:10264");
  system.logger.take();
  system.endServer(new Error("too many open files"));
  await until(() => system.logger.lines.length > 0);
  assertEquals(system.logger.take(), ["E Metrics and health are served no longer: too many open files"]);
  await host.stop();
});

Deno.test("the daemon tries every three seconds to listen, says why it can't once, and syncs meanwhile", async () => {
  const host = new Host();
  const { system } = host;
  system.listenFailure = "Address already in use";
  await host.start("--metrics-bind-address=0.0.0.0:10264");
  await until(() => kept(host) !== undefined);
  const said = (text: string) => system.logger.lines.filter((line) => line.includes(text));
  const failure =
    "E Cannot serve metrics on 0.0.0.0: Address already in use: does another agent run? This is tried again";
  for (const tries of [1, 2, 3]) {
    assertEquals([host.events("listen").length, said("etrics")], [tries, [failure]]);
    await system.clock.advance(2_999);
    assertEquals(host.events("listen").length, tries);
    if (tries === 3) system.listenFailure = undefined;
    await system.clock.advance(1);
  }
  assertEquals(said("Metrics and health").length, 1);
  assertEquals(host.events("listen", "revoke").slice(3), ["listen on 0.0.0.0", "revoke network"]);
  await system.clock.advance(10_000);
  assertEquals(host.events("listen").length, 4, "it listens once");
  assertEquals(await host.stop(), 0);
});

Deno.test("a daemon that is stopped listens no more", async () => {
  const host = new Host();
  const { system } = host;
  await host.start("--metrics-bind-address=127.0.0.1:10264");
  await host.stop();
  system.listenFailure = undefined;
  await system.clock.advance(10_000);
  assertEquals(host.events("listen"), ["listen on 127.0.0.1"]);
});

Deno.test("every command gives up the network before it reads or runs anything", async (t) => {
  const files = { [PATH]: CONFIG };
  const cases: string[][] = [
    ["validate"],
    ["render"],
    ["explain", "10.0.0.1"],
    ["diff", BACKEND],
    ["cleanup"],
    ["--dry-run", BACKEND],
  ];
  for (const args of cases) {
    await t.step(args.join(" "), async () => {
      const host = new Host(files);
      await run(args, host.system);
      const { events } = host.system;
      assertEquals([events[0], events.filter((event) => event === "revoke network").length], [
        "revoke network",
        1,
      ]);
      assert(events.length > 1, "it does something");
    });
  }
});

Deno.test("run() leaves what nobody foresaw to whoever calls it", async () => {
  for (const args of [["--once"], ["validate"]]) {
    const host = new Host();
    host.system.createConfigSource = () => {
      throw new TypeError("no such method");
    };
    await assertRejects(() => run(args, host.system), TypeError, "no such method");
  }
});
