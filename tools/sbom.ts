/**
 * usage: sbom.ts --commit=TEXT --created=TIME --modules=FILE [--packages=FILE] [--runtime=VERSION]
 *
 * Prints the list of what is inside of the program, or of the image, as SPDX 2.3 JSON. `--modules` is what
 * `deno info --json main.ts` printed, `--packages` the list of Debian packages that deploy/image/collect wrote,
 * `--runtime` the version of Deno in the program where it is not that of the compiler.
 *
 * @module
 */
import denoJson from "../deno.json" with { type: "json" };

/** One thing that is inside. */
export interface Component {
  readonly name: string;
  readonly version: string;
  /** Package URL, https://github.com/package-url/purl-spec. */
  readonly purl: string;
  /** SPDX expression. */
  readonly licence: string;
}

/** The part of `deno info --json` that is used here. */
export interface ModuleGraph {
  readonly modules: readonly { readonly specifier: string }[];
}

/** What the document says about itself. */
export interface SbomOptions {
  readonly version: string;
  readonly commit: string;
  /** UTC, such as 2026-11-21T20:00:00Z. */
  readonly created: string;
}

/** The licences of the standard library and of mri, which stands in for a part of it in closed networks. */
const MODULE_LICENCE = "MIT";

/**
 * The packages that the modules of the program are from; own modules are from none.
 *
 * @throws {Error} A module is neither the project's own nor of a known package, so that nothing is left out unnoticed.
 */
export function componentsOfModules({ modules }: ModuleGraph): Component[] {
  const components = new Map<string, Component>();
  for (const { specifier } of modules) {
    const jsr = /\/(@std\/[^/]+)\/([^/]+)\//.exec(specifier);
    const [name, version, type] = jsr !== null
      ? [jsr[1]!, jsr[2]!, "jsr"]
      : /\/std\/mri\.mjs$/.test(specifier)
      ? ["mri", "1.2.0", "npm"]
      : [];
    if (name !== undefined) {
      const purl = `pkg:${type}/${name.replace("@", "%40")}@${version}`;
      components.set(purl, { name, version: version!, purl, licence: MODULE_LICENCE });
    } else if (!specifier.startsWith("file:")) {
      throw new Error(`Cannot tell which package "${specifier}" is from: teach tools/sbom.ts`);
    }
  }
  return [...components.values()].sort((a, b) => a.purl < b.purl ? -1 : 1);
}

/**
 * Reads the list of Debian packages. Their licences stand in the image, in /usr/share/doc.
 *
 * @throws {SyntaxError} A line has not five words.
 */
export function parsePackages(text: string): Component[] {
  return text.trim().split("\n").map((line) => {
    const [name, version, architecture, source, sourceVersion, ...rest] = line.split(" ");
    if (sourceVersion === undefined || rest.length > 0) throw new SyntaxError(`Not a package: "${line}"`);
    const upstream = `${source}@${sourceVersion}`;
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version!)}?arch=${architecture}&upstream=${
      encodeURIComponent(upstream)
    }`;
    return { name: name!, version: version!, purl, licence: "NOASSERTION" };
  });
}

/** Makes the document: the program, and everything that it contains. */
export function makeSbom(
  { version, commit, created }: SbomOptions,
  components: readonly Component[],
): unknown {
  const describe = ({ name, version, purl, licence }: Component, id: string) => ({
    SPDXID: id,
    name,
    versionInfo: version,
    downloadLocation: "NOASSERTION",
    filesAnalyzed: false,
    licenseConcluded: "NOASSERTION",
    licenseDeclared: licence,
    copyrightText: "NOASSERTION",
    externalRefs: [{
      referenceCategory: "PACKAGE-MANAGER",
      referenceType: "purl",
      referenceLocator: purl,
    }],
  });
  const own: Component = {
    name: "ip-masq-agent",
    version,
    purl: `pkg:generic/ip-masq-agent@${version}?vcs_revision=${commit}`,
    licence: "Apache-2.0",
  };
  const ids = components.map(({ name }, index) =>
    `SPDXRef-${index + 1}-${name.replace(/[^A-Za-z0-9.]/g, "-")}`
  );
  return {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: "SPDXRef-DOCUMENT",
    name: `ip-masq-agent-${version}`,
    documentNamespace: `https://spdx.org/spdxdocs/ip-masq-agent-${version}-${commit}-${components.length}`,
    creationInfo: { created, creators: ["Tool: ip-masq-agent-tools-sbom"] },
    packages: [
      describe(own, "SPDXRef-ip-masq-agent"),
      ...components.map((it, index) => describe(it, ids[index]!)),
    ],
    relationships: [
      {
        spdxElementId: "SPDXRef-DOCUMENT",
        relationshipType: "DESCRIBES",
        relatedSpdxElement: "SPDXRef-ip-masq-agent",
      },
      ...ids.map((id) => ({
        spdxElementId: "SPDXRef-ip-masq-agent",
        relationshipType: "CONTAINS",
        relatedSpdxElement: id,
      })),
    ],
  };
}

function main(args: readonly string[]): void {
  const option = (name: string) => {
    const found = args.find((arg) => arg.startsWith(`--${name}=`));
    return found?.slice(name.length + 3);
  };
  const required = (name: string) => {
    const value = option(name);
    if (value === undefined || value === "") {
      throw new Error(`--${name} is missing: see the head of tools/sbom.ts`);
    }
    return value;
  };
  const runtime = option("runtime") || Deno.version.deno;
  const packages = option("packages");
  const components = [
    { name: "deno", version: runtime, purl: `pkg:github/denoland/deno@v${runtime}`, licence: "MIT" },
    ...componentsOfModules(JSON.parse(Deno.readTextFileSync(required("modules")))),
    ...(packages === undefined ? [] : parsePackages(Deno.readTextFileSync(packages))),
  ];
  const options = { version: denoJson.version, commit: required("commit"), created: required("created") };
  Deno.stdout.writeSync(
    new TextEncoder().encode(`${JSON.stringify(makeSbom(options, components), undefined, 2)}\n`),
  );
}

if (import.meta.main) main(Deno.args);
