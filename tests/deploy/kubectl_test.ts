/**
 * Runs every kubectl command of README.md and docs, as it is written there, against a server that stores what arrives.
 *
 * @module
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import denoJson from "../../deno.json" with { type: "json" };
import { loadConfig } from "../../lib/config/load_config.ts";
import { byKind, Cluster } from "./cluster.ts";
import { hasKubectl } from "./kubectl.ts";
import { runOn } from "../fakes/system.ts";
import { kustomize, type Manifest, parseManifests } from "./kustomize.ts";
import { findSchemaErrors } from "./schemas.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const INSTALL = await Deno.readTextFile(`${ROOT}docs/install.md`);
const DOCS = [
  await Deno.readTextFile(`${ROOT}README.md`),
  ...[...Deno.readDirSync(`${ROOT}docs`)].filter(({ name }) => name.endsWith(".md")).map(({ name }) => name)
    .sort().map((name) => Deno.readTextFileSync(`${ROOT}docs/${name}`)),
];

const MIGRATE = await Deno.readTextFile(`${ROOT}docs/migrate.md`);
const INSTALL_FILE = await Deno.readTextFile(`${ROOT}deploy/kubernetes/ip-masq-agent.yaml`);

const BASE = "kubectl apply -k deploy/kubernetes";
/** Those of the table in docs/install.md, which names no command for each. */
const OVERLAYS = [...INSTALL.matchAll(/^\| `(overlays\/\w+)`/gm)].map(([, name]) => name!);
const DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets";
const CONFIG_MAPS = "/api/v1/namespaces/kube-system/configmaps";
const POD_MONITORS = "/apis/monitoring.coreos.com/v1/namespaces/kube-system/podmonitors";

/** The kubectl commands of a Markdown text: lines of its code blocks, and code in its sentences with an argument. */
function findCommands(markdown: string): string[] {
  const blocks = /^ *```[^\n]*\n(.*?)^ *```$/gms;
  const lines = [...markdown.matchAll(blocks)]
    .flatMap(([, block]) => block!.replaceAll(/\\\n\s*/g, "").split("\n"))
    .map((line) => line.replace(/^\s*(\$ )?/, ""));
  const codes = [...markdown.replaceAll(blocks, "").matchAll(/`([^`]+)`/g)]
    .map(([, code]) => code!.replaceAll(/\s+/g, " "));
  return [
    ...lines.filter((line) => /\bkubectl\b/.test(line)),
    ...codes.filter((code) => /\bkubectl /.test(code)),
  ];
}

/** The manifests that a command names with `-k FOLDER` or `-f FILE`. */
function manifestsOf(command: string): Manifest[] {
  const [, flag, path] = / -([kf]) (\S+)/.exec(command) ?? [];
  assert(path !== undefined, `${command}: names no manifests`);
  return (flag === "k" ? kustomize(ROOT + path) : parseManifests(Deno.readTextFileSync(ROOT + path))).sort(
    byKind,
  );
}

const images = (manifests: readonly Manifest[]) =>
  [...JSON.stringify(manifests).matchAll(/"image":"([^"]+)"/g)].map(([, image]) => image);

/** Runs `apply` twice: everything arrives by one request each, and then nothing does. */
async function checkApply(command: string): Promise<void> {
  await using cluster = new Cluster();
  const { writes } = await cluster.run(command);
  assertEquals(cluster.manifests, manifestsOf(command));
  assertEquals(images(cluster.manifests), [`localhost/ip-masq-agent:${denoJson.version}`]);
  assertEquals(
    writes.toSorted(),
    [
      ...(command.endsWith("/cce") ? [`POST ${CONFIG_MAPS}`] : []),
      `POST ${DAEMON_SETS}`,
      ...(command.endsWith("/metrics") ? [`POST ${POD_MONITORS}`] : []),
    ],
  );
  const second = await cluster.run(command);
  assertEquals(second.writes, []);
  assertEquals(second.stdout.trim().split("\n").filter((line) => !line.endsWith(" unchanged")), []);
}

/** The kustomizations in the code blocks of a page. */
const kustomizationsOf = (markdown: string) =>
  [...markdown.matchAll(/^```yaml\n(apiVersion: kustomize.*?)^```$/gms)].map(([, text]) => text!);

/** Applies the base and then a kustomization that stands beside the checkout, as the pages say. */
async function applyOverBase(
  cluster: Cluster,
  kustomization: string,
  check: (folder: string) => void = () => {},
): Promise<readonly string[]> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/kustomization.yaml`, kustomization);
    await Deno.symlink(ROOT, `${folder}/ip-masq-agent`);
    await cluster.run(BASE);
    const { writes } = await cluster.run(`kubectl apply -k ${folder}`);
    check(folder);
    return writes;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function checkCreateFile(command: string): Promise<void> {
  await using cluster = new Cluster();
  const { writes } = await cluster.run(command);
  assertEquals(writes, [`POST ${DAEMON_SETS}`]);
  assertEquals(cluster.manifests, manifestsOf(command));
  const { code, stderr } = await cluster.try(command);
  assertEquals(code, 1);
  assertMatch(stderr, /AlreadyExists/);
  assertEquals(cluster.manifests, manifestsOf(command));
}

/** The ConfigMap has to be the one that the DaemonSet mounts, and hold a config that the agent takes. */
async function checkCreateConfigMap(command: string): Promise<void> {
  await using cluster = new Cluster();
  const { writes } = await cluster.run(command);
  assertEquals(writes, [`POST ${CONFIG_MAPS}`]);
  const [{ kind, metadata: { name, namespace }, data }] = cluster.manifests as [Manifest];
  const [{ metadata, spec }] = kustomize(`${ROOT}deploy/kubernetes`) as unknown as [
    Manifest & { spec: { template: { spec: { volumes: { name: string; configMap: unknown }[] } } } },
  ];
  const [key, ...others] = Object.keys(data as Record<string, string>);
  assertEquals({ kind, namespace, others }, {
    kind: "ConfigMap",
    namespace: metadata.namespace,
    others: [],
  });
  assertEquals(spec.template.spec.volumes.find((volume) => volume.name === "config")!.configMap, {
    name,
    optional: true,
    items: [{ key, path: "ip-masq-agent" }],
  });
  const [, file] = /--from-file=\w+=(\S+)/.exec(command) ?? [];
  const text = (data as Record<string, string>)[key!]!;
  assertEquals(text, await Deno.readTextFile(ROOT + file));
  const { warnings } = loadConfig([{ name: "config", bytes: new TextEncoder().encode(text) }], {
    enableIpv6: false,
    allReservedRanges: false,
  });
  assertEquals(warnings, []);
}

/** Finds the agent's ConfigMap and changes nothing. */
async function checkGet(command: string): Promise<void> {
  await using cluster = new Cluster();
  await cluster.run(`${BASE}/overlays/cce`);
  const { stdout, writes } = await cluster.run(command);
  assertMatch(stdout, /^ip-masq-agent\s/m);
  assertEquals(writes, []);
}

/** The arguments of the container that there is, as `migrate` takes them. */
async function checkGetArgs(command: string): Promise<void> {
  await using cluster = new Cluster();
  await cluster.run(BASE);
  const { stdout, writes } = await cluster.run(command);
  assertEquals(writes, []);
  const { code, out } = await runOn({}, "migrate", "-o", "json", `--args=${withoutOwnFlags(stdout)}`);
  assertEquals([code, JSON.parse(out).flags], [0, ["--masq-chain=IP-MASQ-AGENT"]]);
}

/** The DaemonSet here has a flag that no other agent has. */
const withoutOwnFlags = (args: string) =>
  JSON.stringify(JSON.parse(args).filter((arg: string) => !arg.startsWith("--metrics")));

/** What kubectl prints, as `migrate` reads it: its line stands behind a pipe. */
async function checkMigrate(command: string): Promise<void> {
  const [kubectl, migrate] = command.split(" | ");
  await using cluster = new Cluster();
  await cluster.run(
    "kubectl create configmap ip-masq-agent --namespace=kube-system --from-literal=config='masqLinkLocal: true'",
  );
  const { stdout, writes } = await cluster.run(kubectl!);
  assertEquals(writes, []);
  const args = migrate!.replace(/^ip-masq-agent /, "").replaceAll("'", "").split(" ");
  const { code, out, error } = await runOn({ files: { "-": stdout } }, ...args, "-o=json");
  assertEquals([code, error], [0, ""]);
  const { flags, config } = JSON.parse(out);
  assertEquals([flags, config], [["--masq-chain=IP-MASQ"], "masqLinkLocal: true\n"]);
}

/** Changes the one DaemonSet, and nothing else of it than the command says. */
async function checkPatch(command: string): Promise<void> {
  await using cluster = new Cluster();
  await cluster.run(BASE);
  const [before] = cluster.manifests as [
    Manifest & { spec: { template: { spec: Record<string, unknown> } } },
  ];
  const { writes } = await cluster.run(command);
  assertEquals(writes, [`PATCH ${DAEMON_SETS}/ip-masq-agent`]);
  const [after] = cluster.manifests as [typeof before];
  const { affinity, ...spec } = after.spec.template.spec;
  assertEquals(spec, before.spec.template.spec);
  assertEquals(await findSchemaErrors([after]), "");
  assertMatch(JSON.stringify(affinity), /"operator":"NotIn"/);
}

async function checkDelete(command: string): Promise<void> {
  await using cluster = new Cluster();
  const name = command.split(" ").at(-1)!;
  await cluster.run(
    `kubectl apply -f - <<'EOF'\n${INSTALL_FILE.replace("name: ip-masq-agent\n", `name: ${name}\n`)}\nEOF`,
  );
  const { writes } = await cluster.run(command);
  assertEquals([writes, cluster.manifests], [[`DELETE ${DAEMON_SETS}/${name}`], []]);
}

/** The agent's pods get another annotation, and no other pod does. */
async function checkAnnotate(command: string): Promise<void> {
  await using cluster = new Cluster();
  for (const [name, app] of [["ours-1", "ip-masq-agent"], ["ours-2", "ip-masq-agent"], ["theirs", "dns"]]) {
    const metadata = { name, namespace: "kube-system", labels: { "k8s-app": app } };
    const pod = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata });
    await cluster.run(`kubectl create --validate=false -f - <<'EOF'\n${pod}\nEOF`);
  }
  const { writes } = await cluster.run(command);
  const path = "/api/v1/namespaces/kube-system/pods";
  assertEquals(writes, [`PATCH ${path}/ours-1`, `PATCH ${path}/ours-2`]);
}

/** What is checked of a command; one that is not here fails the test, until somebody says what it has to do. */
const CHECKS: readonly (readonly [RegExp, (command: string) => Promise<void>])[] = [
  [/^kubectl apply /, checkApply],
  [/^kubectl create -f /, checkCreateFile],
  [/^kubectl create configmap /, checkCreateConfigMap],
  [/^kubectl --namespace=\S+ get configmap$/, checkGet],
  [/^kubectl --namespace=\S+ get daemonset \S+ --output=jsonpath=/, checkGetArgs],
  [/^kubectl --namespace=\S+ get configmap \S+ --output=yaml \| ip-masq-agent migrate /, checkMigrate],
  [/^kubectl --namespace=\S+ patch daemonset /, checkPatch],
  [/^kubectl --namespace=\S+ annotate pods /, checkAnnotate],
  [/^kubectl --namespace=\S+ delete daemonset \S+$/, checkDelete],
];

Deno.test("kubectl does what the docs say, command by command", async (t) => {
  const commands = [...new Set(DOCS.flatMap(findCommands))];
  assert(commands.includes(BASE), "the docs do not say how to install the DaemonSet any more");
  assert(OVERLAYS.length > 0, "docs/install.md lists no overlays any more");
  commands.push(...OVERLAYS.map((name) => `${BASE}/${name}`));
  for (const command of commands) {
    assert(CHECKS.some(([pattern]) => pattern.test(command)), `No check for "${command}": add one to CHECKS`);
  }
  if (!await hasKubectl(`these commands are NOT run:\n${commands.join("\n")}`)) return;
  for (const command of commands) {
    const [, check] = CHECKS.find(([pattern]) => pattern.test(command))!;
    await t.step(command, () => check(command));
  }
});

Deno.test("findCommands() finds what stands in code, in blocks and in sentences", () => {
  const markdown = [
    "kubectl does it, `kubectl` too: `kubectl get\n  pods`.",
    "```sh",
    "$ kubectl apply \\",
    "    -k folder # twice",
    "sudo kubectl version",
    "```",
  ].join("\n");
  assertEquals(findCommands(markdown), [
    "kubectl apply -k folder # twice",
    "sudo kubectl version",
    "kubectl get pods",
  ]);
});

Deno.test("kubectl changes one installation into another", async (t) => {
  if (!await hasKubectl("changes of an installation are NOT checked")) return;
  for (const name of OVERLAYS) {
    await t.step(`${name} over the base`, async () => {
      await using cluster = new Cluster();
      await cluster.run(BASE);
      const { writes } = await cluster.run(`${BASE}/${name}`);
      assert(writes.includes(`PATCH ${DAEMON_SETS}/ip-masq-agent`), writes.join());
      assertEquals(cluster.manifests, manifestsOf(`${BASE}/${name}`));
      assertEquals((await cluster.run(`${BASE}/${name}`)).writes, []);
    });
  }
  await t.step("the kustomization of docs/install.md over the base: the image of a registry", async () => {
    await using cluster = new Cluster();
    const [kustomization] = kustomizationsOf(INSTALL);
    const writes = await applyOverBase(cluster, kustomization!);
    assertEquals(writes, [`PATCH ${DAEMON_SETS}/ip-masq-agent`]);
    assertEquals(images(cluster.manifests), [`registry.example.com/ip-masq-agent:${denoJson.version}`]);
  });
  await t.step("the components of docs/install.md over the base, together", async () => {
    await using cluster = new Cluster();
    const kustomization = kustomizationsOf(INSTALL).find((text) => text.includes("\ncomponents:"));
    const writes = await applyOverBase(cluster, kustomization!, (folder) => {
      assertEquals(cluster.manifests, kustomize(folder).sort(byKind));
    });
    assertEquals(writes.toSorted(), [`PATCH ${DAEMON_SETS}/ip-masq-agent`, `POST ${POD_MONITORS}`]);
  });
  await t.step(
    "the kustomization of docs/migrate.md beside the base: another DaemonSet, on one pool",
    async () => {
      await using cluster = new Cluster();
      const [kustomization] = kustomizationsOf(MIGRATE);
      const writes = await applyOverBase(cluster, kustomization!);
      assertEquals(writes, [`POST ${DAEMON_SETS}`]);
      const [old, next] = cluster.manifests.toSorted((a, b) => a.metadata.name < b.metadata.name ? -1 : 1);
      assertEquals(next!.metadata.name, "ip-masq-agent-next");
      assertEquals(await findSchemaErrors([next!]), "");
      const labels = ({ spec }: Manifest) => {
        const { selector, template } = spec as {
          selector: { matchLabels: Record<string, string> };
          template: { metadata: { labels: Record<string, string> }; spec: { nodeSelector: unknown } };
        };
        const { nodeSelector } = template.spec;
        return [selector.matchLabels["k8s-app"], template.metadata.labels["k8s-app"], nodeSelector];
      };
      const linux = { "kubernetes.io/os": "linux" };
      assertEquals(labels(old!), ["ip-masq-agent", "ip-masq-agent", linux]);
      assertEquals(labels(next!), [
        "ip-masq-agent-next",
        "ip-masq-agent-next",
        { ...linux, "example.com/pool": "first" },
      ]);
      assertMatch(JSON.stringify(next), /"args":\["--masq-chain=IP-MASQ",/);
    },
  );
  await t.step("a server-side apply, as GitOps does it", async () => {
    await using cluster = new Cluster();
    await cluster.run(`${BASE} --server-side`);
    await cluster.run(`${BASE} --server-side`);
    assertEquals(cluster.manifests, manifestsOf(BASE));
  });
});

Deno.test("the fake server refuses what has no place in it", async () => {
  if (!await hasKubectl("the fake server is NOT tried")) return;
  await using cluster = new Cluster();
  const text = Deno.readTextFileSync(`${ROOT}deploy/kubernetes/ip-masq-agent.yaml`);
  for (
    const [mistake, message] of [
      [text.replace("namespace: kube-system", "namespace: kube-sytem"), /namespaces "kube-sytem" not found/],
      [text.replace("kind: DaemonSet", "kind: DaemonSat"), /no matches for kind "DaemonSat"/],
      [text.replace("apiVersion: apps/v1", "apiVersion: apps/v1beta1"), /no matches for kind "DaemonSet"/],
    ] as const
  ) {
    const { code, stderr } = await cluster.try(`kubectl apply -f - <<'EOF'\n${mistake}\nEOF`);
    assertEquals(code, 1);
    assertMatch(stderr, message);
  }
  assertEquals(cluster.manifests, []);
});
