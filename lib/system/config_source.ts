/** Reads the config from the file system. */
import { dirname } from "@std/path/posix/dirname";
import { join } from "@std/path/posix/join";
import type { ConfigFile, ConfigReading, ConfigSource } from "../ports.ts";
import { startTimer } from "./timer.ts";

/** In a directory, files whose name starts with this are read. */
const FILE_PREFIX = "ip-masq";

/** How names of backups end, which editors and package managers leave beside a file. */
const BACKUP = /(?:~|\.(?:bak|orig|swp|tmp|save|dpkg-[a-z]+|rpm[a-z]+|ucf-[a-z]+))$/;

/** How many names of other files are told. */
const MOST_OTHERS = 5;

/** Milliseconds that a read may take. */
const TIME_LIMIT_MS = 5_000;

/** What a source may be told otherwise. */
export interface ConfigSourceOptions {
  /** Milliseconds that a read may take. */
  readonly timeLimitMs?: number;
}

/**
 * A regular file, or a directory of them. Links are followed, which is how the kubelet mounts a ConfigMap. In all at
 * most `mostBytes` + 1 bytes are read, which is enough to see that they are too many. A file system that does not
 * answer in time is asked again only once it has answered.
 */
export class FileConfigSource implements ConfigSource {
  readonly path: string;
  readonly #mostBytes: number;
  readonly #timeLimitMs: number;
  #pending: Promise<ConfigReading> | undefined;

  constructor(
    path: string,
    mostBytes: number,
    { timeLimitMs = TIME_LIMIT_MS }: ConfigSourceOptions = {},
  ) {
    this.path = path;
    this.#mostBytes = mostBytes;
    this.#timeLimitMs = timeLimitMs;
  }

  async read(): Promise<ConfigReading> {
    this.#pending ??= this.#read().finally(() => this.#pending = undefined);
    const timeout = Promise.withResolvers<ConfigReading>();
    const unreadable = `the file system did not answer within ${this.#timeLimitMs / 1_000}s`;
    const stopTimer = startTimer(this.#timeLimitMs, () => timeout.resolve({ unreadable, isHanging: true }));
    const reading = await Promise.race([this.#pending, timeout.promise]);
    stopTimer();
    return reading;
  }

  /** Never rejects. */
  async #read(): Promise<ConfigReading> {
    try {
      const info = await stat(this.path);
      if (info === undefined) return { files: [], ...await listOthers(dirname(this.path)) };
      if (info.isFile) return { files: [await readFile(this.path, info, this.#mostBytes)] };
      if (info.isDirectory) return await this.#readDirectory();
      return { unreadable: "it is neither a file nor a directory" };
    } catch (error) {
      return explain(error);
    }
  }

  async #readDirectory(): Promise<ConfigReading> {
    const names = (await listNames(this.path)).filter((name) => name.startsWith(FILE_PREFIX));
    const skipped = names.filter((name) => BACKUP.test(name));
    const files: ConfigFile[] = [];
    let left = this.#mostBytes;
    for (const name of names) {
      if (skipped.includes(name)) continue;
      const path = join(this.path, name);
      // A link may go away between listing and reading; then it is simply no longer there.
      const info = await stat(path);
      if (!info?.isFile) continue;
      const file = await readFile(path, info, left);
      files.push(file);
      left -= file.bytes.length;
      if (left < 0) break;
    }
    return {
      files,
      ...(skipped.length > 0 && { skipped }),
      ...(files.length === 0 && await listOthers(this.path, skipped)),
    };
  }
}

/** Names in a folder, sorted. */
async function listNames(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  return names.sort();
}

/** What the reading of a folder without a config says of its other files, but for hidden and `skipped` ones. */
async function listOthers(
  folder: string,
  skipped: readonly string[] = [],
): Promise<{ others?: readonly string[] }> {
  const others: string[] = [];
  try {
    for (const name of await listNames(folder)) {
      if (name.startsWith(".") || skipped.includes(name)) continue;
      if ((await stat(join(folder, name)))?.isFile) others.push(name);
      if (others.length === MOST_OTHERS) break;
    }
  } catch {
    // The folder is not there, or may not be read: then nobody knows of others.
  }
  return others.length > 0 ? { others } : {};
}

async function readFile(
  path: string,
  { mtime, size }: Deno.FileInfo,
  mostBytes: number,
): Promise<ConfigFile> {
  using file = await Deno.open(path);
  const bytes = await readBytes(file, mostBytes, size);
  return { name: path, bytes, ...(mtime !== null && { modifiedMs: mtime.getTime() }) };
}

/** Standard input, of which at most `mostBytes` + 1 bytes are read. */
export class StdinConfigSource implements ConfigSource {
  readonly path = "<stdin>";
  readonly #mostBytes: number;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  async read(): Promise<ConfigReading> {
    try {
      return { files: [{ name: this.path, bytes: await readBytes(Deno.stdin, this.#mostBytes, 65_536) }] };
    } catch (error) {
      return explain(error);
    }
  }
}

/** Reads to the end, or one byte more than `most`. The right `size` spares memory; one that is wrong does no harm. */
async function readBytes(
  reader: { read(buffer: Uint8Array): Promise<number | null> },
  most: number,
  size: number,
): Promise<Uint8Array> {
  // One more byte than there are, so that the end is seen.
  let bytes = new Uint8Array(Math.min(size, most) + 1);
  let total = 0;
  while (total <= most) {
    if (total === bytes.length) {
      const larger = new Uint8Array(Math.min(2 * total, most + 1));
      larger.set(bytes);
      bytes = larger;
    }
    const length = await reader.read(bytes.subarray(total));
    if (length === null) break;
    total += length;
  }
  return bytes.subarray(0, total);
}

async function stat(path: string): Promise<Deno.FileInfo | undefined> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function explain(error: unknown): ConfigReading {
  if (error instanceof Deno.errors.NotCapable) {
    return {
      unreadable: "this program may only read below /etc/config and /etc/ip-masq-agent: move the file there",
      isOutside: true,
    };
  }
  if (error instanceof Deno.errors.PermissionDenied) return { unreadable: "permission denied" };
  return { unreadable: error instanceof Error ? error.message : String(error) };
}
