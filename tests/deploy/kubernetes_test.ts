import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import denoJson from "../../deno.json" with { type: "json" };
import { parseAgentOptions } from "../../lib/cli/agent_options.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
import { joinBase, ONE_FILE } from "../../tools/manifests.ts";
import { hasKubectl } from "./kubectl.ts";
import { kustomize, type Manifest, parseManifests } from "./kustomize.ts";
import { findSchemaErrors } from "./schemas.ts";

const FOLDER = fromFileUrl(new URL("../../deploy/kubernetes", import.meta.url));
const OVERLAYS = [...Deno.readDirSync(`${FOLDER}/overlays`)].map(({ name }) => `overlays/${name}`).sort();
const KUSTOMIZATIONS = [".", ...OVERLAYS];
const COMPONENTS = [...Deno.readDirSync(`${FOLDER}/components`)].map(({ name }) => name).sort();
/** Two that say where one and the same config is. */
const ALTERNATIVES = ["azure", "tke"];

interface Container {
  readonly image: string;
  readonly args: readonly string[];
  readonly securityContext: Record<string, unknown>;
  readonly livenessProbe: { readonly httpGet: unknown };
  readonly readinessProbe: { readonly httpGet: unknown };
  readonly volumeMounts: readonly { readonly name: string; readonly subPath?: string }[];
}
interface PodSpec {
  readonly containers: readonly Container[];
  readonly [key: string]: unknown;
}

function podSpec(manifests: readonly Manifest[]): PodSpec {
  const { spec } = manifests.find(({ kind }) => kind === "DaemonSet") as unknown as {
    spec: { template: { spec: PodSpec } };
  };
  return spec.template.spec;
}

async function render(folder: string): Promise<Manifest[]> {
  const { success, stdout, stderr } = await new Deno.Command("kubectl", { args: ["kustomize", folder] })
    .output();
  assert(success, new TextDecoder().decode(stderr));
  return parseManifests(new TextDecoder().decode(stdout));
}

Deno.test("ip-masq-agent.yaml is the base, as `make manifests` writes it", async () => {
  assertEquals(await Deno.readTextFile(ONE_FILE), joinBase());
  assertEquals(parseManifests(joinBase()), kustomize(FOLDER));
});

Deno.test("every kustomization renders to manifests that the API knows, and the check finds mistakes", async (t) => {
  await t.step("all of them", async () => {
    assertEquals(
      await findSchemaErrors(KUSTOMIZATIONS.flatMap((name) => kustomize(`${FOLDER}/${name}`))),
      "",
    );
  });
  await t.step("a misspelt field", async () => {
    const manifests = parseManifests(joinBase().replace("hostNetwork:", "hostNetwrok:"));
    assertMatch(await findSchemaErrors(manifests), /hostNetwrok/);
  });
  await t.step("a value that is not one of those allowed", async () => {
    const manifests = parseManifests(joinBase().replace("maxUnavailable: 10%", "maxUnavailable: true"));
    assertMatch(await findSchemaErrors(manifests), /maxUnavailable|number \| string/);
  });
});

Deno.test("kubectl renders every kustomization as our own reading of it does", async (t) => {
  if (!await hasKubectl("its rendering is NOT compared with ours")) return;
  const sorted = (manifests: readonly Manifest[]) => manifests.toSorted((a, b) => a.kind < b.kind ? -1 : 1);
  for (const name of KUSTOMIZATIONS) {
    await t.step(name, async () => {
      assertEquals(sorted(await render(`${FOLDER}/${name}`)), sorted(kustomize(`${FOLDER}/${name}`)));
    });
  }
});

Deno.test("components combine, each pair and all, in any order", async (t) => {
  assertEquals(COMPONENTS, ["azure", "ipv6", "metrics", "nftables", "tke"]);
  const pairs = COMPONENTS.flatMap((a) => COMPONENTS.filter((b) => a !== b).map((b) => [a, b]))
    .filter((pair) =>
      pair.join() !== ALTERNATIVES.join() && pair.join() !== ALTERNATIVES.toReversed().join()
    );
  const all = ALTERNATIVES.map((it) =>
    COMPONENTS.filter((name) => name === it || !ALTERNATIVES.includes(name))
  );
  const withKubectl = await hasKubectl("its rendering of combinations is NOT compared with ours");
  const args: Record<string, string> = {
    azure: "--config-path=/etc/config",
    ipv6: "--enable-ipv6",
    metrics: "--metrics-bind-address=0.0.0.0:10264",
    nftables: "--backend=nftables",
  };
  for (const names of [...pairs, ...all, ...all.map((it) => it.toReversed())]) {
    await t.step(names.join(", "), async () => {
      const folder = await Deno.makeTempDir();
      try {
        await Deno.symlink(FOLDER, `${folder}/it`);
        await Deno.writeTextFile(
          `${folder}/kustomization.yaml`,
          "kind: Kustomization\nresources: [it]\n" +
            `components: [${names.map((name) => `it/components/${name}`)}]\n`,
        );
        const manifests = kustomize(folder);
        if (withKubectl && names.length > 2) {
          const byKind = (a: Manifest, b: Manifest) => a.kind < b.kind ? -1 : 1;
          assertEquals((await render(folder)).sort(byKind), manifests.toSorted(byKind));
        }
        assertEquals(await findSchemaErrors(names.length > 2 ? manifests : []), "");
        const spec = podSpec(manifests);
        const [container] = spec.containers;
        for (const [name, arg] of Object.entries(args)) {
          assertEquals(container!.args.includes(arg), names.includes(name), arg);
        }
        parseAgentOptions(container!.args);
        const { add } = container!.securityContext["capabilities"] as { add: string[] };
        assertEquals(add, names.includes("nftables") ? ["NET_ADMIN"] : ["NET_ADMIN", "NET_RAW"]);
        assertEquals(manifests.some(({ kind }) => kind === "PodMonitor"), names.includes("metrics"));
        const [{ configMap, projected }] = spec["volumes"] as [Record<string, { name: string } | undefined>];
        assertEquals(projected !== undefined, names.includes("azure"));
        assertEquals(configMap?.name === "ip-masq-agent-config", names.includes("tke"));
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    });
  }
});

Deno.test("the DaemonSet runs on every node with the least that the agent needs", () => {
  const spec = podSpec(kustomize(FOLDER));
  const [container] = spec.containers;
  assertEquals(spec["hostNetwork"], true);
  assertEquals(spec["priorityClassName"], "system-node-critical");
  assertEquals(spec["tolerations"], [{ operator: "Exists" }]);
  assertEquals(spec["nodeSelector"], { "kubernetes.io/os": "linux" });
  assertEquals(spec["automountServiceAccountToken"], false);
  assertEquals(container!.securityContext, {
    runAsUser: 0,
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    seccompProfile: { type: "RuntimeDefault" },
    capabilities: { drop: ["ALL"], add: ["NET_ADMIN", "NET_RAW"] },
  });
  // A file mounted by subPath would keep its first content for ever.
  assertEquals(container!.volumeMounts.filter(({ subPath }) => subPath !== undefined), []);
});

Deno.test("the kubelet asks the agent at the loopback address, and only one overlay opens the port", () => {
  const probe = (path: string) => ({ host: "127.0.0.1", port: 10264, path });
  const [container] = podSpec(kustomize(FOLDER)).containers;
  assertEquals(container!.livenessProbe.httpGet, probe("/healthz"));
  assertEquals(container!.readinessProbe.httpGet, probe("/readyz"));
  for (const name of KUSTOMIZATIONS) {
    const { args } = podSpec(kustomize(`${FOLDER}/${name}`)).containers[0]!;
    assertEquals(
      args.filter((arg) => arg.startsWith("--metrics-bind-address=")),
      [`--metrics-bind-address=${name === "overlays/metrics" ? "0.0.0.0" : "127.0.0.1"}:10264`],
    );
  }
});

Deno.test("the image's tag is the version of deno.json", () => {
  assertMatch(
    podSpec(kustomize(FOLDER)).containers[0]!.image,
    new RegExp(`ip-masq-agent:${denoJson.version}$`),
  );
});

Deno.test("the agent takes the arguments and the config of every kustomization", async (t) => {
  for (const name of KUSTOMIZATIONS) {
    await t.step(name, () => {
      const manifests = kustomize(`${FOLDER}/${name}`);
      const { enableIpv6 } = parseAgentOptions(podSpec(manifests).containers[0]!.args);
      for (const { kind, data } of manifests) {
        if (kind !== "ConfigMap") continue;
        const bytes = new TextEncoder().encode((data as { config: string }).config);
        const { warnings } = loadConfig([{ name: "config", bytes }], {
          enableIpv6,
          allReservedRanges: false,
        });
        assertEquals(warnings, []);
      }
    });
  }
});
