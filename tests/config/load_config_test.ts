import { assertEquals, assertThrows } from "@std/assert";
import { loadConfig } from "../../lib/config/load_config.ts";
import type { ConfigFile } from "../../lib/ports.ts";
import { ConfigError, formatProblem } from "../../lib/config/problem.ts";

const OPTIONS = { enableIpv6: false, allReservedRanges: false };

function file(name: string, text: string): ConfigFile {
  return { name, bytes: new TextEncoder().encode(text) };
}

function errorsOf(...files: readonly ConfigFile[]): string[] {
  return assertThrows(() => loadConfig(files, OPTIONS), ConfigError).problems.map(formatProblem);
}

Deno.test("loadConfig() of no file, an empty one, or one with comments only gives the defaults", () => {
  for (const files of [[], [file("a", "")], [file("a", "# nothing\n")], [file("a", ""), file("b", "")]]) {
    const { config, warnings } = loadConfig(files, OPTIONS);
    assertEquals(config.nonMasqueradeCIDRs.map(({ cidr }) => cidr.text), [
      "10.0.0.0/8",
      "172.16.0.0/12",
      "192.168.0.0/16",
    ]);
    assertEquals(warnings, []);
  }
});

Deno.test("loadConfig() makes one config of several files", () => {
  const { config } = loadConfig([
    file("ip-masq-a", "nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqOutBound: true\n"),
    file("ip-masq-b", '{"nonMasqueradeCIDRs": ["fd00::/8", "10.0.0.0/8"], "masqOutBound": false}'),
  ], OPTIONS);
  assertEquals(config.nonMasqueradeCIDRs.map(({ cidr, origin }) => [cidr.text, origin.file, origin.key]), [
    ["10.0.0.0/8", "ip-masq-a", "nonMasqueradeCIDRs[0]"],
    ["fd00::/8", "ip-masq-b", "nonMasqueradeCIDRs[0]"],
  ]);
  assertEquals(config.masqOutBound, false);
  assertEquals(config.origins?.get("masqOutBound"), {
    file: "ip-masq-b",
    line: 1,
    column: 52,
    key: "masqOutBound",
  });
});

Deno.test("loadConfig() finds the whole set bad for one bad file, and names it", () => {
  assertEquals(
    errorsOf(
      file("good", "masqLinkLocal: true"),
      file("b", "cidrLimit: x\nmasqOutBound: y"),
      { name: "c", bytes: new Uint8Array([0xff, 0xfe]) },
      file("d", "a: 'b"),
    ),
    [
      'b:1:1: cidrLimit: "x" is not a whole number of 0 or more: write one such as 64, without quotes',
      'b:2:1: warning: masqOutBound: "y" is read as true: write true',
      "c: the file is UTF-16 text: save it as UTF-8",
      "d:1:6: not YAML: a quote is never closed",
    ],
  );
});

Deno.test("loadConfig() tells errors and warnings together, file by file and by line", () => {
  assertEquals(
    errorsOf(
      file("b", "nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqOutBound: maybe\n"),
      file("a", "nonMasqueradeCIDRs: [10.1.0.0/16]\nunknown: 1\n"),
    ).map((line) => line.slice(0, 60)),
    [
      'b:2:1: masqOutBound: "maybe" is not a boolean: write true or fals',
      'a:1:22: warning: nonMasqueradeCIDRs[0]: "10.1.0.0/16" changes',
      "a:2:1: warning: unknown: unknown key, ignored: known are nonM",
    ].map((line) => line.slice(0, 60)),
  );
});

Deno.test("loadConfig() names the file of an entry that lies in another one", () => {
  const { warnings } = loadConfig([
    file("a", "nonMasqueradeCIDRs: [10.0.0.0/8]"),
    file("b", "nonMasqueradeCIDRs: [10.1.0.0/16]"),
  ], OPTIONS);
  assertEquals(warnings.map(formatProblem), [
    'b:1:22: warning: nonMasqueradeCIDRs[0]: "10.1.0.0/16" changes nothing, since it lies inside a:1:22 nonMasqueradeCIDRs[0] "10.0.0.0/8"',
  ]);
});

Deno.test("loadConfig() counts the bytes of all files together", () => {
  const half = `# ${"x".repeat(9_000_000)}\n`;
  assertEquals(errorsOf(file("a", half), file("b", half), file("c", "")), [
    "b: with the files before it, it is over 16 MiB, and no config is",
    "c: with the files before it, it is over 16 MiB, and no config is",
  ]);
  assertEquals(errorsOf(file("a", half + half)), ["a: the file is over 16 MiB, and no config is"]);
});

Deno.test("loadConfig() warns of IPv6 that is on and not thought of", () => {
  const problemsOf = (text: string, enableIpv6 = true) =>
    loadConfig([file("f", text)], { ...OPTIONS, enableIpv6 }).warnings.map(formatProblem);
  const message =
    "nonMasqueradeCIDRs: no IPv6 range is exempt, so that pods lose their addresses among each other, too: " +
    "add the pods' range, or masqOutBoundIPv6: false";
  assertEquals(problemsOf(""), [`warning: ${message}`]);
  assertEquals(problemsOf("\nnonMasqueradeCIDRs: [10.0.0.0/8]"), [`f:2:1: warning: ${message}`]);
  assertEquals(problemsOf('rules: [{action: masquerade, to: ["fd00::/8"]}]'), [`warning: ${message}`]);
  assertEquals(problemsOf("masqLinkLocal: false", false), []);
  for (
    const text of [
      "nonMasqueradeCIDRs: [fd00::/8]",
      "nonMasqueradeSrcCIDRs: [fd00::/8]",
      "masqOutBoundIPv6: false",
      "rules: [{action: keep, via: [eth0]}]",
    ]
  ) assertEquals(problemsOf(text), []);
});

Deno.test("loadConfig() counts the values of all files together", () => {
  const half = `masqueradeCIDRs: [${new Array(80_000).fill("1.0.0.0/8")}]`;
  assertEquals(errorsOf(file("a", half), file("b", half)).filter((it) => !it.includes("warning")), [
    "b: with the files before it, it has over 150000 values",
  ]);
});
