import { assertEquals, assertThrows } from "@std/assert";
import { parseContainerArgs, splitArgs } from "../../lib/cli/container_args.ts";
import { FLAGS } from "../../lib/cli/flag_definitions.ts";
import { UsageError } from "../../lib/cli/go_flags.ts";
import { guessAgent, KNOWN_AGENTS, type Traces } from "../../lib/cli/known_agents.ts";
import { KEY_NAMES } from "../../lib/config/config.ts";
import { runOn } from "../fakes/system.ts";

/** A ConfigMap as kubectl prints it. */
function configMap(name: string, data: Record<string, string>): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data });
}

const list = (...items: string[]) => `{"kind":"List","items":[${items.join()}]}`;

interface Case {
  readonly name: string;
  readonly args?: string;
  /** What stands on standard input. */
  readonly config?: string;
  readonly from: string;
  readonly flags?: readonly string[];
  /** null where none was given. */
  readonly written: string | null;
  readonly stays?: boolean;
  readonly added?: readonly string[];
  /** The lines of all families' diffs that change. */
  readonly diff?: readonly string[];
  readonly lost?: readonly string[];
  readonly ignored?: readonly string[];
}

const OUTBOUND = "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)";
const JUMP =
  "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom IP-MASQ-AGENT chain";
const CONDITION = "-m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT";
const [PLAIN_JUMP, QUOTED_JUMP] = [`"${JUMP}"`, `"\\"${JUMP}\\""`]
  .map((comment) => `A POSTROUTING -m comment --comment ${comment} ${CONDITION}`);
const MASQUERADE = `A IP-MASQ-AGENT -m comment --comment "${OUTBOUND}" -j MASQUERADE`;

/** A key of Tencent's agent, which this one has from some release on. */
const SOURCES = KEY_NAMES.some((name) => String(name) === "nonMasqueradeSrcCIDRs");

const CASES: readonly Case[] = [
  {
    name: "upstream's example",
    args: "--masq-chain=IP-MASQ --v=2 --logtostderr=true --stderrthreshold INFO",
    config: "nonMasqueradeCIDRs:\n  - 10.0.0.0/8\nresyncInterval: 30s\nmasqLinkLocal: false\n",
    from: "upstream",
    flags: ["--masq-chain=IP-MASQ", "--v=2"],
    written: "nonMasqueradeCIDRs:\n  - 10.0.0.0/8\nmasqLinkLocal: false\nresyncInterval: 30s\n",
    stays: true,
    ignored: ["--logtostderr", "--stderrthreshold"],
  },
  {
    name: "upstream's without a config",
    args: "--enable-ipv6=false --random-fully=false --to-ports=1024-2000,5000",
    from: "upstream",
    flags: ["--random-fully=false", "--to-ports=1024-2000,5000"],
    written: null,
  },
  {
    name: "upstream's with keys that only others have",
    config: "masqLinkLocalIPv6: true\nsnatTarget: 1.2.3.4\nfoo: bar\n",
    from: "upstream",
    written: "masqLinkLocalIPv6: true\n",
    lost: ["snatTarget"],
    ignored: ["foo"],
  },
  {
    name: "GKE's arguments, as ps shows them",
    args: "/ip-masq-agent --masq-chain=IP-MASQ --nomasq-all-reserved-ranges",
    config: configMap("ip-masq-agent", { config: "nonMasqueradeCIDRs: [10.4.0.0/14]\n", readme: "x" }),
    from: "gke",
    flags: ["--masq-chain=IP-MASQ", "--nomasq-all-reserved-ranges"],
    written: "nonMasqueradeCIDRs:\n  - 10.4.0.0/14\n",
    stays: true,
  },
  {
    name: "Azure's with its two ConfigMaps",
    args: '["--v=2","--resync-interval=60"]',
    config: list(
      configMap("azure-ip-masq-agent-config-reconciled", {
        "ip-masq-agent-reconciled": "nonMasqueradeCIDRs:\n  - 10.224.0.0/12\nmasqLinkLocal: true\n",
      }),
      configMap("azure-ip-masq-agent-config", {
        "ip-masq-agent": "nonMasqueradeCIDRs: [10.0.0.0/16]\nmasqLinkLocal: false\n",
      }),
    ),
    from: "azure",
    flags: ["--config-path=/etc/config", "--resync-interval=60", "--v=2"],
    written: "nonMasqueradeCIDRs:\n  - 10.224.0.0/12\n  - 10.0.0.0/16\nmasqLinkLocal: true\n",
    stays: true,
    diff: [`--${QUOTED_JUMP}`, `+-${PLAIN_JUMP}`, `--${MASQUERADE}`, `+-${MASQUERADE} --random-fully`],
  },
  {
    name: "Azure's that lists nothing, and has values that it does not look at",
    args: "--random-fully=false",
    config: configMap("x", { "ip-masq-agent": "masqLinkLocal: true\nresyncInterval: 60\n" }),
    from: "azure",
    flags: ["--config-path=/etc/config", "--random-fully=false"],
    written: "nonMasqueradeCIDRs: []\nmasqLinkLocal: true\n",
    added: ["nonMasqueradeCIDRs: []"],
    diff: [`--${QUOTED_JUMP}`, `+-${PLAIN_JUMP}`],
    ignored: ["resyncInterval"],
  },
  {
    name: "Azure's with more entries than one file may have",
    config: configMap(
      "x",
      Object.fromEntries([1, 2].map((file) => {
        const cidrs = Array.from({ length: 40 }, (_, index) => `10.${file}.${index}.0/24`);
        return [`ip-masq-${file}`, `nonMasqueradeCIDRs: [${cidrs}]\nmasqLinkLocal: true\n`];
      })),
    ),
    from: "azure",
    flags: ["--config-path=/etc/config"],
    written: [
      "nonMasqueradeCIDRs:",
      ...[1, 2].flatMap((file) => Array.from({ length: 40 }, (_, index) => `  - 10.${file}.${index}.0/24`)),
      "masqLinkLocal: true",
      "cidrLimit: 80",
      "",
    ].join("\n"),
    added: ["cidrLimit: 80"],
    diff: [`--${QUOTED_JUMP}`, `+-${PLAIN_JUMP}`, `--${MASQUERADE}`, `+-${MASQUERADE} --random-fully`],
  },
  {
    name: "Azure's with as many entries as one file may have",
    config: configMap("x", {
      readme: "not a config",
      "ip-masq-agent": `nonMasqueradeCIDRs: [${Array.from({ length: 64 }, (_, it) => `10.1.${it}.0/24`)}]\n`,
    }),
    from: "azure",
    flags: ["--config-path=/etc/config"],
    written: ["nonMasqueradeCIDRs:", ...Array.from({ length: 64 }, (_, it) => `  - 10.1.${it}.0/24`), ""]
      .join("\n"),
    stays: true,
    diff: [`--${QUOTED_JUMP}`, `+-${PLAIN_JUMP}`, `--${MASQUERADE}`, `+-${MASQUERADE} --random-fully`],
  },
  {
    name: "Azure's arguments without dashes, which Go does not read",
    args: "- resync-interval=30\n- --resync-interval=30\n- enable-ipv6=true\n",
    from: "upstream",
    written: null,
    ignored: ["resync-interval=30 --resync-interval=30 enable-ipv6=true"],
  },
  {
    name: "Tencent's ConfigMap",
    config: configMap("ip-masq-agent-config", {
      config: '{"NonMasqueradeCIDRs":["172.16.0.0/16"],"MasqLinkLocal":true,"ResyncInterval":"1m0s"}',
    }),
    from: "tke",
    written: "nonMasqueradeCIDRs:\n  - 172.16.0.0/16\nmasqLinkLocal: true\nresyncInterval: 1m0s\n",
    stays: true,
  },
  {
    name: "Tencent's sources",
    config: '{"NonMasqueradeCIDRs":["172.16.0.0/16"],"NonMasqueradeSrcCIDRs":["172.16.0.2/32"]}',
    from: "tke",
    written: "nonMasqueradeCIDRs:\n  - 172.16.0.0/16\n" +
      (SOURCES ? "nonMasqueradeSrcCIDRs:\n  - 172.16.0.2/32\n" : ""),
    ...(SOURCES ? { stays: true } : { lost: ["NonMasqueradeSrcCIDRs"] }),
  },
  {
    name: "CCE's of both families",
    args: "--enable-ipv6",
    config: "nonMasqueradeCIDRs: [10.0.0.0/8, fc00::/7]\nmasqueradeCIDRs: [10.10.10.10/32, '::1/128']\n" +
      "masqOutBound: true\nmasqOutBoundIPv6: false\ncidrLimit: 70\n",
    from: "cce",
    flags: ["--enable-ipv6"],
    written: "nonMasqueradeCIDRs:\n  - 10.0.0.0/8\n  - fc00::/7\nmasqueradeCIDRs:\n  - 10.10.10.10/32\n" +
      '  - "::1/128"\nmasqOutBound: true\nmasqOutBoundIPv6: false\ncidrLimit: 70\n',
    stays: true,
  },
];

Deno.test("migrate says how to go on from each of the five agents", async (t) => {
  for (const it of CASES) {
    await t.step(it.name, async () => {
      const files = it.config === undefined ? {} : { "-": it.config };
      const args = [`--args=${it.args ?? ""}`, ...(it.config === undefined ? [] : ["-"])];
      const { code, out, error, commands } = await runOn({ files }, "migrate", "-o", "json", ...args);
      assertEquals([code, error, commands], [0, "", []]);
      const report = JSON.parse(out);
      const names = (remarks: { what: string }[]) => remarks.map(({ what }) => what);
      assertEquals({
        from: report.from,
        flags: report.flags,
        written: report.config,
        stays: report.configStays,
        added: names(report.added),
        diff: report.kernel.flatMap(({ diff }: { diff: string[] }) => diff)
          .filter((line: string) => /^[-+]-/.test(line) && !/^--- /.test(line))
          .toSorted((a: string, b: string) => a.slice(1) < b.slice(1) ? 1 : -1),
        lost: names(report.notTakenOver),
        ignored: names(report.ignored),
      }, {
        from: it.from,
        flags: it.flags ?? [],
        written: it.written,
        stays: it.stays ?? false,
        added: it.added ?? [],
        diff: (it.diff ?? []).toSorted((a, b) => a.slice(1) < b.slice(1) ? 1 : -1),
        lost: it.lost ?? [],
        ignored: it.ignored ?? [],
      });
      // What it writes is good here, and means what it says.
      if (report.config !== null) {
        const again = await runOn({ files: { "-": report.config } }, "validate", "--enable-ipv6", "-");
        assertEquals(again.code, 0, again.out);
      }
    });
  }
});

Deno.test("migrate prints a page for a person", async () => {
  const config = "nonMasqueradeCIDRs: [10.0.0.0/8, 10.1.0.0/16]\nmasqOutBound: false\n";
  const { code, out, error } = await runOn(
    { files: { "-": config } },
    "migrate",
    "--from=azure",
    "--args=--vmodule=a=1",
    "-",
  );
  assertEquals([code, error], [0, ""]);
  assertEquals(
    out,
    `From Azure's ip-masq-agent-v2: --from says so

Flags:
  --config-path=/etc/config

Config:
  nonMasqueradeCIDRs:
    - 10.0.0.0/8
    - 10.1.0.0/16

What changes in the kernel:
  --- IPv4: Azure's ip-masq-agent-v2
  +++ IPv4: this agent
  @@ -1,5 +1,5 @@
  --${QUOTED_JUMP}
  +-${PLAIN_JUMP}
   -A IP-MASQ-AGENT -d 169.254.0.0/16 -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN
   -A IP-MASQ-AGENT -d 10.0.0.0/8 -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN
   -A IP-MASQ-AGENT -d 10.1.0.0/16 -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN
  --${MASQUERADE}
  +-${MASQUERADE} --random-fully
  the jump is written anew, without the quotes in its comment
  MASQUERADE rules get --random-fully; with the flag --random-fully=false they stay as they are
  exempt ranges stand in the order of the files: Azure's shuffles them, which decides nothing

Ignored:
  masqOutBound: Azure's ip-masq-agent-v2 does not know it; here it would act, so it is left out
  --vmodule: it has no meaning here: logs go to standard error

Warnings:
  <stdin>:1:34: warning: nonMasqueradeCIDRs[1]: "10.1.0.0/16" changes nothing, since it lies inside nonMasqueradeCIDRs[0] "10.0.0.0/8"

Next:
  deploy/kubernetes/overlays/azure with these flags and this config; docs/migrate.md has each step
`,
  );
  const bare = await runOn({}, "migrate");
  assertEquals(
    bare.out.split("\n").slice(0, 9),
    `From kubernetes-sigs/ip-masq-agent: nothing points to another agent

Flags:
  none

Config:
  none was given: the defaults are the same

What changes in the kernel:`.split("\n"),
  );
});

Deno.test("migrate refuses what it can't read, with exit code 2", async (t) => {
  const CONFIG_MAP = configMap("x", { a: "", b: "" });
  const cases: [args: string[], input: string, message: string][] = [
    [["--args=--frobnicate"], "", 'ip-masq-agent: Unknown flag "--frobnicate": see --help'],
    [["--args=--once"], "", 'ip-masq-agent: Unknown flag "--once": see --help'],
    [["--args='x"], "", "ip-masq-agent: --args: a quote is not closed: 'x"],
    [[`--args='${"x".repeat(50)}`], "", `ip-masq-agent: --args: a quote is not closed: '${"x".repeat(39)}\n`],
    [["--args=[1]"], "", "ip-masq-agent: --args: not a list of texts: write one such as"],
    [["--args=--masq-chain=INPUT"], "", 'ip-masq-agent: --masq-chain: "INPUT" is the name of'],
    [["--from=aws"], "", 'ip-masq-agent: --from: "aws" is not known: write one of upstream, gke, azure'],
    [["-", "-"], "", 'ip-masq-agent: "-" stands twice'],
    [["/nowhere"], "", "/nowhere: no config there"],
    [["-"], "nonMasqueradeCIDRs: [10.0.0.1/8]", '<stdin>:1:22: nonMasqueradeCIDRs[0]: "10.0.0.1/8" is not'],
    [["-"], "a: [", "<stdin>:1"],
    [
      ["-"],
      "kind: DaemonSet",
      "<stdin>: DaemonSet is no ConfigMap: give the arguments of a container as --args",
    ],
    [["-"], CONFIG_MAP, '<stdin>: ConfigMap "x" has no key "config" or "ip-masq…" (its keys: a, b): give'],
    [
      ["--from=cce", "-", "/b"],
      "",
      "ip-masq-agent: Baidu CCE's cce-ip-masq-agent reads one config, and here are 2: name one of them",
    ],
  ];
  for (const [args, input, message] of cases) {
    await t.step(args.join(" ") + input.slice(0, 20), async () => {
      const { code, out, error } = await runOn({ files: { "-": input, "/b": "" } }, "migrate", ...args);
      assertEquals([code, out, error.slice(0, message.length)], [2, "", message]);
    });
  }
});

Deno.test("migrate promises bytes only where the old agent's source is public, and nothing is lost", async (t) => {
  const cases: [from: string, config: string, line: string][] = [
    ["upstream", "", "  IPv4: chain and jump stay byte for byte"],
    ["gke", "", "  IPv4: chain and jump stay byte for byte"],
    ["cce", "", "  IPv4: chain and jump stay byte for byte"],
    ["tke", "", "  IPv4: the same policy"],
    [
      "upstream",
      "snatTarget: x",
      "  IPv4: chain and jump stay byte for byte, but for what is NOT taken over",
    ],
  ];
  for (const [from, config, line] of cases) {
    await t.step(`${from} ${config}`, async () => {
      const { out } = await runOn({ files: { "-": config } }, "migrate", `--from=${from}`, "-");
      assertEquals(out.split("\n").filter((it) => it.startsWith("  IPv4: ")), [line]);
    });
  }
});

Deno.test("migrate leaves a config path that the program may not read", async () => {
  const said = async (path: string) => {
    const { out } = await runOn({}, "migrate", "-o", "json", `--args=--config-path=${path}`);
    const { flags, ignored } = JSON.parse(out);
    return [flags, ignored.map(({ why }: { why: string }) => why)];
  };
  assertEquals(await said("/etc/config/a"), [["--config-path=/etc/config/a"], []]);
  assertEquals(await said("/etc/configs"), [[], [
    "mount the config below /etc/config or /etc/ip-masq-agent",
  ]]);
});

Deno.test("splitArgs() splits as a shell does, and reads lists", async (t) => {
  const cases: [text: string, args: string[]][] = [
    ["", []],
    [" \n ", []],
    ["--a  --b=c\td", ["--a", "--b=c", "d"]],
    [`--a='b c' --d="e 'f'" g''h`, ["--a=b c", "--d=e 'f'", "gh"]],
    [`''`, [""]],
    ["- --a\n- --b=1\n", ["--a", "--b=1"]],
    ["  - --a - b", ["--a", "-", "b"]],
    ['["--a", "b c"]', ["--a", "b c"]],
    [" []", []],
  ];
  for (const [text, args] of cases) await t.step(text, () => assertEquals(splitArgs(text), args));
  for (const text of ['"', "a'b", "['x']", "[1]", "[", "[[]]"]) {
    await t.step(text, () => void assertThrows(() => splitArgs(text), UsageError, "--args: "));
  }
});

Deno.test("parseContainerArgs() stops where Go's flag package does", async (t) => {
  const cases: [args: string[], values: Record<string, string>, unread: string[]][] = [
    [[], {}, []],
    [["/bin/agent", "-v=1"], { v: "1" }, []],
    [["-v=1", "/bin/agent", "--once"], { v: "1" }, ["/bin/agent", "--once"]],
    [["--masq-chain", "X", "X", "-v=1"], { "masq-chain": "X" }, ["X", "-v=1"]],
    [["--masq-chain", "X", "-v=1", "X", "y"], { "masq-chain": "X", v: "1" }, ["X", "y"]],
    [["--enable-ipv6", "true", "-v=1"], { "enable-ipv6": "true" }, ["true", "-v=1"]],
    [["x", "--masq-chain=A"], {}, ["x", "--masq-chain=A"]],
    [["-v=1", "--", "x"], { v: "1" }, ["x"]],
  ];
  for (const [args, values, unread] of cases) {
    await t.step(args.join(" "), () => {
      const parsed = parseContainerArgs(args, FLAGS);
      assertEquals([Object.fromEntries(parsed.values), parsed.unread], [values, unread]);
    });
  }
});

Deno.test("guessAgent() tells the agents apart", async (t) => {
  const NOTHING: Traces = { flags: [], chain: "IP-MASQ-AGENT", keys: [], configMaps: [], files: 1 };
  const gke = { flags: ["masq-chain", "nomasq-all-reserved-ranges"], chain: "IP-MASQ" };
  const cases: [traces: Partial<Traces>, name: string][] = [
    [{}, "upstream"],
    [{ chain: "IP-MASQ" }, "upstream"],
    [{ flags: ["nomasq-all-reserved-ranges"] }, "upstream"],
    [{ keys: ["nonMasqueradeCIDRs"], configMaps: ["ip-masq-agent/config"] }, "upstream"],
    [gke, "gke"],
    [{ ...gke, flags: [...gke.flags, "resync-interval"] }, "azure"],
    [{ configMaps: ["ip-masq-agent-config/ip-masq-agent"] }, "azure"],
    [{ files: 2 }, "azure"],
    [{ configMaps: ["ip-masq-agent-config/config"] }, "tke"],
    [{ keys: ["a", "NONMASQUERADESRCCIDRS"] }, "tke"],
    [{ keys: ["masqoutbound"] }, "cce"],
    [{ keys: ["masqueradeCIDRs"] }, "cce"],
  ];
  for (const [traces, name] of cases) {
    await t.step(JSON.stringify(traces), () => assertEquals(guessAgent({ ...NOTHING, ...traces })[0], name));
  }
  assertEquals(new Set(cases.map(([, name]) => name)), new Set(KNOWN_AGENTS.map(({ name }) => String(name))));
});
