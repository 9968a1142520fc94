/**
 * Records what iptables and nft of each suite of tools/host_roots print, for the tests of the parsers: one file for each
 * version in tests/data, and the index of these files. Run it after a change of the texts that the backends write, of
 * tests/data/*_cases.ts, or when a suite has a newer version.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import type { IpFamily } from "../lib/config/ip_address.ts";
import { RESTORE_ARGS } from "../lib/backends/iptables/restore_command.ts";
import { NFT_FAMILY } from "../lib/backends/nftables/nft_family.ts";
import { installText, IPTABLES_CASES, type IptablesCase, requestText } from "../tests/data/iptables_cases.ts";
import { createText, fillIn, NFT_CASES, type NftCase } from "../tests/data/nft_cases.ts";
import { type Recording, type Recordings, toRecording } from "../tests/data/recording.ts";
import { Host, type Suite, SUITES } from "../tests/sandbox/host.ts";
import { Sandbox, type Variant, VARIANTS } from "../tests/sandbox/sandbox.ts";

const DATA = fromFileUrl(new URL("../tests/data", import.meta.url));
const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];
const NEWEST: Suite = SUITES.at(-1)!;

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** Runs a command that prepares something; its failure is the recorder's. */
async function prepare(host: Host, command: string, args: readonly string[], input: string): Promise<void> {
  const { code, stderr } = await host.run(command, args, { input });
  if (code !== 0) throw new Error(`${host.suite}: ${command} failed: ${stderr}\n${input}`);
}

async function recordIptables(
  suite: Suite,
  variant: Variant,
  family: IpFamily,
  { ruleset, others, isByNewest = false, native, isLocked = false, isUnprivileged = false, request }:
    IptablesCase,
): Promise<Recording | undefined> {
  if (native !== undefined && variant === "legacy" || isLocked && variant === "nft") return undefined;
  await using sandbox = await Sandbox.create();
  const host = await Host.create(sandbox, suite);
  const restore = `${{ IPv4: "iptables", IPv6: "ip6tables" }[family]}-${variant}-restore`;
  if (ruleset !== undefined) await prepare(host, restore, RESTORE_ARGS, installText(ruleset, family));
  if (others !== undefined) {
    const lines = family === "IPv4"
      ? others
      : others.map((line) => line.replaceAll("192.0.2.", "2001:db8::"));
    const writer = isByNewest && suite !== NEWEST ? await Host.create(sandbox, NEWEST) : host;
    await prepare(writer, restore, RESTORE_ARGS, ["*nat", ...lines, "COMMIT", ""].join("\n"));
  }
  if (native !== undefined) await prepare(host, "nft", ["-f", "-"], native[family]);
  await using _lock = isLocked ? await holdLock(sandbox) : undefined;
  const input = requestText(request, family);
  if (request === "save") {
    const args = variant === "nft" ? ["-t", "nat"] : [];
    const { code, stdout, stderr } = await host.run(restore.replace("restore", "save"), args);
    // It is dated.
    return toRecording({ code, stdout: stdout.replaceAll(/^(#.*) on .*$/gm, "$1"), stderr });
  }
  return toRecording(await host.run(restore, RESTORE_ARGS, { input, unprivileged: isUnprivileged }));
}

/** Holds the lock of the legacy variant until it is disposed of. */
async function holdLock(sandbox: Sandbox): Promise<AsyncDisposable> {
  const holder = sandbox.spawn("flock", ["/run/hosts/run/xtables.lock", "sh", "-c", "echo held; exec cat"]);
  const reader = holder.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return {
    async [Symbol.asyncDispose]() {
      await holder.stdin.close();
      await holder.stderr.cancel();
      await holder.status;
    },
  };
}

async function recordNft(
  suite: Suite,
  family: IpFamily,
  { ruleset, others, isByType = false, isByNewest = false, isUnprivileged = false, input }: NftCase,
): Promise<Recording> {
  await using sandbox = await Sandbox.create();
  const host = await Host.create(sandbox, suite);
  const writer = isByNewest && suite !== NEWEST ? await Host.create(sandbox, NEWEST) : host;
  if (ruleset !== undefined) await prepare(writer, "nft", ["-f", "-"], createText(ruleset, family, isByType));
  if (others !== undefined) await prepare(writer, "nft", ["-f", "-"], fillIn(others, family));
  const args = input === undefined
    ? ["-j", "list", "table", NFT_FAMILY[family], "ip-masq-agent"]
    : ["-f", "-"];
  return toRecording(
    await host.run("nft", args, {
      ...(input !== undefined && { input: fillIn(input, family) }),
      unprivileged: isUnprivileged,
    }),
  );
}

/** One line for each text line and each item. */
function format(recordings: Recordings): string {
  const array = (items: readonly unknown[]) =>
    items.length === 0
      ? "[]"
      : `[\n${items.map((it) => `        ${JSON.stringify(it)}`).join(",\n")}\n      ]`;
  const families = FAMILIES.map((family) => {
    const cases = Object.entries(recordings[family]).map(([name, recording]) => {
      const fields = Object.entries(recording).map(([key, value]) =>
        `      ${JSON.stringify(key)}: ${Array.isArray(value) ? array(value) : JSON.stringify(value)}`
      );
      return `    ${JSON.stringify(name)}: {\n${fields.join(",\n")}\n    }`;
    });
    return `  ${JSON.stringify(family)}: {\n${cases.join(",\n")}\n  }`;
  });
  return `{\n${families.join(",\n")}\n}\n`;
}

async function record<Case>(
  file: string,
  cases: Readonly<Record<string, Case>>,
  answer: (family: IpFamily, it: Case) => Promise<Recording | undefined>,
): Promise<void> {
  const recordings: Record<IpFamily, Record<string, Recording>> = { IPv4: {}, IPv6: {} };
  for (const family of FAMILIES) {
    for (const [name, it] of Object.entries(cases)) {
      const recording = await answer(family, it);
      if (recording !== undefined) recordings[family][name] = recording;
    }
  }
  await Deno.writeTextFile(`${DATA}/${file}`, format(recordings));
  say(`tests/data/${file}`);
}

async function versionOf(suite: Suite, tool: string): Promise<string> {
  await using sandbox = await Sandbox.create();
  const { stdout } = await (await Host.create(sandbox, suite)).run(tool, ["--version"]);
  const [, version] = /v(\d+\.\d+\.\d+)/.exec(stdout) ?? [];
  if (version === undefined) throw new Error(`${suite}: no version of ${tool} in "${stdout}"`);
  return version;
}

/** A module that imports every recording that there is, also of versions that no suite has any more. */
async function writeIndex(): Promise<void> {
  const lines: string[] = [];
  const names: string[] = [];
  for (const tool of ["iptables", "nft"]) {
    const files = (await Array.fromAsync(Deno.readDir(`${DATA}/${tool}`))).map(({ name }) =>
      name.slice(0, -5)
    );
    files.sort(new Intl.Collator("en", { numeric: true }).compare);
    const variable = (file: string) => `${tool}_${file.replaceAll(/[.-]/g, "_")}`;
    lines.push(
      ...files.map((file) => `import ${variable(file)} from "./${tool}/${file}.json" with { type: "json" };`),
    );
    names.push(
      `\n/** What ${tool} printed, by version. */`,
      `export const ${tool.toUpperCase()}_RECORDINGS: Readonly<Record<string, Recordings>> = {`,
      ...files.map((file) => `  "${file}": ${variable(file)},`),
      "};",
    );
  }
  const head = [
    "/**",
    " * All recordings; tools/record_listings.ts writes this file.",
    " *",
    " * @module",
    " */",
  ];
  const text = [...head, ...lines, 'import type { Recordings } from "./recording.ts";', ...names, ""].join(
    "\n",
  );
  await Deno.writeTextFile(`${DATA}/recordings.ts`, text);
}

if (import.meta.main) {
  for (const tool of ["iptables", "nft"]) await Deno.mkdir(`${DATA}/${tool}`, { recursive: true });
  for (const suite of SUITES) {
    const version = await versionOf(suite, "iptables");
    for (const variant of VARIANTS) {
      await record(
        `iptables/${version}-${variant}.json`,
        IPTABLES_CASES,
        (family, it) => recordIptables(suite, variant, family, it),
      );
    }
    const nftVersion = await versionOf(suite, "nft");
    await record(`nft/${nftVersion}.json`, NFT_CASES, (family, it) => recordNft(suite, family, it));
  }
  await writeIndex();
}
