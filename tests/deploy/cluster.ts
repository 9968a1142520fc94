/**
 * A cluster as kubectl sees it, and a shell to run kubectl in.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { FakeApiServer } from "./fake_api_server.ts";
import type { Manifest } from "./kustomize.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Brings manifests of different kinds into an order in which they can be compared. */
export const byKind = (a: Manifest, b: Manifest): number => a.kind < b.kind ? -1 : 1;

/** An empty cluster, and a shell in the repository whose kubectl talks to it. */
export class Cluster {
  readonly #server = new FakeApiServer();
  readonly #home = Deno.makeTempDirSync();

  /** Runs a command that has to succeed, and returns what it printed and which requests to write it sent. */
  async run(command: string): Promise<{ stdout: string; writes: string[] }> {
    const { code, stdout, stderr, writes } = await this.try(command);
    assertEquals({ code, stderr }, { code: 0, stderr: "" }, command);
    return { stdout, writes };
  }

  /** Runs a command that may fail. */
  async try(command: string): Promise<{ code: number; stdout: string; stderr: string; writes: string[] }> {
    await Deno.writeTextFile(`${this.#home}/kubeconfig`, this.#server.kubeconfig);
    const before = this.#server.writes.length;
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", command],
      cwd: ROOT,
      clearEnv: true,
      // kubectl keeps what it discovered in its user's home.
      env: { PATH: Deno.env.get("PATH")!, HOME: this.#home, KUBECONFIG: `${this.#home}/kubeconfig` },
    }).output();
    const decoder = new TextDecoder();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr),
      writes: this.#server.writes.slice(before),
    };
  }

  /** What is stored, without kubectl's note of what it applied. */
  get manifests(): Manifest[] {
    return [...this.#server.objects.values()].map((object) => {
      const { metadata: { annotations: _, ...metadata }, ...rest } = object as Manifest & {
        metadata: { annotations?: unknown };
      };
      return { ...rest, metadata } as Manifest;
    }).sort(byKind);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
    await Deno.remove(this.#home, { recursive: true });
  }
}
