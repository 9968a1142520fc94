/**
 * A machine with systemd as process 1, in a container of a sandbox: its own network namespace, no network beside it.
 *
 * @module
 */
import { Sandbox } from "../sandbox/sandbox.ts";
import { LIMITS, podman } from "./container.ts";

const IMAGE = Deno.env.get("HOST_IMAGE") ?? "localhost/ip-masq-agent-host:test";
const NAME = "host";

/** A booted machine. */
export class Host implements AsyncDisposable {
  readonly #sandbox: Sandbox;

  private constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /** Boots a machine that has each of the folders, by the path where it has it; it may write to its copy of none. */
  static async boot(folders: Readonly<Record<string, string>>): Promise<Host> {
    // systemd ends at once where it can watch nothing, and says so to nobody.
    const instances = Number(await Deno.readTextFile("/proc/sys/fs/inotify/max_user_instances"));
    if (instances < 16) {
      throw new Error(
        `This machine allows ${instances} inotify instances, too few for systemd: ` +
          "sysctl fs.inotify.max_user_instances=128",
      );
    }
    const sandbox = await Sandbox.create();
    const host = new Host(sandbox);
    const { code, stderr } = await podman(
      sandbox,
      "run",
      "--detach",
      `--name=${NAME}`,
      "--systemd=always",
      "--privileged",
      "--network=none",
      ...LIMITS,
      ...Object.entries(folders).map(([inside, outside]) => `--volume=${outside}:${inside}:ro`),
      IMAGE,
    );
    if (code !== 0) throw new Error(`Cannot boot the host: ${stderr}`);
    return host;
  }

  /** Runs a shell script on the machine and returns what it printed. Throws where it fails. */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await podman(this.#sandbox, "exec", NAME, "sh", "-euc", script);
    if (code !== 0) throw new Error(`Exit code ${code} of script on host: ${script}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Runs the script until it succeeds, for at most `milliseconds`. */
  async until(script: string, milliseconds = 60_000): Promise<string> {
    const deadline = Date.now() + milliseconds;
    while (true) {
      try {
        return await this.sh(script);
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await podman(this.#sandbox, "rm", "--force", "--time=0", NAME);
    await this.#sandbox[Symbol.asyncDispose]();
  }
}
