/**
 * A machine to try rules on: a network namespace of its own, with a private /etc and /run, in which the agent and the
 * iptables commands run as root. Nothing of the real machine changes, and all of it vanishes when the process that
 * holds the namespaces ends, also when the tests are killed.
 *
 * Without root it is made inside of a user namespace.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";

/** The two implementations that a host may have under the name iptables. */
export type Variant = "nft" | "legacy";

/** Both, for tests that must hold for either. */
export const VARIANTS: readonly Variant[] = ["nft", "legacy"];

/** The compiled program. */
export const EXECUTABLE = fromFileUrl(new URL("../../dist/ip-masq-agent", import.meta.url));

/** How a command in the sandbox ended. */
export interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options for a command in the sandbox. */
export interface RunOptions {
  /** Text for standard input. */
  readonly input?: string;
  /** A named network namespace of the sandbox; its own by default. */
  readonly netns?: string;
}

const SETUP = `
set -e
mount -t tmpfs tmpfs /run
mkdir /run/etc /run/etc/upper /run/etc/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
# Empty, whatever the machine has there: an overlay of a user namespace can't replace a folder.
for folder in /etc/config /etc/ip-masq-agent; do
  mkdir -p "$folder"
  mount -t tmpfs -o mode=755 tmpfs "$folder"
done
# In a user namespace only what is copied belongs to us.
mkdir /run/alternatives
cp -P /etc/alternatives/* /run/alternatives/
mount --bind /run/alternatives /etc/alternatives
touch /run/sandbox
ip link set lo up
echo ready
exec cat
`;

/** The namespaces, held by a process that lives until the sandbox is disposed of. */
export class Sandbox implements AsyncDisposable {
  readonly #holder: Deno.ChildProcess;
  readonly #enter: readonly string[];
  /** Which iptables the sandbox has under that name. */
  readonly variant: Variant;

  private constructor(holder: Deno.ChildProcess, variant: Variant, userNamespace: boolean) {
    this.#holder = holder;
    this.variant = variant;
    const user = userNamespace ? ["--user", "--preserve-credentials"] : [];
    this.#enter = ["--target", String(holder.pid), ...user, "--net", "--mount", "--"];
  }

  /**
   * Makes a sandbox whose iptables is of the given variant, in a user namespace of its own where asked, or where
   * this is not root. Only there are the limits in /proc/sys/user the sandbox's own.
   */
  static async create(
    variant: Variant = "nft",
    { userNamespace = Deno.uid() !== 0 }: { readonly userNamespace?: boolean } = {},
  ): Promise<Sandbox> {
    const holder = new Deno.Command("unshare", {
      args: [
        ...(userNamespace ? ["--user", "--map-root-user"] : []),
        "--net",
        "--mount",
        "bash",
        "-c",
        SETUP,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = holder.stdout.getReader();
    const { value } = await reader.read();
    await reader.cancel();
    if (value === undefined) {
      await holder.stdin.close();
      await holder.status;
      throw new Error("Cannot make namespaces: run the tests as root, or allow unprivileged user namespaces");
    }
    const sandbox = new Sandbox(holder, variant, userNamespace);
    await sandbox.useVariant(variant);
    return sandbox;
  }

  /** Makes the sandbox's iptables commands those of `variant`, as update-alternatives(1) does. */
  async useVariant(variant: Variant): Promise<void> {
    // Where the tests run in a chroot, nsenter lands in the real root: never change that.
    await this.sh("test -e /run/sandbox || { echo 'this is not the sandbox' >&2; exit 1; }");
    await this.sh(
      ["iptables", "ip6tables"].flatMap((name) =>
        ["", "-restore", "-save"].map((suffix) =>
          `ln -sfn /usr/sbin/${name}-${variant}${suffix} /etc/alternatives/${name}${suffix}`
        )
      ).join("\n"),
    );
  }

  /** Starts a command in the sandbox, with pipes for its three streams. */
  spawn(
    command: string,
    args: readonly string[] = [],
    { netns }: Pick<RunOptions, "netns"> = {},
  ): Deno.ChildProcess {
    const inNetns = netns === undefined ? [] : ["ip", "netns", "exec", netns];
    return new Deno.Command("nsenter", {
      args: [...this.#enter, ...inNetns, command, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Runs a command in the sandbox to its end. */
  async run(
    command: string,
    args: readonly string[] = [],
    { input, netns }: RunOptions = {},
  ): Promise<Output> {
    const child = this.spawn(command, args, netns === undefined ? {} : { netns });
    const output = child.output();
    const writer = child.stdin.getWriter();
    try {
      if (input !== undefined) await writer.write(new TextEncoder().encode(input));
      await writer.close();
    } catch (error) {
      // A command that ends without reading its input says so with its exit code.
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
    const { code, stdout, stderr } = await output;
    const decoder = new TextDecoder();
    return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  /** Runs a shell script in the sandbox and returns what it printed. Throws where a command of it fails. */
  async sh(script: string, netns?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run("bash", ["-euo", "pipefail", "-c", script], {
      ...(netns !== undefined && { netns }),
    });
    if (code !== 0) throw new Error(`Exit code ${code} of script in sandbox: ${script}\n${stderr}`);
    return stdout;
  }

  /** Runs the compiled agent to its end. */
  agent(...args: string[]): Promise<Output> {
    return this.run(EXECUTABLE, args);
  }

  /** Writes a file in the sandbox. */
  async write(path: string, text: string): Promise<void> {
    const { code, stderr } = await this.run("bash", [
      "-c",
      'mkdir -p "$(dirname "$1")" && cat >"$1"',
      "-",
      path,
    ], {
      input: text,
    });
    if (code !== 0) throw new Error(`Cannot write ${path} in sandbox: ${stderr}`);
  }

  /** Writes the agent's config file. */
  writeConfig(text: string): Promise<void> {
    return this.write("/etc/config/ip-masq-agent", text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // An nft that was about to follow events when its agent was killed ends at the next one, and here comes no other.
    await this.run("sh", ["-c", "nft 'add table ip end; delete table ip end'"]);
    await this.#holder.stdin.close();
    await this.#holder.status;
  }
}
