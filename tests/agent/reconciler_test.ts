import { assertEquals } from "@std/assert";
import { reconcile } from "../../lib/agent/reconciler.ts";
import type { Drift, SyncPlan } from "../../lib/backends/backend.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { FakeBackend } from "../fakes/agent.ts";
import { configOf } from "../fakes/config.ts";

const RULESET = buildRuleset("IPv4", configOf({}), { randomFully: true, toPorts: [] });

/** Installs without reading, and then finds `drift`. */
class RacedBackend extends FakeBackend {
  readonly #drift: readonly Drift[];

  constructor(drift: readonly Drift[]) {
    super();
    this.#drift = drift;
  }

  override install(): Promise<string> {
    return Promise.resolve("install");
  }

  override async plan(): Promise<SyncPlan> {
    return { ...await super.plan(RULESET), drift: this.#drift, transaction: "repair" };
  }
}

Deno.test("reconcile() takes an installation for done only where the rules stand", async (t) => {
  const cases: [name: string, kinds: Drift["kind"][], transaction: string, writes: number][] = [
    ["they stand", [], "install", 0],
    ["another agent appended its jump: neither is removed", ["jump-duplicate"], "install", 0],
    ["a command that said yes and did nothing", ["chain-missing", "jump-missing"], "repair", 1],
  ];
  for (const [name, kinds, transaction, writes] of cases) {
    await t.step(name, async () => {
      const backend = new RacedBackend(kinds.map((kind) => ({ kind, detail: "" })));
      const result = await reconcile(backend, RULESET, true);
      assertEquals(result.outcome === "applied" && result.plan.transaction, transaction);
      assertEquals(backend.writes, writes);
    });
  }
});
