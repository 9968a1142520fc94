/**
 * As much of a Kubernetes API server as kubectl needs to apply, create, delete and get the kinds that the manifests have: it
 * tells what it serves, stores what it is sent, and refuses what the real one refuses for its place. It checks no
 * fields (tests/deploy/schemas.ts does), sets no defaults and runs nothing.
 *
 * @module
 */
import { parse } from "@std/yaml/parse";
import type { Manifest } from "./kustomize.ts";
import { type Fields, mergePatch } from "./merge_patch.ts";
import { parseConfigMap } from "./protobuf.ts";

const NAMESPACES = ["default", "kube-system"];

interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  /** In paths. */
  readonly name: string;
}

const RESOURCES: readonly Resource[] = [
  { apiVersion: "v1", kind: "ConfigMap", name: "configmaps" },
  { apiVersion: "v1", kind: "Pod", name: "pods" },
  { apiVersion: "apps/v1", kind: "DaemonSet", name: "daemonsets" },
  { apiVersion: "monitoring.coreos.com/v1", kind: "PodMonitor", name: "podmonitors" },
];

/** Where the resources of a version are: `/api/v1` for the oldest, `/apis/GROUP/VERSION` for all others. */
const rootOf = (apiVersion: string) => apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;

/** What the server answers when it does not do what it was asked. */
class Refusal extends Error {
  constructor(readonly code: number, readonly reason: string, message: string) {
    super(message);
  }
}

/** A server at the loopback address, from `start()` until it is disposed of. */
export class FakeApiServer {
  /** What is stored, by path. */
  readonly objects: Map<string, Manifest> = new Map();
  /** Requests that changed something, or were to: `POST /api/v1/namespaces/kube-system/configmaps`. */
  readonly writes: string[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.#answer(request),
    );
  }

  /** A kubeconfig in YAML that leads to this server. */
  get kubeconfig(): string {
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "fake", cluster: { server: `http://127.0.0.1:${this.#server.addr.port}` } }],
      users: [{ name: "nobody", user: {} }],
      contexts: [{ name: "fake", context: { cluster: "fake", user: "nobody" } }],
      "current-context": "fake",
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    // No schemas, in protobuf: kubectl before 1.25 then leaves their check out.
    if (pathname === "/openapi/v2") {
      return new Response(new Uint8Array(), {
        headers: { "content-type": "application/com.github.proto-openapi.spec.v2.v1.0+protobuf" },
      });
    }
    try {
      const body = discover(pathname) ??
        await this.#access(request, pathname, searchParams.get("labelSelector"));
      return Response.json(body, { status: request.method === "POST" ? 201 : 200 });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, reason, message } = error;
      return Response.json({ apiVersion: "v1", kind: "Status", status: "Failure", code, reason, message }, {
        status: code,
      });
    }
  }

  async #access(request: Request, path: string, selector: string | null): Promise<unknown> {
    const [, root, namespace, plural, name] =
      /^(\/apis?\/.+)\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?$/.exec(path) ?? [];
    const resource = RESOURCES.find((it) => rootOf(it.apiVersion) === root && it.name === plural);
    if (resource === undefined) throw new Refusal(404, "NotFound", `the server has no ${path}`);
    const { method } = request;
    if (method !== "GET") this.writes.push(`${method} ${path}`);
    if (!NAMESPACES.includes(namespace!)) {
      throw new Refusal(404, "NotFound", `namespaces "${namespace}" not found`);
    }
    const stored = this.objects.get(path);
    if (method === "GET" && name === undefined) return this.#list(resource, path, selector);
    if (method === "POST" && name === undefined) {
      return this.#create(resource, namespace!, path, await readObject(request));
    }
    // A server-side apply creates what is not there.
    const applied = method === "PATCH" &&
      request.headers.get("content-type") === "application/apply-patch+yaml";
    if (stored === undefined && !applied) throw new Refusal(404, "NotFound", `${plural} "${name}" not found`);
    if (method === "GET") return stored;
    if (method === "DELETE") {
      this.objects.delete(path);
      return { apiVersion: "v1", kind: "Status", status: "Success" };
    }
    if (method !== "PATCH") throw new Refusal(405, "MethodNotAllowed", `${method} is not served here`);
    // What kubectl sends is JSON for all kinds of patches, which is YAML too.
    const object = mergePatch(stored ?? {}, parse(await request.text()) as Fields) as unknown as Manifest;
    this.objects.set(path, object);
    return object;
  }

  #list({ apiVersion, kind }: Resource, path: string, selector: string | null): unknown {
    const [label, value] = selector?.split("=") ?? [];
    const items = [...this.objects].filter(([key]) => key.startsWith(`${path}/`)).map(([, object]) => object)
      .filter(({ metadata }) => label === undefined || metadata.labels?.[label] === value);
    return { apiVersion, kind: `${kind}List`, metadata: {}, items };
  }

  #create({ apiVersion, kind, name }: Resource, namespace: string, path: string, sent: Manifest): Manifest {
    const object = { ...sent, metadata: { namespace, ...sent.metadata } };
    const { metadata } = object;
    if (object.apiVersion !== apiVersion || object.kind !== kind || metadata.namespace !== namespace) {
      throw new Refusal(400, "BadRequest", `not a ${kind} for ${namespace}: ${JSON.stringify(sent)}`);
    }
    const key = `${path}/${metadata.name}`;
    if (this.objects.has(key)) {
      throw new Refusal(409, "AlreadyExists", `${name} "${metadata.name}" already exists`);
    }
    this.objects.set(key, object);
    return object;
  }
}

/** Most come as JSON, where null is as good as nothing; what a new kubectl put together itself comes as protobuf. */
async function readObject(request: Request): Promise<Manifest> {
  return request.headers.get("content-type") === "application/vnd.kubernetes.protobuf"
    ? parseConfigMap(await request.bytes())
    : JSON.parse(await request.text(), (_, value) => value ?? undefined);
}

/** What the server says about itself at a path, where that is what the path is for. */
function discover(path: string): unknown {
  const apiVersions = RESOURCES.map(({ apiVersion }) => apiVersion);
  const answers: Record<string, unknown> = {
    "/version": { major: "1", minor: "32", gitVersion: "v1.32.0" },
    "/api": { kind: "APIVersions", versions: ["v1"] },
    "/apis": {
      apiVersion: "v1",
      kind: "APIGroupList",
      groups: apiVersions.filter((apiVersion) => apiVersion !== "v1").map((groupVersion) => {
        const [name, version] = groupVersion.split("/");
        return { name, versions: [{ groupVersion, version }], preferredVersion: { groupVersion, version } };
      }),
    },
    "/openapi/v3": {
      paths: Object.fromEntries(apiVersions.map((apiVersion) => [
        rootOf(apiVersion).slice(1),
        { serverRelativeURL: `/openapi/v3${rootOf(apiVersion)}` },
      ])),
    },
  };
  for (const { apiVersion, kind, name } of RESOURCES) {
    const root = rootOf(apiVersion);
    answers[root] = {
      apiVersion: "v1",
      kind: "APIResourceList",
      groupVersion: apiVersion,
      resources: RESOURCES.filter((it) => it.apiVersion === apiVersion).map(({ name, kind }) => ({
        name,
        singularName: kind.toLowerCase(),
        namespaced: true,
        kind,
        verbs: ["create", "delete", "get", "list", "patch"],
      })),
    };
    // kubectl leaves the check of fields to a server whose PATCH has this parameter, and wants schemas from others.
    const [version, group = ""] = apiVersion.split("/").reverse();
    const others = (answers[`/openapi/v3${root}`] as { paths: Fields } | undefined)?.paths;
    answers[`/openapi/v3${root}`] = {
      openapi: "3.0.0",
      info: { title: "fake", version: "1" },
      paths: {
        ...others,
        [`${root}/namespaces/{namespace}/${name}/{name}`]: {
          patch: {
            parameters: [{ name: "fieldValidation", in: "query", schema: { type: "string" } }],
            "x-kubernetes-group-version-kind": { group, version, kind },
            responses: {},
          },
        },
      },
    };
  }
  return answers[path];
}
