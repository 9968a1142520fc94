/**
 * The part of kustomize that the manifests use: `resources`, `components`, and `patches` of JSON operations (RFC 6902) by
 * kind and name. So they can be looked at where there is no kubectl; anything else in a kustomization is an error.
 *
 * @module
 */
import { parse } from "@std/yaml/parse";
import { join } from "@std/path/posix/join";

/** A manifest, as parsed YAML. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [key: string]: unknown;
}

interface Kustomization {
  readonly resources?: readonly string[];
  readonly components?: readonly string[];
  readonly patches?: readonly {
    readonly target: { readonly kind: string; readonly name: string };
    readonly patch: string;
  }[];
}

interface Operation {
  readonly op: string;
  readonly path: string;
  readonly value: unknown;
}

/** The manifests of a file. */
export function parseManifests(text: string): Manifest[] {
  return text.split(/^---$/m).map((document) => parse(document, { schema: "core" }))
    .filter((document) => document !== null) as Manifest[];
}

/** Renders the kustomization in `folder`. */
export function kustomize(folder: string): Manifest[] {
  return build(folder, "Kustomization", []);
}

/** A component changes the manifests that there are, and adds its own. */
function build(
  folder: string,
  wanted: "Kustomization" | "Component",
  given: readonly Manifest[],
): Manifest[] {
  const { apiVersion: _, kind, resources = [], components = [], patches = [], ...unknown } = parse(
    Deno.readTextFileSync(join(folder, "kustomization.yaml")),
  ) as Kustomization & Pick<Manifest, "apiVersion" | "kind">;
  if (kind !== wanted) throw new Error(`${folder} is no ${wanted}`);
  if (Object.keys(unknown).length > 0) throw new Error(`${folder} uses ${Object.keys(unknown)}`);
  const own = resources.flatMap((name) => {
    const path = join(folder, name);
    return Deno.statSync(path).isDirectory ? kustomize(path) : parseManifests(Deno.readTextFileSync(path));
  });
  const manifests = components.reduce(
    (before, name) => build(join(folder, name), "Component", before),
    [...given, ...own],
  );
  for (const { target, patch } of patches) {
    const found = manifests.filter(({ kind, metadata }) =>
      kind === target.kind && metadata.name === target.name
    );
    if (found.length !== 1) throw new Error(`${folder} patches ${found.length} manifests of ${target.kind}`);
    for (const operation of parse(patch) as Operation[]) applyOperation(found[0]!, operation);
  }
  return manifests;
}

function applyOperation(manifest: unknown, { op, path, value }: Operation): void {
  const keys = path.split("/").slice(1).map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop()!;
  let parent = manifest as Record<string, unknown>;
  for (const key of keys) {
    if (parent[key] === undefined) throw new Error(`Nothing at ${path}`);
    parent = parent[key] as Record<string, unknown>;
  }
  if (op === "add" && Array.isArray(parent)) {
    parent.splice(last === "-" ? parent.length : Number(last), 0, value);
  } else if (op === "add" || op === "replace" && last in parent) parent[last] = value;
  else throw new Error(`Cannot ${op} ${path}`);
}
