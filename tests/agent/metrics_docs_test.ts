/** docs/metrics.md tells of every metric that the agent prints, and of no other. */
import { assertEquals } from "@std/assert";
import page from "../../docs/metrics.md" with { type: "text" };
import { answer } from "../../lib/agent/endpoints.ts";
import { DRIFT_KINDS } from "../../lib/backends/backend.ts";
import { FakeHost } from "../fakes/agent.ts";

/** The cells of the page's table whose head starts with `title`, row by row, without the marks of code. */
function rows(title: string): string[][] {
  const [, table = ""] = page.split(new RegExp(`^\\| ${title} .*\\n\\|[- |]*\\n`, "m"));
  return table.split("\n\n")[0]!.trimEnd().split("\n").map((line) =>
    line.replaceAll("`", "").split("|").slice(1, -1).map((cell) => cell.trim())
  );
}

Deno.test("docs/metrics.md has every metric with its type and labels", async () => {
  const { agent, clock } = new FakeHost("", ["IPv4"]);
  await agent.cycle();
  const { body } = (await answer("/metrics", agent, clock, "1.2.3"))!;
  const printed = [...body.matchAll(/^# TYPE ip_masq_agent_(\S+) (\S+)$/gm)].map(([, name, type]) => {
    const sample = body.match(new RegExp(`^ip_masq_agent_${name}(?:_bucket)?(?:\\{(.*)\\})? \\S+$`, "m"));
    const labels = [...(sample?.[1] ?? "").matchAll(/([a-z]+)="/g)].map(([, label]) => label);
    return [name, type, labels.filter((label) => label !== "le").join(", ")];
  });
  assertEquals(rows("metric").map((cells) => cells.slice(0, 3)).toSorted(), printed.toSorted());
});

Deno.test("docs/metrics.md has every reason of a repair", () => {
  const told = rows("reason").flatMap(([reasons]) => reasons!.split(", "));
  assertEquals(told.toSorted(), DRIFT_KINDS.toSorted());
});
