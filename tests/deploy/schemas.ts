/**
 * Compares manifests with the API's schemas: their types know every field's name and type, their validators know the
 * allowed values and formats. Both come from npm, pinned in tools/kubernetes_schemas.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import type { Manifest } from "./kustomize.ts";

const FOLDER = fromFileUrl(new URL("../../.cache/kubernetes_schemas", import.meta.url));

const PACKAGES: Readonly<Record<string, string>> = {
  "v1": "kubernetes-models/v1",
  "apps/v1": "kubernetes-models/apps/v1",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

/** Says what is wrong with the manifests, in the words of the compiler or of the validator; nothing where all is well. */
export async function findSchemaErrors(manifests: readonly Manifest[]): Promise<string> {
  const install = fromFileUrl(new URL("../../tools/kubernetes_schemas/install", import.meta.url));
  const { code } = await new Deno.Command(install, { stdout: "inherit", stderr: "inherit" }).output();
  if (code !== 0) return "the schemas could not be installed, see above";
  const kinds = new Map(manifests.map(({ kind, apiVersion }) => [kind, `${PACKAGES[apiVersion]}/${kind}`]));
  const lines = [...kinds].map(([kind, path]) => `import { ${kind}, type I${kind} } from "${path}";`);
  for (const [index, manifest] of manifests.entries()) {
    lines.push(`const manifest${index}: I${manifest.kind} = ${JSON.stringify(manifest, undefined, 2)};`);
    lines.push(
      `new ${manifest.kind}(manifest${index} as ConstructorParameters<typeof ${manifest.kind}>[0]).validate();`,
    );
  }
  const file = await Deno.makeTempFile({ dir: FOLDER, suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, lines.join("\n"));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--check",
        "--quiet",
        "--no-config",
        "--node-modules-dir=manual",
        "--no-lock",
        "--allow-all",
        file,
      ],
      cwd: FOLDER,
      env: { NO_COLOR: "1" },
    }).output();
    if (success) return "";
    const decoder = new TextDecoder();
    return (decoder.decode(stdout) + decoder.decode(stderr)).trim() || "the check failed and did not say why";
  } finally {
    await Deno.remove(file);
  }
}
