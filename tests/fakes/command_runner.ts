/**
 * A command runner that plays back results and remembers what it was asked to run.
 *
 * @module
 */
import type { Command, CommandResult, CommandRunner } from "../../lib/ports.ts";

/** What a command of the script does: a result (success with no output where left out), or an error to throw. */
export type Reply = Partial<CommandResult> | Error;

/** Answers each command with what `reply` makes of it. */
export class FakeCommandRunner implements CommandRunner {
  /** Every command so far, in order. */
  readonly commands: Command[] = [];
  readonly #reply: (command: Command) => Reply;

  constructor(reply: (command: Command) => Reply) {
    this.#reply = reply;
  }

  run(command: Command): Promise<CommandResult> {
    this.commands.push(command);
    const reply = this.#reply(command);
    if (reply instanceof Error) return Promise.reject(reply);
    return Promise.resolve({ code: 0, stdout: "", stderr: "", ...reply });
  }
}
