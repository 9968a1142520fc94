import { assertEquals, assertThrows } from "@std/assert";
import { componentsOfModules, makeSbom, parsePackages } from "../../tools/sbom.ts";

Deno.test("componentsOfModules() names each package once and refuses a module of unknown origin", () => {
  const components = componentsOfModules({
    modules: [
      { specifier: "file:///src/main.ts" },
      { specifier: "https://modules.example/@std/yaml/1.1.0/parse.ts" },
      { specifier: "https://modules.example/@std/yaml/1.1.0/_chars.ts" },
      { specifier: "file:///kit/std/deps/modules/@std/path/1.1.4/posix/join.js" },
    ],
  });
  assertEquals(components.map(({ purl }) => purl), [
    "pkg:jsr/%40std/path@1.1.4",
    "pkg:jsr/%40std/yaml@1.1.0",
  ]);
  assertThrows(
    () => componentsOfModules({ modules: [{ specifier: "https://example.com/x.ts" }] }),
    Error,
    'Cannot tell which package "https://example.com/x.ts" is from',
  );
});

Deno.test("parsePackages() makes package URLs of dpkg's list and refuses other lines", () => {
  const [libc] = parsePackages("libc6 2.36-9+deb12u14 amd64 glibc 2.36-9+deb12u14\n");
  assertEquals(
    libc!.purl,
    "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&upstream=glibc%402.36-9%2Bdeb12u14",
  );
  assertThrows(() => parsePackages("libc6 2.36"), SyntaxError, 'Not a package: "libc6 2.36"');
});

Deno.test("makeSbom() relates every component to the program", () => {
  const components = componentsOfModules({
    modules: [{ specifier: "https://modules.example/@std/log/0.224.14/mod.ts" }],
  });
  const options = { version: "1.2.3", commit: "abc", created: "2026-11-21T20:00:00Z" };
  const sbom = makeSbom(options, components) as {
    packages: { SPDXID: string }[];
    relationships: { spdxElementId: string; relationshipType: string; relatedSpdxElement: string }[];
  };
  assertEquals(sbom.packages.map(({ SPDXID }) => SPDXID), ["SPDXRef-ip-masq-agent", "SPDXRef-1--std-log"]);
  assertEquals(sbom.relationships.map((it) => Object.values(it).join(" ")), [
    "SPDXRef-DOCUMENT DESCRIBES SPDXRef-ip-masq-agent",
    "SPDXRef-ip-masq-agent CONTAINS SPDXRef-1--std-log",
  ]);
});
