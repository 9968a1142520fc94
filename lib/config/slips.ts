/** Mistakes that are easily made in a config, and what to say about them. */
import { CONFIG_KEYS } from "./keys.ts";
import { nearest } from "./nearest.ts";
import { describe } from "./printable.ts";

/** The names of all keys. */
export const KEY_NAMES: readonly string[] = CONFIG_KEYS.map(({ name }) => name);

/** Keys at the top of a ConfigMap, which somebody may have given instead of what is in it. */
const MANIFEST_KEYS: readonly string[] = ["apiVersion", "kind", "metadata", "data"];

/** What somebody may have meant by a key that there is not. */
export function explainUnknownKey(key: string): string {
  if (MANIFEST_KEYS.includes(key)) {
    return 'this looks like a Kubernetes manifest, and the config is the text inside of its "data"';
  }
  const meant = nearest(key, KEY_NAMES);
  return meant === undefined ? `known are ${KEY_NAMES.join(", ")}` : `did you mean "${meant}"?`;
}

/** A text at the top is most often a key whose colon, or the blank behind it, was forgotten. */
export function explainNoMapping(value: unknown): string {
  const word = typeof value === "string" ? /^[A-Za-z0-9_]+/.exec(value)?.[0] : undefined;
  const key = word && nearest(word, KEY_NAMES);
  const fix = key === undefined ? 'write "key: value" lines' : `write a ":" and a blank behind "${word}"`;
  return `the config is ${describe(value)}, not a mapping: ${fix}`;
}

/** The text of a list item; YAML takes one that ends in a colon, such as `2001:db8::`, for a key without a value. */
export function itemText(item: unknown): string | undefined {
  if (typeof item === "string") return item;
  if (typeof item !== "object" || item === null || Array.isArray(item)) return undefined;
  const [[key, value] = [], ...others] = Object.entries(item);
  return key?.includes(":") && value === null && others.length === 0 ? `${key}:` : undefined;
}

/** What is wrong with a list item that was not meant to be one address. */
export function explainItem(text: string): string | undefined {
  if (/\s-\s/.test(text)) return 'is one entry, not several: put each "-" right below the one before';
  if (/^\s|\s$/.test(text)) return "has a blank before or behind the CIDR: remove it";
  if (/[,;]/.test(text)) return "is one entry, not several: write each CIDR as an entry of its own";
  return undefined;
}
