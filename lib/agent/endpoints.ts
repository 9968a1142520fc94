/** What the agent answers over HTTP, without HTTP. */
import type { VerdictCounters } from "../backends/backend.ts";
import { BackendError } from "../backends/backend.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { Answer, Clock } from "../ports.ts";
import type { Agent } from "./agent.ts";
import { formatMetrics } from "./metrics.ts";
import { isHealthy, isReady } from "./status.ts";

const PLAIN = "text/plain; charset=utf-8";

/** Answers /metrics, /healthz and /readyz; undefined for any other path. */
export async function answer(
  path: string,
  agent: Agent,
  clock: Clock,
  version: string,
): Promise<Answer | undefined> {
  const families = agent.families.map(({ status }) => status);
  switch (path) {
    case "/healthz": {
      const healthy = isHealthy(families, clock.now(), agent.startMs, agent.config.resyncIntervalMs);
      return healthy
        ? { status: 200, contentType: PLAIN, body: "ok\n" }
        : { status: 500, contentType: PLAIN, body: "no successful sync for three intervals, see the log\n" };
    }
    case "/readyz": {
      if (isReady(families, agent.config.isGood)) return { status: 200, contentType: PLAIN, body: "ok\n" };
      const why = agent.config.isGood ? "the rules do not stand yet" : "the config is bad";
      return { status: 503, contentType: PLAIN, body: `${why}, see the log\n` };
    }
    case "/metrics": {
      const body = formatMetrics({
        version,
        configIsGood: agent.config.isGood,
        configHash: agent.config.hash,
        config: agent.config.config,
        families,
        counters: await readCounters(agent),
      });
      return { status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body };
    }
    default:
      return undefined;
  }
}

async function readCounters({ families }: Agent): Promise<ReadonlyMap<IpFamily, VerdictCounters>> {
  const counters = new Map<IpFamily, VerdictCounters>();
  await Promise.all(families.map(async ({ family, backend }) => {
    try {
      counters.set(family, await backend.readCounters());
    } catch (error) {
      // The failure of the sync itself is what the other metrics and the log show.
      if (!(error instanceof BackendError)) throw error;
    }
  }));
  return counters;
}
