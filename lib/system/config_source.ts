/** Reads the config from the file system. */
import { join } from "@std/path/posix/join";
import type { ConfigFile, ConfigReading, ConfigSource } from "../ports.ts";

/** In a directory, files whose name starts with this are read. */
const FILE_PREFIX = "ip-masq";

/**
 * A regular file, or a directory of them. Links are followed, which is how the kubelet mounts a ConfigMap. In all at
 * most `mostBytes` + 1 bytes are read, which is enough to see that they are too many.
 */
export class FileConfigSource implements ConfigSource {
  readonly path: string;
  readonly #mostBytes: number;

  constructor(path: string, mostBytes: number) {
    this.path = path;
    this.#mostBytes = mostBytes;
  }

  async read(): Promise<ConfigReading> {
    try {
      const info = await stat(this.path);
      if (info === undefined) return { files: [] };
      if (info.isFile) return { files: [await readFile(this.path, this.#mostBytes)] };
      if (info.isDirectory) return { files: await this.#readDirectory() };
      return { unreadable: "it is neither a file nor a directory" };
    } catch (error) {
      return explain(error);
    }
  }

  async #readDirectory(): Promise<ConfigFile[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(this.path)) {
      if (name.startsWith(FILE_PREFIX)) names.push(name);
    }
    const files: ConfigFile[] = [];
    let left = this.#mostBytes;
    for (const name of names.sort()) {
      const path = join(this.path, name);
      // A link may go away between listing and reading; then it is simply no longer there.
      if (!(await stat(path))?.isFile) continue;
      const file = await readFile(path, left);
      files.push(file);
      left -= file.bytes.length;
      if (left < 0) break;
    }
    return files;
  }
}

async function readFile(path: string, mostBytes: number): Promise<ConfigFile> {
  using file = await Deno.open(path);
  return { name: path, bytes: await readBytes(file, mostBytes) };
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
      return { files: [{ name: this.path, bytes: await readBytes(Deno.stdin, this.#mostBytes) }] };
    } catch (error) {
      return explain(error);
    }
  }
}

/** Reads to the end, or one byte more than `most`. */
async function readBytes(
  reader: { read(buffer: Uint8Array): Promise<number | null> },
  most: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  while (total <= most) {
    const chunk = new Uint8Array(Math.min(65_536, most + 1 - total));
    const length = await reader.read(chunk);
    if (length === null) break;
    chunks.push(chunk.subarray(0, length));
    total += length;
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
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
