/** The agent itself: once, or as a daemon. */
import { Agent } from "../agent/agent.ts";
import { Handover } from "../agent/handover.ts";
import { PatientSource } from "../agent/patient_source.ts";
import type { CommandRunner, Logger } from "../ports.ts";
import type { AgentOptions } from "./agent_options.ts";
import { createBackends, familiesOf } from "./backends.ts";
import { EXIT, type System } from "./system.ts";

/** Milliseconds that a running sync may take once the agent was asked to stop. */
const GRACE_MS = 1_500;

/** Runs the agent to its end and returns the exit code. */
export async function runAgent(options: AgentOptions, system: System): Promise<number> {
  const { clock } = system;
  const abandon = new AbortController();
  const runner: CommandRunner = {
    run: (command) => system.runner.run({ ...command, signal: abandon.signal }),
  };
  // A signal ends --once at once: its transaction is applied as a whole or not at all, also by a command that outlives
  // the agent. A daemon finishes its sync, and as PID 1 of a container it would not even hear of an uncaught signal.
  if (!options.once) system.catchSignals();
  if (options.metricsHost === undefined || options.once) system.revokeNetwork();
  const logger = system.createLogger(options);
  for (const flag of options.ignoredFlags) {
    logger.verbose(2, () => `--${flag} has no meaning here and is ignored`);
  }
  const agent = new Agent({
    source: new PatientSource(system.createConfigSource(options.configPath), clock),
    ...(!options.once && { watcher: system.createConfigWatcher(options.configPath) }),
    backends: await createBackends(
      options,
      runner,
      (name, reason) => logger.info(`Backend ${name}: ${reason}`),
    ),
    clock,
    logger,
    configOptions: options,
    masquerade: options,
    handover: new Handover({ chainName: options.chainName, runner, logger }),
  });
  if (options.once) {
    const { configIsGood, failures } = await agent.cycle();
    return !configIsGood ? EXIT.badInput : failures > 0 ? EXIT.failed : EXIT.done;
  }
  logger.info(
    `ip-masq-agent ${system.build.version} started: config ${options.configPath}, ${
      familiesOf(options).join(" and ")
    }`,
  );
  if (options.metricsHost !== undefined && !await serveMetrics(options.metricsHost, agent, system, logger)) {
    return EXIT.failed;
  }
  system.onReload(() => {
    logger.info("Asked to sync now");
    agent.wake();
  });
  return await runUntilStopped(agent, abandon, options, system, logger);
}

/** Returns whether it could listen. */
async function serveMetrics(host: string, agent: Agent, system: System, logger: Logger): Promise<boolean> {
  const { answer } = await import("../agent/endpoints.ts");
  try {
    const address = system.serveHttp(host, (path) => answer(path, agent, system.clock, system.build.version));
    logger.info(`Metrics and health at http://${address}/metrics, /healthz and /readyz`);
    return true;
  } catch (error) {
    logger.error(`Cannot serve metrics on ${host}: ${(error as Error).message}: does another agent run?`);
    return false;
  } finally {
    system.revokeNetwork();
  }
}

/** A sync that runs is finished, but one that hangs must not hold up a shutdown. */
async function runUntilStopped(
  agent: Agent,
  abandon: AbortController,
  options: AgentOptions,
  system: System,
  logger: Logger,
): Promise<number> {
  const { clock, stop } = system;
  const graceOver = new Promise<boolean>((resolve) => {
    stop.addEventListener("abort", () => void clock.after(GRACE_MS, () => resolve(false)));
  });
  const finished = await Promise.race([agent.run(stop).then(() => true), graceOver]);
  if (!finished) {
    logger.warning("Stopped in the middle of a sync that hangs");
    // Else what waits for a lock, say, would write rules that nobody looks after, or that were just removed.
    abandon.abort();
  }
  if (!options.cleanupOnExit) {
    logger.info("Stopped: the rules stay in place");
    return EXIT.done;
  }
  const removed = await Promise.all(agent.families.map((family) => family.remove()));
  return removed.every(Boolean) ? EXIT.done : EXIT.failed;
}
