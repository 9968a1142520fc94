import { assertEquals, assertRejects } from "@std/assert";
import { AutoBackend, createChooser } from "../../lib/backends/auto_backend.ts";
import { BackendError } from "../../lib/backends/backend.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { FakeBackend } from "../fakes/agent.ts";
import { configOf } from "../fakes/config.ts";

const RULESET = buildRuleset("IPv4", configOf({}), { randomFully: true, toPorts: [] });

Deno.test("AutoBackend looks at the host when it is first used, once for all families", async () => {
  let searches = 0;
  const choices: string[] = [];
  const choose = createChooser(() => {
    searches++;
    return Promise.resolve({ backend: "nftables" as const, reason: "why" });
  }, (backend, reason) => choices.push(`${backend}: ${reason}`));
  const kernel = new FakeBackend();
  const families = (["IPv4", "IPv6"] as const).map((family) =>
    new AutoBackend(family, choose, () => Promise.resolve(kernel))
  );
  assertEquals([searches, families[0]!.describe()], [0, "auto"]);
  await Promise.all(families.map((backend) => backend.plan(RULESET)));
  await families[0]!.apply(await families[0]!.plan(RULESET));
  assertEquals([searches, choices, kernel.writes], [1, ["nftables: why"], 1]);
  assertEquals(families[0]!.describe(), "a list");
});

Deno.test("AutoBackend looks again after a search that failed", async () => {
  let works = false;
  const choose = createChooser(() => {
    if (!works) return Promise.reject(new BackendError("No backend works here"));
    return Promise.resolve({ backend: "nftables" as const, reason: "why" });
  }, () => {});
  const backend = new AutoBackend("IPv4", choose, () => Promise.resolve(new FakeBackend()));
  await assertRejects(() => backend.plan(RULESET), BackendError, "No backend works here");
  works = true;
  assertEquals((await backend.plan(RULESET)).fresh, true);
});
