/**
 * An agent for processes of tests and benchmarks: the real iptables, with a config and a log of the caller's choice.
 *
 * @module
 */
import { Agent } from "../../lib/agent/agent.ts";
import { IptablesBackend } from "../../lib/backends/iptables/iptables_backend.ts";
import type { IptablesProgram } from "../../lib/backends/iptables/restore_command.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { systemClock } from "../../lib/system/clock.ts";
import { ChildProcessRunner } from "../../lib/system/command_runner.ts";
import type { ConfigSource, Logger } from "../../lib/ports.ts";

/** Makes the agent, for IPv4 and the default chain. */
export function createRealAgent(
  source: ConfigSource,
  logger: Logger,
  program: IptablesProgram = "iptables",
): Agent {
  const runner = new ChildProcessRunner();
  const chainName = parseChainName("IP-MASQ-AGENT");
  return new Agent({
    source,
    families: ["IPv4"],
    chooseBackend: () => Promise.resolve({ backend: program, reason: "" }),
    createBackend: (_, family) => Promise.resolve(new IptablesBackend(family, chainName, runner, program)),
    clock: systemClock,
    logger,
    configOptions: { enableIpv6: false, allReservedRanges: false },
    masquerade: { randomFully: true, toPorts: [] },
  });
}
