/** Hints from the file system that the config may have changed. Never more than hints: the interval stays the truth. */
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import type { ConfigWatcher } from "../ports.ts";

/** As many links as the kernel follows. */
const MOST_LINKS = 40;

/** How often to look again for folders where one goes away before it is watched. */
const MOST_ATTEMPTS = 3;

/** The link that the kubelet swaps. What is behind it never changes. */
const SWAPPED_LINK = "..data";

/**
 * Watches folders, never the file: a ConfigMap volume changes by swapping a link in the folder, which a watch on the
 * file sees only once.
 */
export class DirectoryWatcher implements ConfigWatcher {
  readonly #path: string;
  #watcher: Deno.FsWatcher | undefined;
  /** What is watched, as a text. */
  #watched = "";

  constructor(path: string) {
    this.#path = path;
  }

  ensure(onHint: () => void): boolean {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const folders = watchedFolders(this.#path);
      const text = [...folders].join();
      if (this.#watcher !== undefined) {
        // Deno does not begin a watch on a folder anew before the old one has ended: that end gives a hint.
        if (text !== this.#watched) close(this.#watcher);
        return false;
      }
      if (folders.size === 0) return false;
      try {
        this.#watcher = Deno.watchFs([...folders.keys()], { recursive: false });
      } catch {
        // A folder has just gone away, or there is no inotify: then the interval does it.
        continue;
      }
      this.#watched = text;
      void this.#follow(this.#watcher, folders, onHint);
      return true;
    }
    return false;
  }

  close(): void {
    const watcher = this.#watcher;
    this.#watcher = undefined;
    if (watcher !== undefined) close(watcher);
  }

  /** Never rejects. */
  async #follow(
    watcher: Deno.FsWatcher,
    folders: ReadonlyMap<string, string>,
    onHint: () => void,
  ): Promise<void> {
    let failed = false;
    try {
      for await (const { kind, paths } of watcher) {
        if (kind === "access") continue;
        // A folder that went away is watched no longer, whatever takes its name.
        if (paths.some((path) => folders.has(path))) break;
        onHint();
      }
    } catch {
      failed = true;
    }
    if (this.#watcher !== watcher) return;
    this.close();
    // A watch that fails at once would be begun again without end.
    if (!failed) onHint();
  }
}

function close(watcher: Deno.FsWatcher): void {
  try {
    watcher.close();
  } catch {
    // It is closed already.
  }
}

/**
 * The folders in which an entry decides what `path` names: that of each link on the way, and the one where the way
 * ends, or the nearest one that exists. Each with what tells it from another of the same name. Those that the program
 * may not read are left out.
 */
function watchedFolders(path: string): Map<string, string> {
  const folders = new Map<string, string>();
  const add = (folder: string): boolean => {
    const info = orUndefined(() => Deno.statSync(folder));
    if (info?.isDirectory) folders.set(folder, `${info.dev}:${info.ino}`);
    return info?.isDirectory ?? false;
  };
  let at = path.startsWith("/") ? "/" : ".";
  let links = 0;
  let isSwapped = false;
  for (let names = path.split("/"); names.length > 0;) {
    const name = names.shift()!;
    const next = join(at, name);
    const target = orUndefined(() => Deno.readLinkSync(next));
    if (target === undefined) {
      at = next;
      continue;
    }
    add(at);
    isSwapped ||= name === SWAPPED_LINK;
    if (++links > MOST_LINKS) return folders;
    names = [...target.split("/"), ...names];
    if (target.startsWith("/")) at = "/";
  }
  if (isSwapped && folders.size > 0) return folders;
  while (!add(at) && dirname(at) !== at) at = dirname(at);
  return folders;
}

/** What `get` returns; undefined where nothing is there, or nothing that may be read. */
function orUndefined<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch {
    return undefined;
  }
}
