import { assertEquals } from "@std/assert";
import { LARGEST_CONFIG } from "../../lib/config/decode.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
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
    assertEquals(typeof await read(`${folder}/loop`, folder), "string");
    assertEquals(await read("/dev/null", folder), "it is neither a file nor a directory");
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
      await Deno.writeFile(`${folder}/${name}`, new Uint8Array(600_000));
    }
    const reading = await new FileConfigSource(folder, LARGEST_CONFIG).read();
    const lengths = "files" in reading ? reading.files.map(({ bytes }) => bytes.length) : [];
    assertEquals(lengths, [600_000, LARGEST_CONFIG + 1 - 600_000]);
  }));

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
