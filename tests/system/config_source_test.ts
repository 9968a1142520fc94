import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path";
import { LARGEST_CONFIG } from "../../lib/config/decode.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
import type { ConfigReading } from "../../lib/ports.ts";
import { FileConfigSource } from "../../lib/system/config_source.ts";

/** A folder that goes away with the test. */
async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** What a source reads, with texts for bytes and names without the folder. */
async function read(path: string, folder: string): Promise<unknown> {
  const reading = await new FileConfigSource(path, LARGEST_CONFIG).read();
  if ("unreadable" in reading) return reading.unreadable;
  return Object.fromEntries(
    reading.files.map(({ name, bytes }) => [name.replace(`${folder}/`, ""), new TextDecoder().decode(bytes)]),
  );
}

/** Writes a ConfigMap's volume as the kubelet does: a folder per version, and links that are swapped in one step. */
async function mountConfigMap(folder: string, version: string, files: Record<string, string>): Promise<void> {
  await Deno.mkdir(`${folder}/${version}`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${version}/${name}`, text);
    await Deno.symlink(`..data/${name}`, `${folder}/${name}`).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
  }
  await Deno.symlink(version, `${folder}/..data_tmp`);
  await Deno.rename(`${folder}/..data_tmp`, `${folder}/..data`);
}

Deno.test("FileConfigSource reads a file, and none where there is none", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/config`, "a: 1");
    assertEquals(await read(`${folder}/config`, folder), { config: "a: 1" });
    assertEquals(await read(`${folder}/nothing`, folder), {});
    assertEquals(await read(`${folder}/nothing/below`, folder), {});
  }));

Deno.test("FileConfigSource reads the ip-masq* files of a folder by name, and nothing else", () =>
  withFolder(async (folder) => {
    assertEquals(await read(folder, folder), {});
    const names = [
      "ip-masq-b",
      "ip-masq-agent",
      "ip-masq",
      "ip-mas",
      "other",
      ".ip-masq-hidden",
      "IP-MASQ-X",
      "ip-masq-a.yaml",
    ];
    for (const name of names) await Deno.writeTextFile(`${folder}/${name}`, name);
    await Deno.mkdir(`${folder}/ip-masq-folder`);
    await Deno.writeTextFile(`${folder}/ip-masq-folder/ip-masq-x`, "");
    await Deno.symlink("nowhere", `${folder}/ip-masq-dangling`);
    const reading = await read(folder, folder) as Record<string, string>;
    assertEquals(Object.keys(reading), ["ip-masq", "ip-masq-a.yaml", "ip-masq-agent", "ip-masq-b"]);
    assertEquals(Object.values(reading), ["ip-masq", "ip-masq-a.yaml", "ip-masq-agent", "ip-masq-b"]);
  }));

Deno.test("FileConfigSource skips backups in a folder, and says which", () =>
  withFolder(async (folder) => {
    const backups = ["~", ".bak", ".orig", ".swp", ".tmp", ".save"].map((end) => `ip-masq-agent${end}`)
      .concat("ip-masq.yaml.dpkg-old", "ip-masq.yaml.rpmsave", "ip-masq.yaml.ucf-dist");
    const configs = [
      "ip-masq-agent",
      "ip-masq-a.backup",
      "ip-masq-b.tmp.yaml",
      "ip-masq-rpmsave",
      "ip-masq.yaml",
    ];
    for (const name of [...backups, ...configs]) await Deno.writeTextFile(`${folder}/${name}`, name);
    const reading = await new FileConfigSource(folder, LARGEST_CONFIG).read();
    assert("files" in reading);
    assertEquals(reading.files.map(({ name }) => name), configs.sort().map((name) => `${folder}/${name}`));
    assertEquals(reading.skipped, backups.sort());
    // Who names a backup wants it.
    assertEquals(await read(`${folder}/ip-masq-agent.bak`, folder), {
      "ip-masq-agent.bak": "ip-masq-agent.bak",
    });
  }));

Deno.test("FileConfigSource tells other files where there is no config", async (t) => {
  const tables: [name: string, files: string[], path: string, expected: Partial<ConfigReading>][] = [
    ["a key of another name", ["config"], "ip-masq-agent", { others: ["config"] }],
    ["a folder without a config", ["config", "agent.yaml"], "", { others: ["agent.yaml", "config"] }],
    ["many", ["f", "e", "d", "c", "b", "a"], "", { others: ["a", "b", "c", "d", "e"] }],
    ["hidden ones", [".a", "..data"], "", {}],
    ["a folder", ["x/y"], "", {}],
    ["a backup", ["ip-masq-agent.bak", "x"], "", { skipped: ["ip-masq-agent.bak"], others: ["x"] }],
    ["a backup beside a name", ["ip-masq-agent~"], "ip-masq-agent", { others: ["ip-masq-agent~"] }],
    ["no folder", ["x"], "nowhere/ip-masq-agent", {}],
  ];
  for (const [name, files, path, expected] of tables) {
    await t.step(name, () =>
      withFolder(async (folder) => {
        for (const file of files) {
          await Deno.mkdir(dirname(`${folder}/${file}`), { recursive: true });
          await Deno.writeTextFile(`${folder}/${file}`, "");
        }
        const reading = await new FileConfigSource(`${folder}/${path}`.replace(/\/$/, ""), 1).read();
        assertEquals(reading, { files: [], ...expected });
      }));
  }
  await t.step("links of a ConfigMap, one of which leads nowhere", () =>
    withFolder(async (folder) => {
      await mountConfigMap(folder, "..1", { config: "", "ip-masq-agent": "" });
      await mountConfigMap(folder, "..2", { config: "" });
      const reading = await new FileConfigSource(`${folder}/ip-masq-agent`, LARGEST_CONFIG).read();
      assertEquals(reading, { files: [], others: ["config"] });
    }));
});

Deno.test("FileConfigSource goes on without a file system that hangs, and asks it once only", () =>
  withFolder(async (folder) => {
    const path = `${folder}/config`;
    await Deno.writeTextFile(path, "a: 1");
    const source = new FileConfigSource(path, LARGEST_CONFIG, { timeLimitMs: 500 });
    const stat = Deno.stat;
    let asked = 0;
    let answer = () => {};
    Deno.stat = async (path) => {
      asked++;
      await new Promise<void>((resolve) => answer = resolve);
      return await stat(path);
    };
    try {
      const hanging = { unreadable: "the file system did not answer within 0.5s", isHanging: true };
      for (let time = 0; time < 3; time++) assertEquals(await source.read(), hanging);
      assertEquals(asked, 1);
      const reading = source.read();
      answer();
      assertEquals("files" in await reading, true);
      Deno.stat = stat;
      assertEquals("files" in await source.read(), true, "it is asked again once it has answered");
      Deno.stat = () => Promise.reject(new Error("Input/output error (os error 5)"));
      assertEquals(await source.read(), { unreadable: "Input/output error (os error 5)" });
    } finally {
      Deno.stat = stat;
    }
  }));

Deno.test("FileConfigSource follows the links of a ConfigMap's volume, and reads no version twice", () =>
  withFolder(async (folder) => {
    await mountConfigMap(folder, "..2026_01_01", {
      "ip-masq-a": "cidrLimit: 1",
      "ip-masq-b": "masqOutBound: false",
    });
    assertEquals(await read(folder, folder), {
      "ip-masq-a": "cidrLimit: 1",
      "ip-masq-b": "masqOutBound: false",
    });
    assertEquals(await read(`${folder}/ip-masq-a`, folder), { "ip-masq-a": "cidrLimit: 1" });
    await mountConfigMap(folder, "..2026_01_02", { "ip-masq-a": "cidrLimit: 2", "ip-masq-c": "" });
    // The old version is still there, and so is a link that leads nowhere now.
    assertEquals(await read(folder, folder), { "ip-masq-a": "cidrLimit: 2", "ip-masq-c": "" });
  }));

Deno.test("FileConfigSource says why something that is there can't be read", () =>
  withFolder(async (folder) => {
    await Deno.symlink("loop", `${folder}/loop`);
    assertMatch(String(await read(`${folder}/loop`, folder)), /symbolic links/);
    assertEquals(await read("/dev/null", folder), "it is neither a file nor a directory");
  }));

Deno.test("FileConfigSource says so where the program has no permission to read", {
  permissions: { read: ["/etc/config"] },
}, async () => {
  assertEquals(await new FileConfigSource("/etc/passwd", LARGEST_CONFIG).read(), {
    unreadable: "this program may only read below /etc/config and /etc/ip-masq-agent: move the file there",
    isOutside: true,
  });
});

Deno.test("FileConfigSource reads a file of several blocks, byte for byte", () =>
  withFolder(async (folder) => {
    const bytes = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
    await Deno.writeFile(`${folder}/config`, bytes);
    const modifiedMs = 1_700_000_000_000;
    await Deno.utime(`${folder}/config`, modifiedMs / 1000, modifiedMs / 1000);
    const reading = await new FileConfigSource(`${folder}/config`, LARGEST_CONFIG).read();
    assertEquals(reading, { files: [{ name: `${folder}/config`, bytes, modifiedMs }] });
  }));

Deno.test("FileConfigSource reads no more of a large file than shows that it is too large", () =>
  withFolder(async (folder) => {
    const path = `${folder}/ip-masq-agent`;
    await Deno.writeFile(path, new Uint8Array());
    await Deno.truncate(path, 10_000_000_000); // A sparse file.
    const reading = await new FileConfigSource(path, LARGEST_CONFIG).read();
    assertEquals("files" in reading && reading.files[0]?.bytes.length, LARGEST_CONFIG + 1);
  }));

Deno.test("FileConfigSource reads no more of a folder than of a file", () =>
  withFolder(async (folder) => {
    for (const name of ["ip-masq-a", "ip-masq-b", "ip-masq-c"]) {
      await Deno.writeFile(`${folder}/${name}`, new Uint8Array(9_000_000));
    }
    const reading = await new FileConfigSource(folder, LARGEST_CONFIG).read();
    const lengths = "files" in reading ? reading.files.map(({ bytes }) => bytes.length) : [];
    assertEquals(lengths, [9_000_000, LARGEST_CONFIG + 1 - 9_000_000]);
  }));

Deno.test("FileConfigSource reads one byte more than it may, in all", async (t) => {
  const cases: [sizes: number[], most: number, read: number[]][] = [
    [[9], 10, [9]],
    [[10], 10, [10]],
    [[11], 10, [11]],
    [[1_000], 10, [11]],
    [[4, 6], 10, [4, 6]],
    [[4, 7], 10, [4, 7]],
    [[10, 5], 10, [10, 1]],
    [[10, 0, 5], 10, [10, 0, 1]],
    [[11, 5], 10, [11]],
    [[4, 6, 5, 5], 10, [4, 6, 1]],
  ];
  for (const [sizes, most, expected] of cases) {
    await t.step(`${sizes} bytes of ${most}`, () =>
      withFolder(async (folder) => {
        for (const [index, size] of sizes.entries()) {
          await Deno.writeFile(`${folder}/ip-masq-${index}`, new Uint8Array(size));
        }
        const reading = await new FileConfigSource(folder, most).read();
        assertEquals("files" in reading && reading.files.map(({ bytes }) => bytes.length), expected);
      }));
  }
});

Deno.test("a folder of configs gives one config", () =>
  withFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/ip-masq-10`, "nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqOutBound: true");
    await Deno.writeTextFile(`${folder}/ip-masq-20`, "nonMasqueradeCIDRs: [11.0.0.0/8]\nmasqOutBound: false");
    const reading = await new FileConfigSource(folder, LARGEST_CONFIG).read();
    const { config } = loadConfig("files" in reading ? reading.files : [], {
      enableIpv6: false,
      allReservedRanges: false,
    });
    assertEquals(config.nonMasqueradeCIDRs.map(({ cidr }) => cidr.text), ["10.0.0.0/8", "11.0.0.0/8"]);
    assertEquals(config.masqOutBound, false);
  }));

Deno.test("FileConfigSource reads a file to its end whose size is not what the file system says", async () => {
  // Of this one it says 0.
  const path = "/proc/version";
  const reading = await new FileConfigSource(path, 1_000).read();
  assertEquals("files" in reading && reading.files[0]?.bytes, await Deno.readFile(path));
  const cut = await new FileConfigSource(path, 9).read();
  assertEquals("files" in cut && cut.files[0]?.bytes.length, 10);
});
