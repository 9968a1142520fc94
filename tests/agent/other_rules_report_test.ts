/** The agent says which rules of others decide, too. */
import { assertEquals } from "@std/assert";
import type { OtherRule } from "../../lib/host/other_rules.ts";
import type { PathRule } from "../../lib/host/path.ts";
import { CommandError, CommandKilledError } from "../../lib/ports.ts";
import { FakeHost, settle } from "../fakes/agent.ts";

function other(text: string, more: Partial<OtherRule> = {}): OtherRule {
  const rule: PathRule = {
    chain: "POSTROUTING",
    number: 1,
    text,
    conditions: [],
    action: { kind: "translate", how: { kind: "MASQUERADE" } },
  };
  return {
    family: "IPv4",
    table: "nat",
    rule,
    from: rule,
    position: "before",
    effect: "translate",
    isTied: false,
    onlyMarked: false,
    isUsual: false,
    alike: 0,
    shape: text,
    ...more,
  };
}

const said = (level: string, what: string, text: string) =>
  `${level} IPv4: a rule of others ${what}: nat: POSTROUTING rule 1 masquerades before our rules are asked: ${text}`;

Deno.test("the agent says once which rules of others decide, and when that changes", async () => {
  const host = new FakeHost("");
  const { agent, backends, clock, logger } = host;
  const cycle = async () => {
    await agent.cycle();
    await settle();
    return logger.take().filter((line) => !/installed|repaired|Previous/.test(line));
  };
  host.others = [other("-A x"), other("-A kube", { isUsual: true })];
  assertEquals(await cycle(), [said("W", "decides, too", "-A x")]);
  host.others = [other("-A x"), other("-A y")];
  assertEquals([await cycle(), host.otherLooks], [[], 1], "a quiet check does not look");
  await clock.advance(60_000);
  assertEquals([await cycle(), host.otherLooks], [[], 1], "nor does it a minute later");
  [...backends.values()][0]!.rules = [];
  assertEquals([await cycle(), host.otherLooks], [[said("W", "decides, too", "-A y")], 2], "a repair looks");
  [...backends.values()][0]!.rules = [];
  host.others = [other("-A y")];
  assertEquals([await cycle(), host.otherLooks], [[], 2], "but not each within a minute");
  await clock.advance(60_000);
  assertEquals(await cycle(), [said("I", "is gone", "-A x")]);
  await clock.advance(600_000);
  assertEquals([await cycle(), host.otherLooks], [[], 4], "nothing changed");
});

Deno.test("the agent tells ten rules of others, and the usual ones only where it is asked for more", async () => {
  const host = new FakeHost("");
  host.logger.verbosity = 2;
  host.others = [
    ...Array.from({ length: 12 }, (_, at) => other(`-A ${at}`)),
    other("-A kube", { isUsual: true }),
  ];
  await host.agent.cycle();
  await settle();
  const lines = host.logger.take().filter((line) => line.includes("more rule") || line.includes("of others"));
  assertEquals(lines.length, 12);
  assertEquals(lines[0], said("I", "decides, too", "-A kube"));
  assertEquals(lines.at(-1), "W IPv4: and 2 more rules: see ip-masq-agent diff");
});

Deno.test("the agent does not wait for a look at the rules of others, and bears its failures", async () => {
  const host = new FakeHost("");
  const { agent, logger, clock } = host;
  for (const error of [new CommandKilledError("nft"), new CommandError("no nft"), new Error("odd")]) {
    host.others = error;
    assertEquals(await agent.cycle(), { configIsGood: true, failures: 0 });
    await settle();
    await clock.advance(600_000);
  }
  assertEquals(logger.take().filter((line) => line.includes("others")), [
    "E IPv4: cannot look for rules of others: no nft",
    "E IPv4: cannot look for rules of others: odd",
  ]);
});
