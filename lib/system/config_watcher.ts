/** Hints from the file system that the config may have changed. Never more than hints: the interval stays the truth. */
import { dirname } from "@std/path/posix/dirname";
import type { ConfigWatcher } from "../ports.ts";

/**
 * Watches the directory of the config, or the config itself where it is one: a ConfigMap volume changes by swapping a
 * link in the directory, which a watch on the file sees only once.
 */
export class DirectoryWatcher implements ConfigWatcher {
  readonly #path: string;
  #watcher: Deno.FsWatcher | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  ensure(onHint: () => void): boolean {
    if (this.#watcher !== undefined) return false;
    return this.#start(isDirectory(this.#path) ? this.#path : dirname(this.#path), onHint);
  }

  close(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    watcher?.close();
  }

  #start(folder: string, onHint: () => void): boolean {
    try {
      this.#watcher = Deno.watchFs(folder, { recursive: false });
    } catch {
      // No such folder, or none that may be read, or no inotify: the interval does it.
      return false;
    }
    void this.#follow(this.#watcher, folder, onHint);
    return true;
  }

  async #follow(watcher: Deno.FsWatcher, folder: string, onHint: () => void): Promise<void> {
    for await (const { kind, paths } of watcher) {
      if (kind === "access") continue;
      onHint();
      // A folder that went away is watched no longer, whatever takes its name.
      if (kind === "remove" && paths.includes(folder)) break;
    }
    if (this.#watcher === watcher) this.close();
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
