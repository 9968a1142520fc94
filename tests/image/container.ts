/**
 * The agent's image run by podman and runc on the node of a sandbox, as the DaemonSet runs it: on the host's network,
 * with a read-only root, no new privileges, and only the capabilities that a test gives it.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { kustomize } from "../deploy/kustomize.ts";
import type { Output, Sandbox } from "../sandbox/sandbox.ts";

/** The image under test, as `make test-image` built it. */
export const IMAGE = Deno.env.get("IMAGE") ?? "localhost/ip-masq-agent:test";

/** The container of the DaemonSet, whose arguments, capabilities and limit are those that the tests run with. */
const DAEMON_SET = daemonSetContainer();

/** The capabilities of the DaemonSet. */
export const CAPABILITIES = DAEMON_SET.securityContext.capabilities.add;

interface ContainerSpec {
  readonly args: readonly string[];
  readonly securityContext: { readonly capabilities: { readonly add: readonly string[] } };
  readonly resources: { readonly limits: { readonly memory: string } };
}

function daemonSetContainer(): ContainerSpec {
  const [daemonSet] = kustomize(fromFileUrl(new URL("../../deploy/kubernetes", import.meta.url)));
  const { spec } = daemonSet as unknown as {
    spec: { template: { spec: { containers: readonly ContainerSpec[] } } };
  };
  return spec.template.spec.containers[0]!;
}

/** How to run the image. */
export interface ContainerOptions {
  readonly capabilities?: readonly string[];
  /** `--backend`. */
  readonly backend?: string;
  /** Further arguments of `podman run`. */
  readonly podman?: readonly string[];
}

/** Everything that podman writes is in the sandbox's own /run; the image comes from where buildah put it. */
const STORE = [
  "--root=/run/containers/root",
  "--runroot=/run/containers/run",
  "--storage-opt=additionalimagestore=/var/lib/containers/storage",
  "--runtime=runc",
  "--cgroup-manager=cgroupfs",
  "--events-backend=none",
];

/** Limits below podman's defaults, which not every machine lets it set. */
export const LIMITS: readonly string[] = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000"];

/** Runs podman in the sandbox. */
export function podman(sandbox: Sandbox, ...args: string[]): Promise<Output> {
  return sandbox.run("podman", [...STORE, ...args]);
}

function runArgs({ capabilities = CAPABILITIES, backend, podman = [] }: ContainerOptions): string[] {
  return [
    ...STORE,
    "run",
    "--rm",
    "--network=host",
    "--read-only",
    "--read-only-tmpfs=false",
    "--security-opt=no-new-privileges",
    "--cap-drop=ALL",
    ...(capabilities.length > 0 ? [`--cap-add=${capabilities.join(",")}`] : []),
    ...LIMITS,
    `--memory=${DAEMON_SET.resources.limits.memory.replace("Mi", "m")}`,
    "--volume=/run/xtables.lock:/run/xtables.lock",
    ...podman,
    IMAGE,
    ...DAEMON_SET.args,
    ...(backend === undefined ? [] : [`--backend=${backend}`]),
  ];
}

/** Runs the agent's container to its end. */
export async function runContainer(
  sandbox: Sandbox,
  options: ContainerOptions,
  ...args: string[]
): Promise<Output> {
  await sandbox.sh("touch /run/xtables.lock");
  return await sandbox.run("podman", [...runArgs(options), ...args]);
}

/** An agent that goes on running in its container. */
export class RunningContainer implements AsyncDisposable {
  readonly #sandbox: Sandbox;
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #ended: Promise<void>;
  /** What it logged so far. */
  log = "";

  private constructor(sandbox: Sandbox, name: string, process: Deno.ChildProcess) {
    this.#sandbox = sandbox;
    this.#name = name;
    this.#process = process;
    this.#ended = this.#collect(process.stderr);
  }

  /** Starts the agent and waits for its first sync. */
  static async start(
    sandbox: Sandbox,
    options: ContainerOptions,
    ...args: string[]
  ): Promise<RunningContainer> {
    await sandbox.sh("touch /run/xtables.lock");
    const podman = [...(options.podman ?? []), "--name=agent"];
    const process = sandbox.spawn("podman", [...runArgs({ ...options, podman }), ...args]);
    await process.stdin.close();
    const container = new RunningContainer(sandbox, "agent", process);
    await container.waitForLog(/installed|are up to date/);
    return container;
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) this.log += text;
  }

  /** Waits until the agent logged something that matches. */
  async waitForLog(pattern: RegExp): Promise<void> {
    const deadline = Date.now() + 60_000;
    while (!pattern.test(this.log)) {
      if (Date.now() > deadline) throw new Error(`Nothing in the log matches ${pattern}:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The agent's process as the host sees it. */
  async pid(): Promise<number> {
    const { stdout } = await podman(this.#sandbox, "inspect", "--format={{.State.Pid}}", this.#name);
    return Number(stdout);
  }

  /** Sends a signal to the agent, which is process 1 of its container. */
  async signal(name: "TERM" | "HUP" | "KILL"): Promise<void> {
    const { code, stderr } = await podman(this.#sandbox, "kill", `--signal=${name}`, this.#name);
    if (code !== 0) throw new Error(stderr);
  }

  /** Waits for the end and returns the exit code. */
  async exitCode(): Promise<number> {
    const { code } = await this.#process.status;
    await this.#ended;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await podman(this.#sandbox, "rm", "--force", "--time=0", this.#name);
    await this.#process.stdout.cancel();
    await this.exitCode();
  }
}
