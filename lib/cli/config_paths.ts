/** Which config the program takes: the one that is named, or the first of the usual places that has one. */
import type { ConfigReading, ConfigSource, ConfigWatcher } from "../ports.ts";
import type { System } from "./system.ts";

/** Where the config is looked for when `--config-path` names none: a container's mount, then a host's folder. */
export const DEFAULT_CONFIG_PATHS: readonly string[] = ["/etc/config/ip-masq-agent", "/etc/ip-masq-agent"];

/** The source of several paths. Each reading decides anew which of them counts. */
export function createSource(
  system: Pick<System, "createConfigSource">,
  paths: readonly string[],
): ConfigSource {
  const sources = paths.map((path) => system.createConfigSource(path));
  const [first, ...others] = sources;
  return first !== undefined && others.length === 0 ? first : new FirstConfigSource(sources);
}

/** Watches several paths at once: the first one may appear later. */
export function createWatcher(
  system: Pick<System, "createConfigWatcher">,
  paths: readonly string[],
): ConfigWatcher {
  const watchers = paths.map((path) => system.createConfigWatcher(path));
  return {
    ensure: (onHint) => watchers.map((watcher) => watcher.ensure(onHint)).some(Boolean),
    close: () => watchers.forEach((watcher) => watcher.close()),
  };
}

/** The first source that has a file, or something that can't be read. */
class FirstConfigSource implements ConfigSource {
  readonly #sources: readonly ConfigSource[];
  #taken: ConfigSource | undefined;

  constructor(sources: readonly ConfigSource[]) {
    this.#sources = sources;
  }

  /** The path that the last reading took; all of them where there was nothing, or no reading yet. */
  get path(): string {
    return this.#taken?.path ?? this.#sources.map(({ path }) => path).join(" or ");
  }

  async read(): Promise<ConfigReading> {
    const empty: ConfigReading[] = [];
    for (const source of this.#sources) {
      const reading = await source.read();
      if ("unreadable" in reading || reading.files.length > 0) {
        this.#taken = source;
        return reading;
      }
      empty.push(reading);
    }
    this.#taken = undefined;
    // What the first of them says of other files counts most.
    return Object.assign({ files: [] }, ...empty.reverse());
  }
}
