/**
 * A cgroup of its own with a limit of memory, as a container has one: of version 2, or of version 1's memory controller.
 * It is made below the one of the tests, and nothing of the machine is put into it.
 *
 * @module
 */

/** What each version calls the same thing. */
const FILES = {
  1: { limit: "memory.limit_in_bytes", peak: "memory.max_usage_in_bytes", events: "memory.oom_control" },
  2: { limit: "memory.max", peak: "memory.peak", events: "memory.events" },
} as const;

/** A limit that processes are put under. Disposing of it takes the cgroup away once they have ended. */
export class MemoryCgroup implements AsyncDisposable {
  readonly #folder: string;
  readonly #files: typeof FILES[keyof typeof FILES];

  private constructor(folder: string, version: keyof typeof FILES) {
    this.#folder = folder;
    this.#files = FILES[version];
  }

  /** Makes one. Throws where that is not allowed, or there is no memory controller. */
  static async create(limitBytes: number): Promise<MemoryCgroup> {
    const own = await Deno.readTextFile("/proc/self/cgroup");
    const [, path1] = /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(own) ?? [];
    const [, path2 = "/"] = /^0::(.*)$/m.exec(own) ?? [];
    const parent = path1 === undefined ? `/sys/fs/cgroup${path2}` : `/sys/fs/cgroup/memory${path1}`;
    const folder = `${parent}/ip-masq-agent-test-${Deno.pid}-${crypto.randomUUID()}`;
    await Deno.mkdir(folder);
    const cgroup = new MemoryCgroup(folder, path1 === undefined ? 2 : 1);
    try {
      await Deno.writeTextFile(`${folder}/${cgroup.#files.limit}`, String(limitBytes), { create: false });
    } catch (error) {
      await Deno.remove(folder);
      throw error;
    }
    return cgroup;
  }

  /** The start of a command line that runs the rest of it, and all its children, under the limit. */
  get enter(): readonly string[] {
    return ["bash", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', this.#folder];
  }

  /** The most bytes that its processes, their caches and their rules in the kernel took together. */
  async peak(): Promise<number> {
    return Number(await Deno.readTextFile(`${this.#folder}/${this.#files.peak}`));
  }

  /** How many processes the kernel killed for want of memory. */
  async kills(): Promise<number> {
    const events = await Deno.readTextFile(`${this.#folder}/${this.#files.events}`);
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (let tries = 0;; tries++) {
      try {
        return await Deno.remove(this.#folder);
      } catch (error) {
        // A process that has just ended is there for a moment.
        if (tries === 100) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }
}
