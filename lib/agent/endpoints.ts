/** What the agent answers over HTTP, without HTTP. */
import type { Answer, Clock } from "../ports.ts";
import type { Agent } from "./agent.ts";
import { formatMetrics } from "./metrics.ts";
import { isAlive, readinessProblems } from "./status.ts";

const PLAIN = "text/plain; charset=utf-8";

/** Answers /metrics, /healthz and /readyz; undefined for any other path. */
export async function answer(
  path: string,
  agent: Agent,
  clock: Clock,
  version: string,
): Promise<Answer | undefined> {
  const { health, config } = agent;
  switch (path) {
    case "/healthz":
      return isAlive(health, clock.now()) ? { status: 200, contentType: PLAIN, body: "ok\n" } : {
        status: 500,
        contentType: PLAIN,
        body: "no attempt to sync ended within three intervals, see the log\n",
      };
    case "/readyz": {
      const problems = readinessProblems(health, clock.now());
      if (problems.length === 0) return { status: 200, contentType: PLAIN, body: "ok\n" };
      return { status: 503, contentType: PLAIN, body: problems.map((problem) => `${problem}\n`).join("") };
    }
    case "/metrics": {
      const body = formatMetrics({
        version,
        health,
        nowMs: clock.now(),
        configHash: config.hash,
        config: config.config,
        counters: await agent.counters(),
      });
      return { status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body };
    }
    default:
      return undefined;
  }
}
