/**
 * Hosts with other versions of iptables and nft: roots of Debian's suites, made by tools/host_roots, in which commands
 * run by chroot inside of a sandbox. All hosts of a sandbox share its network namespace, as containers of a node do.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { EXECUTABLE, type Output, type Sandbox } from "./sandbox.ts";

/** The suites, oldest first. */
export const SUITES = ["bullseye", "bookworm", "trixie", "sid"] as const;

/** One of them. */
export type Suite = typeof SUITES[number];

/** Makes a folder of which nothing is written back to .cache, with the sandbox's own /run. */
const MOUNT = `
folder=/run/hosts/$1
mkdir -p "$folder"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=$2,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
for name in proc sys dev; do mount --rbind "/$name" "$folder/root/$name"; done
mkdir -p /run/hosts/run "$folder/root$(dirname "$3")" "$folder/root/etc/config"
mount --bind /run/hosts/run "$folder/root/run"
touch "$folder/root$3"
mount --bind "$3" "$folder/root$3"
`;

/** The root with the tools that check what is delivered. */
export const CHECKERS = "checkers";

/** A root of a suite inside of a sandbox, which takes it away with itself. The executable has its path of outside. */
export class Host {
  readonly suite: Suite | typeof CHECKERS;
  readonly #sandbox: Sandbox;

  private constructor(sandbox: Sandbox, suite: Host["suite"]) {
    this.#sandbox = sandbox;
    this.suite = suite;
  }

  /** Brings the root of a suite into a sandbox. Throws where tools/host_roots did not make it. */
  static async create(sandbox: Sandbox, suite: Host["suite"]): Promise<Host> {
    const root = fromFileUrl(new URL(`../../.cache/roots/${suite}`, import.meta.url));
    const { code, stderr } = await sandbox.run("bash", ["-euc", MOUNT, "-", suite, root, EXECUTABLE]);
    if (code !== 0) {
      throw new Error(`Cannot make the host ${suite} (tools/host_roots makes its root): ${stderr}`);
    }
    return new Host(sandbox, suite);
  }

  /** Starts a command on the host, with pipes for its three streams. */
  spawn(command: string, args: readonly string[] = []): Deno.ChildProcess {
    return this.#sandbox.spawn("chroot", [this.#root, command, ...args]);
  }

  /** Runs a command on the host to its end; without any privileges where asked. */
  run(
    command: string,
    args: readonly string[] = [],
    { input, unprivileged = false }: { readonly input?: string; readonly unprivileged?: boolean } = {},
  ): Promise<Output> {
    const user = unprivileged ? ["--userspec=65534:65534"] : [];
    return this.#sandbox.run("chroot", [...user, this.#root, command, ...args], {
      ...(input !== undefined && { input }),
    });
  }

  /** Runs a shell script on the host and returns what it printed. Throws where a command of it fails. */
  async sh(script: string): Promise<string> {
    const { code, stdout, stderr } = await this.run("bash", ["-euo", "pipefail", "-c", script]);
    if (code !== 0) throw new Error(`${this.suite}: exit code ${code} of script: ${script}\n${stderr}`);
    return stdout;
  }

  /** Runs the compiled agent to its end. */
  agent(...args: string[]): Promise<Output> {
    return this.run(EXECUTABLE, args);
  }

  /** Writes the agent's config file. */
  writeConfig(text: string): Promise<void> {
    return this.#sandbox.write(`${this.#root}/etc/config/ip-masq-agent`, text);
  }

  get #root(): string {
    return `/run/hosts/${this.suite}/root`;
  }
}
