/** argv -> exit code. Puts the parts together; what touches the machine comes in as arguments. */
import { Agent } from "../agent/agent.ts";
import { IptablesBackend } from "../backends/iptables/iptables_backend.ts";
import type { IpFamily } from "../config/ip_address.ts";
import type { Clock } from "../system/clock.ts";
import type { CommandRunner } from "../system/command_runner.ts";
import type { ConfigSource } from "../system/config_source.ts";
import type { Logger, LoggerOptions } from "../system/logger.ts";
import { type AgentOptions, parseAgentOptions } from "./agent_options.ts";
import { UsageError } from "./go_flags.ts";
import { usage } from "./usage.ts";

/** The machine, as far as a command needs it. */
export interface System {
  readonly clock: Clock;
  readonly runner: CommandRunner;
  readonly version: string;
  createConfigSource(path: string): ConfigSource;
  createLogger(options: LoggerOptions): Logger;
  printOut(text: string): void;
  printError(text: string): void;
  /** Aborts when the program is asked to stop. */
  readonly stop: AbortSignal;
  /** Calls back whenever the program is asked to sync now. */
  onReload(callback: () => void): void;
}

/** Done; failed; bad usage or bad config. */
const EXIT = { done: 0, failed: 1, badInput: 2 } as const;

/** Runs the program to its end and returns the exit code. */
export async function run(args: readonly string[], system: System): Promise<number> {
  let options: AgentOptions;
  try {
    options = parseAgentOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    system.printError(`ip-masq-agent: ${error.message}\n`);
    return EXIT.badInput;
  }
  if (options.showHelp) {
    system.printOut(usage());
    return EXIT.done;
  }
  if (options.showVersion) {
    system.printOut(`ip-masq-agent ${system.version}\n`);
    return EXIT.done;
  }
  return await runAgent(options, system);
}

async function runAgent(options: AgentOptions, system: System): Promise<number> {
  const logger = system.createLogger(options);
  for (const flag of options.ignoredFlags) {
    logger.verbose(2, () => `--${flag} has no meaning here and is ignored`);
  }
  const families: IpFamily[] = options.enableIpv6 ? ["IPv4", "IPv6"] : ["IPv4"];
  const agent = new Agent({
    source: system.createConfigSource(options.configPath),
    backends: families.map((family) => new IptablesBackend(family, options.chainName, system.runner)),
    clock: system.clock,
    logger,
    configOptions: options,
    masquerade: options,
  });
  if (options.once) {
    const { configIsGood, failures } = await agent.cycle();
    return !configIsGood ? EXIT.badInput : failures > 0 ? EXIT.failed : EXIT.done;
  }
  logger.info(
    `ip-masq-agent ${system.version} started: config ${options.configPath}, ${families.join(" and ")}`,
  );
  system.onReload(() => {
    logger.info("Asked to sync now");
    agent.wake();
  });
  await agent.run(system.stop);
  logger.info("Stopped: the rules stay in place");
  return EXIT.done;
}
