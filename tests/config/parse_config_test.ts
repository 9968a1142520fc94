import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { KEY_NAMES } from "../../lib/config/config.ts";
import { parseConfig } from "../../lib/config/parse_config.ts";
import { formatProblem, UPSTREAM_REFUSES } from "../../lib/config/problem.ts";

/** What a text gives: its problems, one a line. */
function problemsOf(text: string): string[] {
  return parseConfig(text, "f").problems.map(formatProblem);
}

function cidrsOf(text: string): string[] | undefined {
  return parseConfig(text, "f").settings.nonMasqueradeCIDRs?.map(({ cidr }) => cidr.text);
}

Deno.test("parseConfig() reads every key, in YAML and in JSON", () => {
  const yaml = `nonMasqueradeCIDRs:
  - 10.0.0.0/8
  - "fd00::/8"
masqueradeCIDRs: [10.10.10.10/32]
masqOutBound: false
masqOutBoundIPv6: false
masqLinkLocal: true
masqLinkLocalIPv6: true
cidrLimit: 70
resyncInterval: 1m30s
`;
  const json = `{"nonMasqueradeCIDRs": ["10.0.0.0/8", "fd00::/8"], "masqueradeCIDRs": ["10.10.10.10/32"],
    "masqOutBound": false, "masqOutBoundIPv6": false, "masqLinkLocal": true, "masqLinkLocalIPv6": true,
    "cidrLimit": 70, "resyncInterval": "1m30s"}`;
  for (const text of [yaml, json]) {
    const { settings, problems } = parseConfig(text, "f");
    const { nonMasqueradeCIDRs, masqueradeCIDRs, origins, ...others } = settings;
    assertEquals(problems, []);
    assertEquals(nonMasqueradeCIDRs?.map(({ cidr }) => cidr.text), ["10.0.0.0/8", "fd00::/8"]);
    assertEquals(masqueradeCIDRs?.map(({ cidr }) => cidr.text), ["10.10.10.10/32"]);
    assertEquals(origins?.size, 8);
    assertEquals(others, {
      masqOutBound: false,
      masqOutBoundIPv6: false,
      masqLinkLocal: true,
      masqLinkLocalIPv6: true,
      cidrLimit: 70,
      resyncInterval: 90_000,
    });
  }
});

Deno.test("parseConfig() sets nothing for a text without values", async (t) => {
  for (const text of ["", "\n", "# only\n# comments\n", "---\n", "null", "~", "\ufeff", " {} ", "{}\n"]) {
    await t.step(JSON.stringify(text), () => {
      const { settings: { origins, ...settings }, problems } = parseConfig(text, "f");
      assertEquals([settings, origins?.size, problems], [{}, 0, []]);
    });
  }
});

Deno.test("parseConfig() tells an absent list from an empty one and from null", () => {
  assertEquals(cidrsOf("masqLinkLocal: true"), undefined);
  assertEquals(cidrsOf("nonMasqueradeCIDRs: []"), []);
  assertEquals(cidrsOf("nonMasqueradeCIDRs:"), []);
  assertEquals(problemsOf("nonMasqueradeCIDRs:"), [
    "f:1:1: warning: nonMasqueradeCIDRs: null is taken as an empty list: write [], or remove the key to get the default",
  ]);
});

Deno.test("parseConfig() passes over $schema, with which editors find the schema", () => {
  assertEquals(problemsOf('{"$schema": "schema.json", "cidrLimit": 3}'), []);
});

Deno.test("parseConfig() matches keys without regard to case", () => {
  assertEquals(cidrsOf("NonMasqueradeCIDRs: [10.0.0.0/8]"), ["10.0.0.0/8"]);
  assertEquals(parseConfig("MASQOUTBOUND: false", "f").settings.masqOutBound, false);
});

Deno.test("parseConfig() gives the place of every list item, however the text is laid out", async (t) => {
  const bad = "10.0.0.1/8";
  const layouts: Record<string, [text: string, places: string[]]> = {
    "a block": [`nonMasqueradeCIDRs:\n  - ${bad}\n  - ${bad}\n`, ["2:5", "3:5"]],
    "a block without indentation": [`a: 1\nnonMasqueradeCIDRs:\n- ${bad}\n# why\n\n- "${bad}"\n`, [
      "3:3",
      "6:3",
    ]],
    "one line": [`nonMasqueradeCIDRs: [${bad}, '${bad}']`, ["1:22", "1:34"]],
    "several lines in brackets": [`nonMasqueradeCIDRs: [\n  ${bad}, # one\n  ${bad}\n]`, ["2:3", "3:3"]],
    "JSON": [`{\n  "x": {"y": ["z"]},\n  "nonMasqueradeCIDRs": ["${bad}",\n    "${bad}"]\n}`, [
      "3:26",
      "4:5",
    ]],
    "Windows line ends": [`nonMasqueradeCIDRs:\r\n  - ${bad}\r\n  - ${bad}\r\n`, ["2:5", "3:5"]],
    "a byte order mark": [`\ufeffnonMasqueradeCIDRs:\n  - ${bad}\n  - ${bad}\n`, ["2:5", "3:5"]],
    "directives": [`%YAML 1.2\n---\nnonMasqueradeCIDRs: &a\n  - ${bad}\n  - ${bad}\n`, ["4:5", "5:5"]],
    "a mapping in braces behind a line": [`---\n{nonMasqueradeCIDRs: [${bad}, ${bad}]}`, ["2:23", "2:35"]],
    "a quoted key": [`"nonMasqueradeCIDRs" :\n  -  ${bad}\n  -  ${bad}\n`, ["2:6", "3:6"]],
    "behind a text block": [`x: |\n  - a\n  y: b\nnonMasqueradeCIDRs:\n - ${bad}\n - ${bad}\n`, [
      "5:4",
      "6:4",
    ]],
    "items of an alias are where they are written": [`x: &x [${bad}, ${bad}]\nnonMasqueradeCIDRs: *x\n`, [
      "1:8",
      "1:20",
    ]],
    "values with tags": [`nonMasqueradeCIDRs: !!seq\n  - !!str ${bad}\n  - &b !!str "${bad}"\n`, [
      "2:5",
      "3:8",
    ]],
    "quotes in a comment and in plain text": [
      `x: it's 5" wide # don't\nnonMasqueradeCIDRs:\n  - ${bad} # "\n  - ${bad}\n`,
      ["3:5", "4:5"],
    ],
    "a merged mapping": [`x: &x {nonMasqueradeCIDRs: [${bad},\n  ${bad}]}\n<<: *x\n`, ["1:29", "2:3"]],
    "no place where quotes in a text block are odd": [
      `nonMasqueradeCIDRs: [${bad}, ${bad}]\nx: |\n  'a\ny: 'b ''c'\n`,
      ["", ""],
    ],
  };
  for (const [name, [text, places]] of Object.entries(layouts)) {
    await t.step(name, () => {
      const errors = problemsOf(text).filter((line) => line.includes("nonMasqueradeCIDRs["));
      assertEquals(
        errors,
        places.map((place, index) =>
          `f${
            place && `:${place}`
          }: nonMasqueradeCIDRs[${index}]: "${bad}" is not aligned: did you mean "10.0.0.0/8"?`
        ),
      );
    });
  }
});

Deno.test("parseConfig() says what is wrong with a value, and the fix", async (t) => {
  const list = "nonMasqueradeCIDRs";
  const cases: [text: string, ...problems: string[]][] = [
    ["masqLinkLocal: yes", 'f:1:1: warning: masqLinkLocal: "yes" is read as true: write true'],
    ["masqLinkLocal: Off # why", 'f:1:1: warning: masqLinkLocal: "Off" is read as false: write false'],
    [
      'masqLinkLocal: "yes"',
      'f:1:1: masqLinkLocal: "yes" is not a boolean: write true or false, without quotes',
    ],
    [
      '{"masqLinkLocal": "yes"}',
      'f:1:2: masqLinkLocal: "yes" is not a boolean: write true or false, without quotes',
    ],
    [
      "masqLinkLocal: yEs",
      'f:1:1: masqLinkLocal: "yEs" is not a boolean: write true or false, without quotes',
    ],
    ...["masqLinkLocal:", "cidrLimit: ~"].map((text): [string, string] => [
      text,
      `f:1:1: warning: ${text.split(":")[0]}: null is read as if the key were not there: remove it`,
    ]),
    [
      "resyncInterval: null",
      "f:1:1: warning: resyncInterval: null is read as if the key were not there: remove it; " +
      UPSTREAM_REFUSES,
    ],
    [
      `${list}:\n-\n- # here\n-\n   10.0.0.0/8\n-`,
      ...[[2, 0], [3, 1], [6, 3]].map(([line, index]) =>
        `f:${line}:1: ${list}[${index}]: null is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`
      ),
    ],
    [
      `${list}: ["10.0.0.0/8\u200b"]`,
      `f:1:22: ${list}[0]: "10.0.0.0/8\\u200b" (with the invisible U+200B) is not a CIDR: the part behind "/" must be a number from 0 to 32`,
    ],
    [
      `${list}: [\u00a010.0.0.0/8]`,
      `f:1:22: ${list}[0]: "\\u00a010.0.0.0/8" (with the invisible U+00A0) has a blank before or behind the CIDR: remove it`,
    ],
    [
      "masqLinkLocal: true\ufeff",
      'f:1:1: masqLinkLocal: "true\\ufeff" (with the invisible U+FEFF) is not a boolean: write true or false, without quotes',
    ],
    [
      "resyncInterval: 60s\u2060",
      'f:1:1: resyncInterval: "60s\\u2060" (with the invisible U+2060) has an unknown unit "s\\u2060": use ns, us, ms, s, m or h',
    ],
    [
      "\u00a0cidrLimit: 5",
      'f:1:1: warning: \\u00a0cidrLimit: unknown key, ignored: did you mean "cidrLimit"?',
    ],
    [
      `${list}: [ ::/0, "::/0", 1::/16]`,
      `f:1:23: warning: ::/0: ${UPSTREAM_REFUSES}, for it starts with ":" in brackets: put it in quotes`,
    ],
    [`${list}:\n- ::/0\n`],
    ["# x\n%YAML 1.2\n---\nmasqLinkLocal: true", `f:2:1: warning: ${UPSTREAM_REFUSES}: remove this line`],
    ["%YAML 1.1\n---\nmasqLinkLocal: true"],
    [
      "masqLinkLocal: true\n---\nx: [",
      'f:2:1: warning: "---" ends the config, for only the first document counts: remove this line and what follows',
    ],
    [
      "---\nmasqLinkLocal: true\n--- # end\n",
      'f:3:1: warning: "---" ends the config, for only the first document counts: remove this line',
    ],
    ["masqLinkLocal: true\n...\n# end\n"],
    ["cidrLimit: 0o17", 'f:1:1: warning: cidrLimit: "0o17" is read as 15: write 15'],
    [
      "cidrLimit: |-\n  17",
      'f:1:1: cidrLimit: "17" is not a whole number of 0 or more: write one such as 64, without quotes',
    ],
    ["cidrLimit: !!int '70'", "f:1:12: warning: !!int: a tag is of no use in a config: remove it"],
    ["masqLinkLocal: !!bool yes", "f:1:16: warning: !!bool: a tag is of no use in a config: remove it"],
    ["masqOutBound: 1", "f:1:1: masqOutBound: 1 is not a boolean: write true or false, without quotes"],
    [
      "cidrLimit: -1",
      "f:1:1: cidrLimit: -1 is not a whole number of 0 or more: write one such as 64, without quotes",
    ],
    [
      "cidrLimit: 99999999999999999999",
      "f:1:1: warning: cidrLimit: 100000000000000000000 is beyond 2^53, which means no limit: write a smaller number; " +
      UPSTREAM_REFUSES,
    ],
    ["resyncInterval: 60", 'f:1:1: resyncInterval: 60 is not a duration: write a string such as "60s"'],
    [
      "resyncInterval: .inf",
      'f:1:1: resyncInterval: Infinity is not a duration: write a string such as "60s"',
    ],
    [
      "resyncInterval: 0s",
      'f:1:1: warning: resyncInterval: "0s" is too short, so that 1s is used: write "1s" or more',
    ],
    [
      "resyncInterval: -5s",
      'f:1:1: warning: resyncInterval: "-5s" is too short, so that 1s is used: write "1s" or more',
    ],
    ["resyncInterval: '60'", 'f:1:1: resyncInterval: "60" has no unit: did you mean "60s"?'],
    [
      `${list}: 10.0.0.0/8`,
      `f:1:1: ${list}: "10.0.0.0/8" is not a list of CIDRs: write ["10.0.0.0/8"] or "- 10.0.0.0/8" lines`,
    ],
    [
      `${list}: {}`,
      `f:1:1: ${list}: a mapping is not a list of CIDRs: write ["10.0.0.0/8"] or "- 10.0.0.0/8" lines`,
    ],
    [
      `${list}:\n  -10.0.0.0/8`,
      `f:1:1: ${list}: "-10.0.0.0/8" is not a list of CIDRs: write a blank behind "-"`,
    ],
    [
      `${list}: [null, 10, [10.0.0.0/8]]`,
      `f:1:22: ${list}[0]: null is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`,
      `f:1:28: ${list}[1]: 10 is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`,
      `f:1:33: ${list}[2]: a list is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`,
    ],
    [
      `${list}: [10.0.0.0]`,
      `f:1:22: ${list}[0]: "10.0.0.0" is an address, not a CIDR: did you mean "10.0.0.0/32"?`,
    ],
    [
      `${list}: ["fd00::"]`,
      `f:1:22: ${list}[0]: "fd00::" is an address, not a CIDR: did you mean "fd00::/128"?`,
    ],
    [
      `${list}:\n- 2001:db8::\n`,
      `f:2:3: ${list}[0]: "2001:db8::" is an address, not a CIDR: did you mean "2001:db8::/128"?`,
    ],
    [
      `${list}: [010.0.0.0/8]`,
      `f:1:22: ${list}[0]: "010.0.0.0/8" is not a CIDR: "010" has a leading zero, which some tools read as octal`,
    ],
    [
      `${list}:\n- 10.0.0.0/8\n  - 11.0.0.0/8`,
      `f:2:3: ${list}[0]: "10.0.0.0/8 - 11.0.0.0/8" is one entry, not several: put each "-" right below the one before`,
    ],
    [
      `${list}: ["10.0.0.0/8,11.0.0.0/8"]`,
      `f:1:22: ${list}[0]: "10.0.0.0/8,11.0.0.0/8" is one entry, not several: write each CIDR as an entry of its own`,
    ],
    [
      `${list}: ["10.0.0.0/8 "]`,
      `f:1:22: ${list}[0]: "10.0.0.0/8 " has a blank before or behind the CIDR: remove it`,
    ],
    [
      `${list}: [example.com]`,
      `f:1:22: ${list}[0]: "example.com" is not a CIDR: not an IP address: write one such as "10.0.0.0/8"`,
    ],
    [
      "nonMasqueradCIDRs: 1",
      'f:1:1: warning: nonMasqueradCIDRs: unknown key, ignored: did you mean "nonMasqueradeCIDRs"?',
    ],
    [
      "kind: ConfigMap",
      'f:1:1: warning: kind: unknown key, ignored: this looks like a Kubernetes manifest, and the config is the text inside of its "data"',
    ],
    [
      "__proto__: {}\nconstructor: 1",
      ...["1:1: warning: __proto__", "2:1: warning: constructor"].map((start) =>
        `f:${start}: unknown key, ignored: known are ${KEY_NAMES.join(", ")}`
      ),
    ],
    [
      "cidrLimit: 1\n# no\ncidrLimit: 2",
      "f:3:1: warning: cidrLimit: is in line 1 already, and the last one counts: keep one of them",
    ],
    [
      "cidrLimit: 1\nCIDRLimit: 2",
      'f:1:1: warning: cidrLimit: is the same key as "CIDRLimit" in line 2, and counts: keep one of them',
    ],
    [
      "rules:\n- action: keep\n  to: [10.0.0.0/8]\n  to: [11.0.0.0/8]\n",
      "f:4:3: warning: to: is in line 3 already, and the last one counts: keep one of them",
    ],
    [
      "rules: [{action: keep, action: masquerade}]",
      "f:1:24: warning: action: is in line 1 already, and the last one counts: keep one of them",
    ],
    [
      '{"cidrLimit": 1,\n "cidrLimit": 2}',
      "f:2:2: warning: cidrLimit: is in line 1 already, and the last one counts: keep one of them",
    ],
    [
      "? cidrLimit\n: 1\n? cidrLimit\n: 2\n",
      "f:3:3: warning: cidrLimit: is in line 1 already, and the last one counts: keep one of them",
    ],
  ];
  for (const [text, ...problems] of cases) {
    await t.step(JSON.stringify(text), () => assertEquals(problemsOf(text), problems));
  }
});

Deno.test("parseConfig() explains syntax errors in words that name the fix", async (t) => {
  const cases: [text: string, problem: string][] = [
    ["just text", 'f:1:1: the config is "just text", not a mapping: write "key: value" lines'],
    ["- 10.0.0.0/8", 'f:1:1: the config is a list, not a mapping: write "key: value" lines'],
    [
      "masqLinkLocal:true",
      'f:1:1: the config is "masqLinkLocal:true", not a mapping: write a ":" and a blank behind "masqLinkLocal"',
    ],
    [
      "a: 1\n b: 2",
      'f:2:3: not YAML: bad indentation: the keys must stand one below the other, and so must the "-" of a list',
    ],
    [
      "  a: 1\nb: 2",
      'f:2:1: not YAML: this does not fit the lines before: check the indentation, the ":" behind each key, and quotes around a value that starts with "@" or "`"',
    ],
    [
      "a: b: c",
      'f:1:5: not YAML: a second ":" in what should be one value: put the value in quotes, or start a new line for a new key',
    ],
    ["a:\n\t- b\n\t- c", "f:2:1: not YAML: a tab is in the indentation: indent with blanks"],
    ["a: - 10.0.0.0/8", "f:1:4: not YAML: a list starts on a line of its own, below its key"],
    ["a: [1\nb: 2", 'f:2:1: not YAML: a "," or a closing bracket is missing before this'],
    ["a: [1", 'f:1:6: not YAML: a "[" or "{" is never closed'],
    ["a: 'x", "f:1:6: not YAML: a quote is never closed"],
    ["a: *b", 'f:1:6: not YAML: a "*" starts an alias, and no "&" defines it: put the value in quotes'],
    ["---\n---\nb: 2", "f:2:1: the document before this line is empty, and only the first counts"],
    ["<<: 5", 'f:1:1: "<<" takes a mapping, or a list of them'],
    ["masqLinkLocal:\n\ttrue", "f:2:1: not YAML: a tab is in the indentation: indent with blanks"],
    ["a: \u0001", "f:1:5: not YAML: a control character is here: remove it, or write a blank"],
    ["a: &a [*a]", "f: an alias stands inside of what it refers to: remove it"],
    [
      '{"a": 1,}',
      "f:1:9: not JSON: a key in double quotes is expected here, or a comma before this is one too many",
    ],
    [
      '{\n "a": tru,\n "b": 1}',
      "f:2:10: not JSON: no value: write true, false, a number, a list, or a text in double quotes",
    ],
    ['{"a": ["x"\n "y"]}', "f:2:2: not JSON: a comma or a closing bracket is missing before this"],
    ['{"a": 1', "f:1:8: not JSON: the text ends too early: a quote or a bracket is never closed"],
    ['{"a": "x', "f:1:9: not JSON: the text ends too early: a quote or a bracket is never closed"],
    ['{"a": 1} b', 'f:1:10: not JSON: something follows the last "}": remove it'],
    [
      "{a: 1}",
      "f:1:2: not JSON: a key in double quotes is expected here, or a comma before this is one too many",
    ],
  ];
  for (const [text, problem] of cases) {
    await t.step(JSON.stringify(text), () => assertEquals(problemsOf(text), [problem]));
  }
});

Deno.test("parseConfig() finds the very place of an error in JSON, although the parser does not tell it", () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const json = fc.tuple(fc.dictionary(fc.string(), value, { minKeys: 1 }), fc.constantFrom(0, 1, 2))
    .map(([document, indent]) => JSON.stringify(document, null, indent));
  fc.assert(fc.property(json, fc.nat(), (text, chance) => {
    // Between two values, where nothing but a comma, a colon, a bracket or a blank may stand.
    const quiet = text.replace(/"(?:[^"\\]|\\.)*"|[a-z0-9.+-]+/gi, (inner) => "x".repeat(inner.length));
    const places = [...quiet.matchAll(/[,:[\]{}](?!$)/g)].map(({ index }) => index + 1);
    const place = places[chance % places.length]!;
    const before = text.slice(0, place).split("\n");
    assertEquals(
      problemsOf(`${text.slice(0, place)}@${text.slice(place)}`)[0]?.split(": ")[0],
      `f:${before.length}:${before.at(-1)!.length + 1}`,
    );
  }));
});

Deno.test("parseConfig() reports all errors of a text in one go, in its order", () => {
  const text = `resyncInterval: 5s
nonMasqueradeCIDRs: [10.0.0.1/8, 10.0.0.0/8, x]
cidrLimit: none
nonMasqueradCIDRs: []
resyncInterval: 0s
masqLinkLocal: maybe
`;
  assertEquals(problemsOf(text).map((line) => line.split(": ").slice(0, 2).join(": ")), [
    "f:2:22: nonMasqueradeCIDRs[0]",
    "f:2:46: nonMasqueradeCIDRs[2]",
    "f:3:1: cidrLimit",
    "f:4:1: warning",
    "f:5:1: warning",
    "f:5:1: warning",
    "f:6:1: masqLinkLocal",
  ]);
});

Deno.test("parseConfig() shows a hundred problems and counts the others", () => {
  const problems = problemsOf(`nonMasqueradeCIDRs: [${new Array(150).fill("10.0.0.1/8").join()}]`);
  assertEquals(problems.length, 101);
  assertEquals(problems.at(-1), "f: and 50 more errors");
});

Deno.test("parseConfig() keeps messages on one line, whatever is in the text", () => {
  const [item, key] = problemsOf('nonMasqueradeCIDRs: ["10.0.0.0/8\\n-j ACCEPT \\u001b[31m"]\n"a\\nb": 1\n');
  assertEquals(
    item,
    'f:1:22: nonMasqueradeCIDRs[0]: "10.0.0.0/8\\u000a-j ACCEPT \\u001b[31m" is not a CIDR: ' +
      'the part behind "/" must be a number from 0 to 32',
  );
  assertEquals(key?.startsWith("f:2:1: warning: a\\u000ab: unknown key"), true);
  const [long] = problemsOf(`nonMasqueradeCIDRs: [${"x".repeat(10_000)}]`);
  assertEquals(long!.length < 300, true, long);
});

Deno.test("parseConfig() takes YAML 1.1's booleans and null as upstream does", () => {
  const { settings } = parseConfig(
    "masqLinkLocal: yes\nmasqOutBound: NO\ncidrLimit: ~\nresyncInterval: 10ms\n",
    "f",
  );
  assertEquals(
    [settings.masqLinkLocal, settings.masqOutBound, settings.cidrLimit, settings.resyncInterval],
    [true, false, undefined, 1_000],
  );
});
