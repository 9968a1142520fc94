import { assert, assertEquals, assertMatch } from "@std/assert";
import { Sandbox } from "../sandbox/sandbox.ts";
import { IMAGE, podman } from "./container.ts";

interface Entry {
  readonly path: string;
  /** As `ls -l` shows it. */
  readonly mode: string;
  readonly bytes: number;
}

/** Lists the files of the image and reads some of them. */
async function inspectImage(): Promise<{ entries: Entry[]; labels: Record<string, string>; sbom: Sbom }> {
  await using sandbox = await Sandbox.create();
  const created = await podman(sandbox, "create", "--name=content", "--network=host", IMAGE);
  assertEquals(created.code, 0, created.stderr);
  const exported = await podman(sandbox, "export", "--output=/run/content.tar", "content");
  assertEquals(exported.code, 0, exported.stderr);
  const listing = await sandbox.sh("tar --list --verbose --file=/run/content.tar");
  const entries = listing.trim().split("\n").map((line) => {
    const [mode, , bytes, , , path] = line.split(/ +/);
    return { path: path!, mode: mode!, bytes: Number(bytes) };
  });
  const sbom = await sandbox.sh(
    "tar --extract --to-stdout --file=/run/content.tar usr/share/doc/ip-masq-agent/sbom.spdx.json",
  );
  const { stdout } = await podman(sandbox, "image", "inspect", "--format={{json .Labels}}", IMAGE);
  return { entries, labels: JSON.parse(stdout), sbom: JSON.parse(sbom) };
}

interface Sbom {
  readonly spdxVersion: string;
  readonly packages: readonly {
    name: string;
    versionInfo: string;
    externalRefs: { referenceLocator: string }[];
  }[];
}

Deno.test("image holds the agent, its tools and their papers, and nothing else", async (t) => {
  const { entries, labels, sbom } = await inspectImage();
  const files = entries.filter(({ mode }) => mode.startsWith("-"));

  await t.step("no other executable than these", () => {
    const executables = files.filter(({ mode, path }) => mode.includes("x") && !/\.so(\.|$)/.test(path));
    assertEquals(
      executables.map(({ path }) => path).sort(),
      [
        "ip-masq-agent",
        "usr/sbin/conntrack",
        "usr/sbin/nft",
        "usr/sbin/xtables-legacy-multi",
        "usr/sbin/xtables-nft-multi",
      ],
    );
  });

  await t.step("every command that the agent may run", async () => {
    const permissions = await Deno.readTextFile("tools/permissions");
    const commands = [...permissions.matchAll(/[=,]\/usr\/sbin\/([^,\s]+)/g)].map((match) => match[1]!);
    assert(commands.length >= 7);
    const present = entries.map(({ path }) => path);
    assertEquals(commands.filter((name) => !present.includes(`usr/sbin/${name}`)), []);
  });

  await t.step("at most 1.2 times the compiled program", () => {
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const program = files.find(({ path }) => path === "ip-masq-agent")!.bytes;
    assert(total <= 1.2 * program, `${total} bytes are ${total / program} times the program's ${program}`);
  });

  await t.step("a licence for every package, and every package in the SBOM", () => {
    const licensed = files.flatMap(({ path }) =>
      /^usr\/share\/doc\/([^/]+)\/copyright$/.exec(path)?.[1] ?? []
    );
    const debian = sbom.packages.filter(({ externalRefs }) =>
      externalRefs[0]!.referenceLocator.startsWith("pkg:deb/")
    );
    assertEquals(sbom.spdxVersion, "SPDX-2.3");
    assertEquals(debian.map(({ name }) => name).sort(), licensed.sort());
    for (const name of ["iptables", "nftables", "libc6"]) assert(licensed.includes(name), name);
    for (const name of ["deno", "@std/yaml"]) assert(sbom.packages.some((it) => it.name === name), name);
  });

  await t.step("labels that say what it is", () => {
    const label = (name: string) => labels[`org.opencontainers.image.${name}`];
    assertEquals(label("title"), "ip-masq-agent");
    assertMatch(label("version")!, /^\d+\.\d+\.\d+/);
    assertMatch(label("revision")!, /^[0-9a-f]{12}/);
    assertMatch(label("created")!, /^\d{4}-\d\d-\d\dT/);
    assertMatch(label("licenses")!, /^Apache-2\.0 AND /);
  });
});
