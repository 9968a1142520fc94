/**
 * usage: manifests.ts
 *
 * Puts the version of deno.json into the DaemonSet's image and writes deploy/kubernetes/ip-masq-agent.yaml, the
 * manifests of the base in one file for `kubectl create -f`.
 *
 * @module
 */
import { parse } from "@std/yaml/parse";
import { fromFileUrl } from "@std/path";
import denoJson from "../deno.json" with { type: "json" };

const FOLDER = fromFileUrl(new URL("../deploy/kubernetes", import.meta.url));

/** The generated file. */
export const ONE_FILE = `${FOLDER}/ip-masq-agent.yaml`;

const HEAD =
  `# Everything for \`kubectl create -f\`, generated from base/ by \`make manifests\`: change it there.\n`;

/** Replaces the tag of the agent's image. */
export function setImageVersion(manifest: string, version: string): string {
  return manifest.replace(/^( *image: \S*ip-masq-agent):\S+$/m, `$1:${version}`);
}

/** The manifests of the base as one text, comments and all. */
export function joinBase(): string {
  const kustomization = parse(Deno.readTextFileSync(`${FOLDER}/base/kustomization.yaml`)) as {
    resources: string[];
  };
  return HEAD +
    kustomization.resources.map((name) => `---\n${Deno.readTextFileSync(`${FOLDER}/base/${name}`)}`).join("");
}

if (import.meta.main) {
  const daemonSet = `${FOLDER}/base/daemonset.yaml`;
  Deno.writeTextFileSync(daemonSet, setImageVersion(Deno.readTextFileSync(daemonSet), denoJson.version));
  Deno.writeTextFileSync(ONE_FILE, joinBase());
}
