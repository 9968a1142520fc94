/**
 * A command runner that plays back results and remembers what it was asked to run.
 *
 * @module
 */
import { type Command, CommandKilledError, type CommandResult, type CommandRunner } from "../../lib/ports.ts";

/** What a command of the script does: a result (success with no output where left out), or an error to throw. */
export type Reply = Partial<CommandResult> | Error;

/** Answers each command with what `reply` makes of it, unless the command's signal aborts before. */
export class FakeCommandRunner implements CommandRunner {
  /** Every command so far, in order. */
  readonly commands: Command[] = [];
  readonly #reply: (command: Command) => Reply | Promise<Reply>;

  constructor(reply: (command: Command) => Reply | Promise<Reply>) {
    this.#reply = reply;
  }

  async run(command: Command): Promise<CommandResult> {
    const { name, signal } = command;
    if (signal?.aborted) throw new CommandKilledError(name);
    this.commands.push(command);
    const killed = new Promise<Reply>((resolve) =>
      signal?.addEventListener("abort", () => resolve(new CommandKilledError(name)))
    );
    const reply = await Promise.race([killed, this.#reply(command)]);
    if (reply instanceof Error) throw reply;
    return { code: 0, stdout: "", stderr: "", ...reply };
  }
}
