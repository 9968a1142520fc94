/**
 * The patches of kubectl, as far as the manifests have use for them.
 *
 * @module
 */

/** An object of JSON. */
export type Fields = Record<string, unknown>;

/**
 * What becomes of `target` by a JSON merge patch (RFC 7396) or by a strategic one, whose lists of things with names are
 * merged by these. Throws a TypeError for a directive that it does not know.
 */
export function mergePatch(target: Fields, patch: Fields): Fields {
  const result = { ...target };
  const kept = patch["$retainKeys"];
  if (Array.isArray(kept)) {
    for (const key of Object.keys(result)) if (!kept.includes(key)) delete result[key];
  }
  for (const [key, value] of Object.entries(patch)) {
    const old = result[key];
    // Lists keep their order here, which is what kubectl asks for where nothing moved.
    if (key.startsWith("$setElementOrder/") || key === "$retainKeys") continue;
    if (key.startsWith("$")) throw new TypeError(`Directive ${key} is not known here`);
    if (value === null) delete result[key];
    else if (Array.isArray(old) && isNamed(old) && Array.isArray(value) && isNamed(value)) {
      result[key] = mergeLists(old, value);
    } else if (isFields(old) && isFields(value)) result[key] = mergePatch(old, value);
    else result[key] = value;
  }
  return result;
}

function mergeLists(target: readonly Fields[], patch: readonly Fields[]): Fields[] {
  const items = new Map(target.map((item) => [item["name"], item]));
  for (const { $patch, ...item } of patch) {
    if ($patch === "delete") items.delete(item["name"]);
    else items.set(item["name"], mergePatch(items.get(item["name"]) ?? {}, item));
  }
  return [...items.values()];
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isNamed(list: readonly unknown[]): list is Fields[] {
  return list.every((item) => isFields(item) && typeof item["name"] === "string");
}
