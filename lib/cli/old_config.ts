/** Configs of another agent, as files or as the ConfigMaps that hold them. */
import type { ConfigFile } from "../ports.ts";
import { decodeConfig } from "../config/decode.ts";
import { parseDocument } from "../config/document.ts";
import { printable } from "../config/printable.ts";
import { ConfigError } from "../config/problem.ts";

/** The text of one config. */
export interface OldConfig {
  /** Where it comes from, for messages. */
  readonly name: string;
  readonly text: string;
  /** `NAME/KEY` of the ConfigMap that it was in. */
  readonly configMap?: string;
  /** The keys at its top; none where it can't be parsed. */
  readonly keys: readonly string[];
}

/** The key that a ConfigMap has where it holds one config. */
const CONFIG_KEY = "config";

/** With these a key begins where a ConfigMap holds the files of a folder. */
const FILE_PREFIX = "ip-masq";

/**
 * The configs in a file: itself, or those of the ConfigMaps that it lists as `kubectl get configmap -o yaml` does.
 *
 * @throws {ConfigError} It can't be decoded, or a ConfigMap has no config.
 */
export function findOldConfigs({ name, bytes }: ConfigFile): OldConfig[] {
  let text: string;
  try {
    text = decodeConfig(bytes);
  } catch (error) {
    throw bad(name, (error as Error).message);
  }
  const document = parse(text);
  const maps = isMapping(document) && Array.isArray(document["items"]) ? document["items"] : [document];
  const kinds = maps.flatMap((it) => isMapping(it) && typeof it["kind"] === "string" ? [it["kind"]] : []);
  const other = kinds.find((kind) => kind !== "ConfigMap");
  if (other !== undefined) {
    throw bad(name, `${printable(other)} is no ConfigMap: give the arguments of a container as --args`);
  }
  if (kinds.length === 0) {
    return [{ name, text, keys: isMapping(document) ? Object.keys(document) : [] }];
  }
  return maps.flatMap((map) => isMapping(map) ? readConfigMap(name, map) : []);
}

function readConfigMap(file: string, map: Record<string, unknown>): OldConfig[] {
  const metadata = isMapping(map["metadata"]) ? map["metadata"] : {};
  const name = String(metadata["name"] ?? "");
  const texts = Object.entries(isMapping(map["data"]) ? map["data"] : {})
    .filter((entry): entry is [string, string] => typeof entry[1] === "string");
  const files = texts.filter(([key]) => key.startsWith(FILE_PREFIX));
  const found = files.length > 0
    ? files
    : texts.length === 1
    ? texts
    : texts.filter(([key]) => key === CONFIG_KEY);
  if (found.length === 0) {
    const keys = texts.map(([key]) => key).join(", ") || "none";
    throw bad(
      file,
      `ConfigMap "${name}" has no key "${CONFIG_KEY}" or "${FILE_PREFIX}…" (its keys: ${keys}): ` +
        "give the text of the config itself",
    );
  }
  return found.map(([key, text]) => {
    const document = parse(text);
    const keys = isMapping(document) ? Object.keys(document) : [];
    return { name: `${file}, ${name}/${key}`, text, keys, configMap: `${name}/${key}` };
  });
}

/** The value of a text; undefined where it is no document, which parsing it as a config says better. */
function parse(text: string): unknown {
  try {
    return parseDocument(text).value;
  } catch {
    return undefined;
  }
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(file: string, message: string): ConfigError {
  return new ConfigError([{ severity: "error", origin: { file, key: "" }, message }]);
}
