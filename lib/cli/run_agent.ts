/** The agent itself: once, or as a daemon. */
import { Agent } from "../agent/agent.ts";
import { Loop } from "../agent/loop.ts";
import { createBackend } from "../backends/create_backend.ts";
import type { CommandRunner, Logger } from "../ports.ts";
import type { Ruleset } from "../rules/ruleset.ts";
import type { AgentOptions } from "./agent_options.ts";
import { decideBackend, familiesOf } from "./backends.ts";
import { createSource, createWatcher } from "./config_paths.ts";
import { EXIT, type System } from "./system.ts";

/** Milliseconds that a running sync may take once the agent was asked to stop. */
const GRACE_MS = 1_500;

/** Milliseconds between two tries to listen on the port of the metrics. */
const LISTEN_RETRY_MS = 3_000;

/** Milliseconds to the second sync of a SIGHUP: firewalld tells systemd that it has reloaded before it has. */
const SECOND_LOOK_MS = 5_000;

/** Runs the agent to its end and returns the exit code. */
export async function runAgent(options: AgentOptions, system: System): Promise<number> {
  const { clock } = system;
  // A signal ends --once at once: its transaction is applied as a whole or not at all, also by a command that outlives
  // the agent. A daemon finishes its sync, and as PID 1 of a container it would not even hear of an uncaught signal.
  if (!options.once) system.catchSignals();
  if (options.metricsHost === undefined || options.once) system.revokeNetwork();
  const logger = system.createLogger(options);
  for (const flag of options.ignoredFlags) {
    logger.verbose(2, () => `--${flag} has no meaning here and is ignored`);
  }
  const abandon = new AbortController();
  const endedBy = (signal: AbortSignal): CommandRunner => ({
    run: (command) => system.runner.run({ ...command, signal }),
  });
  const runner = endedBy(abandon.signal);
  // A stop does not wait for a look at the rules of others.
  const idleRunner = endedBy(system.stop);
  const { chainName, configPaths } = options;
  const source = createSource(system, configPaths);
  const agent = new Agent({
    source,
    families: familiesOf(options),
    chooseBackend: (rulesets) => decideBackend(options, runner, rulesets),
    createBackend: (name, family) => createBackend(name, family, chainName, runner),
    findStale: async (active) => {
      const { findStaleBeside } = await import("../backends/stale.ts");
      return await findStaleBeside(active, { chainName, runner });
    },
    ...(options.flushFlows && {
      forgetFlows: async (now: Ruleset, before?: Ruleset) => {
        const { forgetFlows } = await import("../host/forget_flows.ts");
        return await forgetFlows({ runner, clock, localAddresses: system.localAddresses }, now, before);
      },
    }),
    // Who runs it once is told by diff.
    ...!options.once && {
      findOthers: async ({ name: backend, family }, onUnread) => {
        const { readOtherRules } = await import("../host/other_rules.ts");
        return await readOtherRules({ runner: idleRunner, family, backend, chainName, onUnread });
      },
    },
    clock,
    logger,
    configOptions: options,
    masquerade: options,
  });
  if (options.once) {
    const { configIsGood, failures } = await agent.cycle();
    return !configIsGood ? EXIT.badInput : failures > 0 ? EXIT.failed : EXIT.done;
  }
  logger.info(
    `ip-masq-agent ${system.build.version} started: config ${source.path}, ${
      familiesOf(options).join(" and ")
    }`,
  );
  const loop = new Loop({
    agent,
    clock,
    logger,
    watcher: createWatcher(system, configPaths),
    monitor: options.watchRules ? system.ruleMonitor : undefined,
  });
  system.onReload(() => {
    logger.info("SIGHUP: syncing now");
    loop.wake();
    void clock.after(SECOND_LOOK_MS, () => loop.wake());
  });
  const running = loop.run(system.stop);
  if (options.metricsHost !== undefined) serveMetrics(options.metricsHost, agent, system, logger);
  await endOf(running, system, logger, abandon);
  if (!options.cleanupOnExit) {
    logger.info("Stopped: the rules stay in place");
    return EXIT.done;
  }
  return await removeRules(agent, options, system);
}

/** Listens as soon as the port is free, which is said once where it is not: the rules don't wait for it. */
function serveMetrics(host: string, agent: Agent, system: System, logger: Logger, hasFailed = false): void {
  const { clock, build, stop } = system;
  if (stop.aborted) return;
  const retry = () =>
    void clock.after(LISTEN_RETRY_MS, () => serveMetrics(host, agent, system, logger, true));
  try {
    const { address, finished } = system.serveHttp(host, async (path) => {
      const { answer } = await import("../agent/endpoints.ts");
      return await answer(path, agent, clock, build.version);
    });
    logger.info(`Metrics and health at http://${address}/metrics, /healthz and /readyz`);
    system.revokeNetwork();
    void finished.then((error) => {
      if (error !== undefined) logger.error(`Metrics and health are served no longer: ${error.message}`);
    });
  } catch (error) {
    if (!hasFailed) {
      const why = (error as Error).message;
      logger.error(`Cannot serve metrics on ${host}: ${why}: does another agent run? This is tried again`);
    }
    retry();
  }
}

/** A sync that runs is finished, but one that hangs must not hold up a shutdown. */
async function endOf(
  running: Promise<void>,
  { clock, stop }: System,
  logger: Logger,
  abandon: AbortController,
): Promise<void> {
  const graceOver = new Promise<boolean>((resolve) => {
    stop.addEventListener("abort", () => void clock.after(GRACE_MS, () => resolve(false)));
  });
  if (await Promise.race([running.then(() => true), graceOver])) return;
  logger.warning("Stopped in the middle of a sync that hangs");
  // Else what waits for a lock, say, would write rules that nobody looks after, or that are just removed.
  abandon.abort();
}

/** A removal waits for what its family still runs, and runs no command that was abandoned. */
async function removeRules(
  { families }: Agent,
  { chainName }: AgentOptions,
  { runner }: System,
): Promise<number> {
  const removed = await Promise.all(families.map(async (family) => {
    const { backend } = family;
    if (backend === undefined) return true;
    return await family.remove(await createBackend(backend.name, family.family, chainName, runner));
  }));
  return removed.every(Boolean) ? EXIT.done : EXIT.failed;
}
