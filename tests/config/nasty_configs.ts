/**
 * Configs that are made to hurt: each must give errors or a config within bounds of time and memory.
 *
 * @module
 */
const MIB = 1_048_576;

/** The most that is read at all. */
const MOST = 16 * MIB;

/** Repeats `piece` at most so often, up to just under 16 MiB, which is the most that is read at all. */
function fill(
  piece: string | ((index: number) => string),
  before = "",
  after = "",
  most = Infinity,
): string {
  const parts = [before];
  let length = before.length + after.length;
  for (let index = 0; index < most; index++) {
    const part = typeof piece === "string" ? piece : piece(index);
    if (length + part.length > MOST) break;
    parts.push(part);
    length += part.length;
  }
  return parts.join("") + after;
}

/** Just within the number of values that a document may have. */
const MANY = 149_900;

const octets = (index: number) => `${index >>> 16 & 255}.${index >>> 8 & 255}.${index & 255}`;

function aliasBomb(levels: number, width: number, top = ""): string {
  const lines = [`a0: &a0 [${new Array(width).fill("10.0.0.0/8")}]`];
  for (let level = 1; level < levels; level++) {
    lines.push(`a${level}: &a${level} [${new Array(width).fill(`*a${level - 1}`)}]`);
  }
  return `${lines.join("\n")}\n${top}`;
}

/** What the outcome must be: an error whose message matches, or a config. */
export type Expected = RegExp | "config";

/** The inputs by name, and what is to come out. */
export const NASTY_CONFIGS: Readonly<Record<string, readonly [() => string | Uint8Array, Expected]>> = {
  "an alias bomb": [() => aliasBomb(10, 10, "nonMasqueradeCIDRs: *a9"), /values, aliases written out/],
  "a wide alias bomb": [
    () => aliasBomb(3, 2_000, "nonMasqueradeCIDRs: *a2"),
    /too many aliases/,
  ],
  "aliases in a key": [
    () => `- &s "${"x".repeat(100_000)}"\n- ? [${new Array(20_000).fill("*s")}]\n  : v\n`,
    /too many aliases/,
  ],
  "as many aliases in a key as there may be": [
    () => `a: &s "${"ä".repeat(100_000)}"\n? [${new Array(160).fill("*s")}]\n: v\n`,
    "config",
  ],
  "an alias of itself": [() => "nonMasqueradeCIDRs: &a [*a]", /inside of what it refers to/],
  "aliases of one address": [
    () => fill("*a,", "x: &a 10.0.0.0/8\nnonMasqueradeCIDRs: [", "]"),
    /values, aliases written out/,
  ],
  "20 MB": [() => "#".repeat(20_000_000), /over 16 MiB/],
  "deep JSON lists": [
    () => '{"nonMasqueradeCIDRs":' + "[".repeat(MANY) + "]".repeat(MANY) + "}",
    /nested too deeply/,
  ],
  "deep JSON mappings": [() => fill('{"a":', "", "", MANY), /never closed/],
  "deep YAML lists": [() => fill("[", "", "", MANY), /nested too deeply/],
  "deep YAML mappings": [() => "# YAML\n" + fill("{a: ", "", "", MANY), /nested too deeply/],
  "deep YAML blocks": [() => fill("- ", "a:\n", "x"), /nested too deeply/],
  "a staircase": [
    () => Array.from({ length: 1_400 }, (_, index) => " ".repeat(index) + "a:\n").join(""),
    "config",
  ],
  "question marks": [() => fill("? "), /nested too deeply/],
  "open quotes": [() => fill('"'), /not YAML/],
  "colons": [() => fill(": "), /a second ":"/],
  "blanks": [() => fill(" "), "config"],
  "empty lines": [() => fill("\n"), "config"],
  "comments": [() => fill("# x\n"), "config"],
  "tabs": [() => fill("\t"), "config"],
  "NUL bytes": [() => new Uint8Array(MOST), /NUL/],
  "documents": [() => fill("---\n"), /over 150000 values/],
  "a long key": [() => "x".repeat(MOST - 3) + ": 1", "config"],
  "a long CIDR": [() => "nonMasqueradeCIDRs: [" + "1".repeat(MOST - 30) + "]", /not a CIDR/],
  "a long duration": [
    () => "resyncInterval: '" + "1".repeat(MOST - 30) + "h'",
    /over 1000 characters/,
  ],
  "a long fraction": [
    () => "resyncInterval: '1." + "1".repeat(MOST - 30) + "h'",
    /over 1000 characters/,
  ],
  "a duration of many parts": [() => fill("1s", "resyncInterval: '", "'"), /over 1000 characters/],
  "a long number": [() => "cidrLimit: " + "9".repeat(MOST - 30), /whole number/],
  "many keys": [() => fill((index) => `k${index}: 1\n`, "", "", MANY), /known are/],
  "one key many times": [() => fill("masqLinkLocal: true\n", "", "", MANY / 2), "config"],
  "one JSON key many times": [() => fill('"cidrLimit":9,', "{", '"x":1}', MANY / 2), "config"],
  "many numbers": [() => fill("1,", '{"nonMasqueradeCIDRs":[', "1]}", MANY), /1 is not a CIDR/],
  "more numbers than that": [() => fill("1,", '{"nonMasqueradeCIDRs":[', "1]}"), /over 150000 values/],
  "many YAML numbers": [() => fill("- 1\n", "nonMasqueradeCIDRs:\n", "", MANY), /is not a CIDR/],
  "many empty items": [() => fill("-\n", "nonMasqueradeCIDRs:\n", "", MANY), /is not a CIDR/],
  "many empty lists": [
    () => fill("[],", '{"nonMasqueradeCIDRs":[', "[]]}", MANY / 2),
    /a list is not a CIDR/,
  ],
  "many CIDRs": [
    () =>
      fill((index) => `- ${octets(index * 8)}.0/29\n`, "cidrLimit: 1000000\nnonMasqueradeCIDRs:\n", "", MANY),
    "config",
  ],
  "many JSON CIDRs": [
    () =>
      fill(
        (index) => `"${octets(index * 8)}.0/29",`,
        '{"cidrLimit":1000000,"nonMasqueradeCIDRs":[',
        '"1.0.0.0/32"]}',
        MANY,
      ),
    "config",
  ],
  "many CIDRs that lie inside one": [
    () =>
      fill(
        (index) => `- ${octets(index)}.0/32\n`,
        "cidrLimit: 1000000\nnonMasqueradeCIDRs:\n- 0.0.0.0/0\n",
        "",
        MANY,
      ),
    "config",
  ],
  "one CIDR many times": [() => fill("- 1.0.0.0/8\n", "masqueradeCIDRs:\n", "", MANY), "config"],
  "many long IPv6 CIDRs": [
    () =>
      fill(
        (index) => `- 2001:db8::${(index >>> 16).toString(16)}:${(index & 65535).toString(16)}/128\n`,
        "masqueradeCIDRs:\n",
        "",
        MANY,
      ),
    "config",
  ],
  "many rules": [
    () => fill((index) => `- {to: [${octets(index)}.0/32], action: keep}\n`, "rules:\n", "", MANY / 4),
    "config",
  ],
  "many rules that are nearly alike": [
    () => {
      const list = Array.from({ length: 95 }, (_, index) => `10.0.${index}.0/24`);
      const rule = (port: number) =>
        `- {from: [${list}], protocols: [tcp], ports: [${port}], action: keep}\n`;
      return fill((index) => rule(1000 + index), "rules:\n", "", 480);
    },
    "config",
  ],
  "a rule with many ports, twice": [
    () => {
      const ports = Array.from({ length: 65_535 }, (_, index) => index + 1);
      return `rules:\n${`- {protocols: [tcp], ports: [${ports}], action: keep}\n`.repeat(2)}`;
    },
    "config",
  ],
  "many wrong CIDRs": [() => fill("- 10.0.0.1/8\n", "nonMasqueradeCIDRs:\n", "", MANY), /not aligned/],
  "text behind a quote": [() => `nonMasqueradeCIDRs: ["${"\\".repeat(MOST - 40)}"]`, /nested too deeply/],
  "lines that look like keys": [() => fill('"a": ', "x: |\n  "), "config"],
  "opening brackets behind a key": [() => fill("x: [\n"), /over 150000 values/],
  "anchors": [() => fill((index) => `&a${index} `, "x: "), /not YAML/],
  "tags": [() => fill("!!str ", "x: "), /not YAML/],
  "broken JSON at the end": [() => fill('"10.0.0.0/8",', '{"nonMasqueradeCIDRs":[', "x", MANY), /not JSON/],
  "broken JSON in the middle": [
    () => fill('"a",', '{"x":[' + '"a",'.repeat(MANY / 2) + "x,", "", MANY / 2),
    /not JSON/,
  ],
};
