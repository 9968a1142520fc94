/**
 * Compares manifests with the API's schemas: their types know every field's name and type, their validators know the
 * allowed values and formats. A dashboard is compared with Grafana's types. All come from npm, pinned in
 * tools/kubernetes_schemas.
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

/** Brings the packages of tools/kubernetes_schemas into the folder that it returns. */
export async function installPackages(): Promise<string> {
  const install = fromFileUrl(new URL("../../tools/kubernetes_schemas/install", import.meta.url));
  const { success } = await new Deno.Command(install, { stdout: "inherit", stderr: "inherit" }).output();
  if (!success) throw new Error("The schemas could not be installed, see above");
  return FOLDER;
}

/** Says what is wrong with the manifests, in the words of the compiler or of the validator; nothing where all is well. */
export async function findSchemaErrors(manifests: readonly Manifest[]): Promise<string> {
  const kinds = new Map(manifests.map(({ kind, apiVersion }) => [kind, `${PACKAGES[apiVersion]}/${kind}`]));
  const lines = [...kinds].map(([kind, path]) => `import { ${kind}, type I${kind} } from "${path}";`);
  for (const [index, manifest] of manifests.entries()) {
    lines.push(`const manifest${index}: I${manifest.kind} = ${JSON.stringify(manifest, undefined, 2)};`);
    lines.push(
      `new ${manifest.kind}(manifest${index} as ConstructorParameters<typeof ${manifest.kind}>[0]).validate();`,
    );
  }
  return await runProgram(lines.join("\n"));
}

/** Says what Grafana does not know in a dashboard, in the words of the compiler; nothing where all is well. */
export function findDashboardErrors(dashboard: { readonly panels: readonly unknown[] }): Promise<string> {
  return runProgram(`
import type { Dashboard, Panel } from "@grafana/schema";
type Json<T> = T extends string ? \`\${T}\` : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;
${dashboard.panels.map((panel) => `(${JSON.stringify(panel)}) satisfies Json<Panel>;`).join("\n")}
(${JSON.stringify({ ...dashboard, panels: [] })}) satisfies Json<Dashboard>;
`);
}

/** Compiles and runs a program that has the packages. Returns what was said where that failed. */
export async function runProgram(text: string): Promise<string> {
  await installPackages();
  const file = await Deno.makeTempFile({ dir: FOLDER, suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, text);
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
