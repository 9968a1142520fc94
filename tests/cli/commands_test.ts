import { assertEquals, assertMatch } from "@std/assert";
import { CommandNotFoundError } from "../../lib/ports.ts";
import { COMMANDS } from "../../lib/cli/command_definitions.ts";
import { COMMAND_NAMES } from "../../lib/cli/command_names.ts";
import { usage } from "../../lib/cli/usage.ts";
import { UPSTREAM_REFUSES } from "../../lib/config/problem.ts";
import { type Machine, runOn } from "../fakes/system.ts";

const PATH = "/etc/config/ip-masq-agent";
const NOWHERE = `${PATH} or /etc/ip-masq-agent`;
const CONFIG = `nonMasqueradeCIDRs:
  - 10.0.0.0/8
  - 10.1.0.0/16
  - fd00::/8
masqueradeCIDRs: [10.10.10.10/32]
masqOutBoundIPv6: false
`;
const COVERED =
  ':3:5: warning: nonMasqueradeCIDRs[1]: "10.1.0.0/16" changes nothing, since it lies inside nonMasqueradeCIDRs[0] "10.0.0.0/8"\n';
const LOST = ": note: after a rollback to the upstream agent these have no effect: masqueradeCIDRs";
const MACHINE: Machine = {
  files: {
    [PATH]: CONFIG,
    "-": "masqLinkLocal: maybe\ncidrLimit: x\n",
    "/etc/config/b": "masqOutBoundIPv6: false",
  },
};

Deno.test("every command that has a name is defined, in the same order", () => {
  assertEquals(COMMANDS.map(({ name }) => name), [...COMMAND_NAMES]);
});

Deno.test("run() helps with each command in 24 lines of 80 columns, with two examples", async (t) => {
  for (const { name, examples, flags } of COMMANDS) {
    await t.step(name, async () => {
      const { code, out, error } = await runOn({}, name, "--help");
      assertEquals([code, error], [0, ""]);
      assertEquals(out.trimEnd().split("\n").length <= 24, true, out);
      assertEquals(out.split("\n").filter((line) => line.length > 80), []);
      for (const example of examples) assertEquals(out.includes(`\n  ${example}\n`), true);
      for (const flag of flags) {
        const isShown = flag.help !== undefined && flag.name !== "help";
        assertEquals(new RegExp(`--${flag.name}\\b`).test(out), isShown, flag.name);
      }
      assertEquals(await runOn({}, "help", name), { code, out, error, commands: [] });
    });
  }
});

Deno.test("run() takes the examples of each command as they are", async (t) => {
  const files = { [PATH]: "", "-": "" };
  for (
    const { name, examples } of COMMANDS.filter((it) => ["validate", "render", "explain"].includes(it.name))
  ) {
    for (const example of examples) {
      await t.step(example, async () => {
        const words = example.replace(/ <.*/, "").split(" ").slice(1);
        assertEquals(words[0], name);
        assertEquals((await runOn({ files }, ...words)).code, 0);
      });
    }
  }
});

Deno.test("run() says what was meant by a wrong command or flag, and exits with 2", async (t) => {
  const cases: [args: string[], message: string][] = [
    [["vallidate"], 'Unknown command "vallidate": did you mean "validate"?'],
    [["Diff"], 'Unknown command "Diff": did you mean "diff"?'],
    [
      ["frobnicate"],
      'Unknown command "frobnicate": there are validate, render, explain, diff, status, cleanup, migrate, completion; without one, the agent runs',
    ],
    [["--enable-ipv6", "diff"], 'Unexpected "diff": write the command first: ip-masq-agent diff [FLAG]...'],
    [["--once", "x"], 'Unexpected "x": the agent takes flags only, see --help'],
    [["diff", "x"], 'Unexpected "x": diff takes flags only, see diff --help'],
    [["render", "-o", "yaml"], '--output: "yaml" is not known: write one of iptables, nft, table, json'],
    [["render", "--output=jsno"], '--output: "jsno" is not known: did you mean "json"?'],
    [["render", "--strict"], 'Unknown flag "--strict": see --help'],
    [["explain", "--protcol=tcp", "1.1.1.1"], 'Unknown flag "--protcol": did you mean --protocol?'],
    [
      ["cleanup", "--masq-chain=INPUT"],
      '--masq-chain: "INPUT" is the name of a built-in chain or target: choose another one',
    ],
    [["validate", "-", "-"], '"-" stands twice: standard input can be read only once'],
    [["diff", "--config-path="], '--config-path: a path may not be empty: write "-" for standard input'],
  ];
  for (const [args, message] of cases) {
    await t.step(args.join(" "), async () => {
      assertEquals(await runOn(MACHINE, ...args), {
        code: 2,
        out: "",
        error: `ip-masq-agent: ${message}\n`,
        commands: [],
      });
    });
  }
});

Deno.test("every command takes the arguments of a container, and ignores those that do not matter to it", async (t) => {
  const container = ["--v=2", "-logtostderr=true", "--alsologtostderr", "--log_dir", "/x", "--skip_headers"]
    .concat("--metrics-bind-address=127.0.0.1:10264", "--log-format=json", "--cleanup-on-exit");
  for (const { name } of COMMANDS) {
    if (["migrate", "completion"].includes(name)) continue;
    await t.step(name, async () => {
      const args = { explain: ["1.1.1.1"], diff: ["--backend=iptables"] }[name as string] ?? [];
      const reply = kernel("");
      const plain = await runOn({ ...MACHINE, reply }, name, ...args);
      assertEquals([0, 1].includes(plain.code), true, plain.error);
      const ignoring = await runOn({ ...MACHINE, reply }, name, ...container, ...args);
      // What runs side by side ends in any order.
      const texts = (ran: typeof plain) => ran.commands.map((command) => JSON.stringify(command)).sort();
      assertEquals(texts(ignoring), texts(plain));
      assertEquals({ ...ignoring, commands: [] }, { ...plain, commands: [] });
    });
  }
});

Deno.test("validate prints a line for each good config, and every problem of a bad one", async () => {
  assertEquals(await runOn(MACHINE, "validate"), {
    code: 0,
    out:
      `${PATH}${COVERED}${PATH}:4:5: warning: nonMasqueradeCIDRs[2]: "fd00::/8" is ignored while IPv6 is off: ` +
      `start the agent with --enable-ipv6; ${UPSTREAM_REFUSES}\n${PATH}${LOST}, masqOutBoundIPv6\n${PATH}: ok (4 CIDRs, IPv4 3, IPv6 1)\n`,
    error: "",
    commands: [],
  });
  const { code, out } = await runOn(
    MACHINE,
    "validate",
    "--enable-ipv6",
    "--strict",
    PATH,
    "-",
    "/nowhere",
    "/etc/config/b",
  );
  assertEquals(code, 2);
  assertEquals(out.split("\n"), [
    `${PATH}${COVERED.trimEnd()}`,
    `${PATH}${LOST}, masqOutBoundIPv6`,
    `${PATH}: bad (1 warning)`,
    '<stdin>:1:1: masqLinkLocal: "maybe" is not a boolean: write true or false, without quotes',
    '<stdin>:2:1: cidrLimit: "x" is not a whole number of 0 or more: write one such as 64, without quotes',
    "<stdin>: bad (2 errors)",
    "/nowhere: no config there: name a file, or a folder with files whose names start with ip-masq",
    "/nowhere: bad (1 error)",
    `/etc/config/b${LOST.replace("masqueradeCIDRs", "masqOutBoundIPv6")}`,
    "/etc/config/b: ok (3 CIDRs, IPv4 3, IPv6 0)",
    "",
  ]);
});

Deno.test("validate of a machine without a config says that the defaults hold", async () => {
  const { code, out } = await runOn({}, "validate");
  assertEquals([code, out], [
    0,
    `${NOWHERE}: ok (no file there, so the defaults: 3 CIDRs, IPv4 3, IPv6 0)\n`,
  ]);
});

Deno.test("validate -o json is for programs", async () => {
  const { code, out, error } = await runOn(MACHINE, "validate", "-o", "json", "--enable-ipv6", PATH, "-");
  assertEquals([code, error], [2, ""]);
  assertEquals(JSON.parse(out), [
    {
      path: PATH,
      ok: true,
      cidrs: { total: 4, IPv4: 3, IPv6: 1 },
      unknownUpstream: ["masqueradeCIDRs", "masqOutBoundIPv6"],
      problems: [{
        severity: "warning",
        file: PATH,
        line: 3,
        column: 5,
        key: "nonMasqueradeCIDRs[1]",
        message: '"10.1.0.0/16" changes nothing, since it lies inside nonMasqueradeCIDRs[0] "10.0.0.0/8"',
      }],
    },
    {
      path: "<stdin>",
      ok: false,
      problems: [
        ["masqLinkLocal", 1, '"maybe" is not a boolean: write true or false, without quotes'],
        ["cidrLimit", 2, '"x" is not a whole number of 0 or more: write one such as 64, without quotes'],
      ].map(([key, line, message]) => ({
        severity: "error",
        file: "<stdin>",
        line,
        column: 1,
        key,
        message,
      })),
    },
  ]);
});

Deno.test("render prints what iptables-restore reads, family by family", async () => {
  const { code, out, error, commands } = await runOn(MACHINE, "render", "--enable-ipv6", "--masq-chain=OURS");
  assertEquals([code, error, commands], [0, PATH + COVERED, []]);
  const comment = (text: string) => `-m comment --comment "ip-masq-agent: ${text}"`;
  const jump = "-A POSTROUTING " +
    comment("ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom OURS chain") +
    " -m addrtype ! --dst-type LOCAL -j OURS";
  const keep = (cidr: string) =>
    `-A OURS -d ${cidr} ${comment("local traffic is not subject to MASQUERADE")} -j RETURN`;
  assertEquals(out.split("\n"), [
    "# IPv4, for iptables-restore --noflush",
    "*nat",
    ":OURS - [0:0]",
    jump,
    `-A OURS -d 10.10.10.10/32 ${
      comment("specific outbound traffic is subject to MASQUERADE")
    } -j MASQUERADE --random-fully`,
    keep("169.254.0.0/16"),
    keep("10.0.0.0/8"),
    keep("10.1.0.0/16"),
    `-A OURS ${
      comment("outbound traffic is subject to MASQUERADE (must be last in chain)")
    } -j MASQUERADE --random-fully`,
    "COMMIT",
    "# IPv6, for ip6tables-restore --noflush",
    "*nat",
    ":OURS - [0:0]",
    jump,
    keep("fe80::/10"),
    keep("fd00::/8"),
    "COMMIT",
    "",
  ]);
});

Deno.test("render -o table tells where each rule comes from", async () => {
  const { out } = await runOn(MACHINE, "render", "-o", "table", "--enable-ipv6", "--to-ports=1024-2000");
  assertEquals(
    out,
    `IPv4, chain IP-MASQ-AGENT, source ports 1024-2000
#  destination     source address  from
1  10.10.10.10/32  masquerade      ${PATH}:5:19 masqueradeCIDRs[0]
2  169.254.0.0/16  keep            default of masqLinkLocal
3  10.0.0.0/8      keep            ${PATH}:2:5 nonMasqueradeCIDRs[0]
4  10.1.0.0/16     keep            ${PATH}:3:5 nonMasqueradeCIDRs[1]
5  all others      masquerade      default of masqOutBound

IPv6, chain IP-MASQ-AGENT, source ports 1024-2000
#  destination  source address  from
1  fe80::/10    keep            default of masqLinkLocalIPv6
2  fd00::/8     keep            ${PATH}:4:5 nonMasqueradeCIDRs[2]
All other destinations keep the source address.
`,
  );
});

Deno.test("render -o json has every rule with its place", async () => {
  const { out } = await runOn(MACHINE, "render", "-o=json", "--random-fully=false", "--to-ports=1-2,5-9");
  const [ipv4, ...others] = JSON.parse(out);
  assertEquals(others, []);
  assertEquals([ipv4.family, ipv4.chain, ipv4.randomFully], ["IPv4", "IP-MASQ-AGENT", false]);
  assertEquals(ipv4.toPorts, [{ first: 1, last: 2 }, { first: 5, last: 9 }]);
  assertEquals(ipv4.rules[0], {
    destination: "10.10.10.10/32",
    target: "MASQUERADE",
    comment: "ip-masq-agent: specific outbound traffic is subject to MASQUERADE",
    origin: { file: PATH, line: 5, column: 19, key: "masqueradeCIDRs[0]" },
  });
  assertEquals(ipv4.rules.at(-1), {
    target: "MASQUERADE",
    comment: "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)",
    origin: { key: "masqOutBound" },
  });
});

Deno.test("explain says for each address what happens, by which rule and line", async () => {
  const { code, out } = await runOn(
    MACHINE,
    "explain",
    "--enable-ipv6",
    "10.10.10.10",
    "10.1.2.3",
    "8.8.8.8",
    "FD00::1",
    "2001:db8::1",
    "127.0.0.1",
  );
  assertEquals(code, 0);
  assertEquals(
    out,
    `10.10.10.10: masqueraded
  rule 1: 10.10.10.10/32, ${PATH}:5:19 masqueradeCIDRs[0]
  shadowed: 10.0.0.0/8, ${PATH}:2:5 nonMasqueradeCIDRs[0]
10.1.2.3: not masqueraded
  rule 3: 10.0.0.0/8, ${PATH}:2:5 nonMasqueradeCIDRs[0]
  shadowed: 10.1.0.0/16, ${PATH}:3:5 nonMasqueradeCIDRs[1]
8.8.8.8: masqueraded
  rule 5: all other destinations, default of masqOutBound
fd00::1: not masqueraded
  rule 2: fd00::/8, ${PATH}:4:5 nonMasqueradeCIDRs[2]
2001:db8::1: not masqueraded
  no rule is for it, and masqOutBoundIPv6 is false: ${PATH}:6:1 masqOutBoundIPv6
127.0.0.1: not masqueraded
  it is the node's own address, and only traffic that leaves the node is masqueraded
`,
  );
});

Deno.test("explain answers with each case where it depends on the source, and with one where that is said", async () => {
  const config =
    "nonMasqueradeCIDRs: []\nmasqLinkLocal: true\nnonMasqueradeSrcCIDRs: [10.1.0.0/16, 10.2.0.0/16]\n";
  const explain = (...args: string[]) =>
    runOn({ files: { "-": config } }, "explain", "--config-path=-", ...args);
  assertEquals(
    (await explain("8.8.8.8")).out,
    `8.8.8.8: from 10.1.0.0/16: not masqueraded; from 10.2.0.0/16: not masqueraded; from elsewhere: masqueraded
  rule 1: from 10.1.0.0/16, <stdin>:3:25 nonMasqueradeSrcCIDRs[0]
  rule 2: from 10.2.0.0/16, <stdin>:3:38 nonMasqueradeSrcCIDRs[1]
  rule 3: all other destinations, default of masqOutBound
`,
  );
  assertEquals(
    (await explain("--source=10.2.9.9", "8.8.8.8")).out,
    `8.8.8.8: not masqueraded
  rule 2: from 10.2.0.0/16, <stdin>:3:38 nonMasqueradeSrcCIDRs[1]
`,
  );
  const [answer] = JSON.parse((await explain("-o", "json", "8.8.8.8")).out);
  assertEquals([answer.masqueraded, answer.exceptions[1].masqueraded, answer.exceptions[1].if], [
    true,
    false,
    [
      "source",
    ],
  ]);
  assertEquals(answer.exceptions[1].rule.source, "10.2.0.0/16");
});

Deno.test("explain answers with each case in order where it depends on what was not said", async (t) => {
  const files = {
    "-": `rules:
- {name: host, from: node, action: keep}
- {name: billing, from: [10.244.8.0/24], action: snat, address: 198.51.100.7}
- {via: [eth1], protocols: [tcp, udp], ports: [80, 443], action: masquerade}
masqOutBound: false
`,
  };
  const cases: [args: string[], answer: string][] = [
    [
      [],
      "from this node: not masqueraded, rule host; from 10.244.8.0/24: leaves as 198.51.100.7, rule billing; " +
      "via eth1 with tcp, udp to port 80,443: masqueraded, rule 2; otherwise: not masqueraded",
    ],
    [["--source=node"], "not masqueraded, rule host"],
    [
      ["--source=10.244.8.9"],
      "from this node: not masqueraded, rule host; from elsewhere: leaves as 198.51.100.7, rule billing",
    ],
    [
      ["--source=10.9.9.9", "--via=eth1", "--protocol=tcp", "--port=80"],
      "from this node: not masqueraded, rule host; from elsewhere: masqueraded, rule 2",
    ],
    [
      ["--source=10.9.9.9", "--via=eth0"],
      "from this node: not masqueraded, rule host; from elsewhere: not masqueraded",
    ],
  ];
  for (const [args, answer] of cases) {
    await t.step(args.join(" "), async () => {
      const { out } = await runOn({ files }, "explain", "--config-path=-", ...args, "8.8.8.8");
      assertEquals(out.split("\n")[0], `8.8.8.8: ${answer}`);
    });
  }
  await t.step("as data", async () => {
    const args = ["-o", "json", "--config-path=-", "--source=10.244.8.9", "8.8.8.8"];
    const [answer] = JSON.parse((await runOn({ files }, "explain", ...args)).out);
    assertEquals([answer.masqueraded, answer.leavesAs, answer.rule.name], [false, "198.51.100.7", "billing"]);
    assertEquals(answer.exceptions.map((it: { if: string[] }) => it.if), [["fromNode"]]);
  });
});

Deno.test("explain says where source and protocol change nothing, and which ports are taken", async (t) => {
  const cases: [args: string[], ...lines: string[]][] = [
    [["2001:db8::1"], "IPv6 is off: start the agent with --enable-ipv6 to have rules for it"],
    [
      ["--source=10.2.2.2", "--protocol=icmp", "8.8.8.8"],
      "rule 5: all other destinations, default of masqOutBound",
      "--source 10.2.2.2 changes nothing: rules look at the destination only",
      "--protocol icmp changes nothing: without --to-ports all protocols are treated alike",
    ],
    [
      ["--to-ports=1024-2000,3000-4000", "8.8.8.8"],
      "rule 5: all other destinations, default of masqOutBound",
      "source ports: 1024-2000,3000-4000 (tcp, udp, sctp)",
    ],
    [
      ["--to-ports=1024-2000", "--protocol=17", "8.8.8.8"],
      "rule 5: all other destinations, default of masqOutBound",
      "source ports: 1024-2000 (udp)",
    ],
    [
      ["--to-ports=1024-2000", "--protocol=ICMP", "8.8.8.8"],
      "rule 5: all other destinations, default of masqOutBound",
      "--protocol icmp changes nothing: --to-ports is for tcp, udp, sctp only",
    ],
    [
      ["--to-ports=1024-2000", "--protocol=tcp", "192.168.1.1"],
      "rule 4: 192.168.0.0/16, default of nonMasqueradeCIDRs",
      "--protocol tcp changes nothing: no protocol is masqueraded",
    ],
  ];
  for (const [args, ...lines] of cases) {
    await t.step(args.join(" "), async () => {
      const { code, out } = await runOn({}, "explain", ...args);
      assertEquals([code, out.trimEnd().split("\n  ").slice(1)], [0, lines]);
    });
  }
});

Deno.test("explain rejects what is no address or protocol, all of them in one go", async (t) => {
  const cases: [args: string[], ...messages: string[]][] = [
    [[], "explain needs an address: write ip-masq-agent explain 203.0.113.10"],
    [
      ["example.com", "10.0.0.0/8", "1.2.3", "010.1.1.1", "::ffff:1.2.3.4", "1.1.1.1"],
      '"example.com" is a name, and names are not looked up: write an IP address',
      '"10.0.0.0/8" is a CIDR: write one address, such as 10.0.0.0',
      '"1.2.3" is not an IP address: write one such as 203.0.113.10 or 2001:db8::1',
      '"010.1.1.1" is not an IP address: "010" has a leading zero, which some tools read as octal: write one such as 203.0.113.10 or 2001:db8::1',
      '"::ffff:1.2.3.4" is an IPv4-mapped address, which no packet carries: did you mean 1.2.3.4?',
    ],
    [["a\nb"], '"a\\u000ab" is not an IP address: write one such as 203.0.113.10 or 2001:db8::1'],
    [
      ["--source=localhost", "1.1.1.1"],
      '--source: "localhost" is a name, and names are not looked up: write an IP address',
    ],
    [["--source=fd00::1", "1.1.1.1"], "--source: fd00::1 is IPv6, and 1.1.1.1 is IPv4: no packet has both"],
    [["--via=eth+", "1.1.1.1"], '--via: "eth+" is a pattern: write one interface such as "eth0"'],
    [["--port=0", "1.1.1.1"], '--port: "0" is not a port: write a number from 1 to 65535'],
    [["--protocol=tpc", "1.1.1.1"], '--protocol: "tpc" is not a protocol: did you mean "tcp"?'],
    [
      ["--protocol=300", "1.1.1.1"],
      '--protocol: "300" is not a protocol: write one of icmp, igmp, tcp, udp, dccp, gre, esp, ah, icmpv6, sctp, udplite, or a number up to 255',
    ],
  ];
  for (const [args, ...messages] of cases) {
    await t.step(args.join(" "), async () => {
      const { code, out, error } = await runOn(MACHINE, "explain", ...args);
      assertEquals([code, out], [2, ""]);
      assertEquals(error, messages.map((message) => `ip-masq-agent: ${message}\n`).join(""));
    });
  }
});

Deno.test("explain -o json is for programs", async () => {
  const { out } = await runOn(MACHINE, "explain", "-o", "json", "--to-ports=5-6", "10.10.10.10", "fd00::1");
  assertEquals(JSON.parse(out), [
    {
      address: "10.10.10.10",
      family: "IPv4",
      masqueraded: true,
      reason: "rule",
      rule: {
        number: 1,
        destination: "10.10.10.10/32",
        origin: { file: PATH, line: 5, column: 19, key: "masqueradeCIDRs[0]" },
      },
      toPorts: [{ first: 5, last: 6 }],
      shadowed: [{
        destination: "10.0.0.0/8",
        origin: { file: PATH, line: 2, column: 5, key: "nonMasqueradeCIDRs[0]" },
      }],
    },
    { address: "fd00::1", family: "IPv6", masqueraded: false, reason: "family-off", shadowed: [] },
  ]);
});

Deno.test("every command that reads a bad config shows its errors and exits with 2", async (t) => {
  for (const args of [["render"], ["explain", "1.1.1.1"], ["diff"]]) {
    await t.step(args.join(" "), async () => {
      assertEquals(await runOn(MACHINE, ...args, "--config-path=-"), {
        code: 2,
        out: "",
        error: '<stdin>:1:1: masqLinkLocal: "maybe" is not a boolean: write true or false, without quotes\n' +
          '<stdin>:2:1: cidrLimit: "x" is not a whole number of 0 or more: write one such as 64, without quotes\n',
        commands: [],
      });
    });
  }
});

/** Plays back what a command does. */
type Reply = NonNullable<Machine["reply"]>;

/** A kernel that has what `-S` lists, in each family and variant. */
function kernel(listing: string): Reply {
  const saved = listing.replace(/^-N (\S+)$/gm, ":$1 - [0:0]");
  return ({ name, input, args }) => {
    if (args.includes("chains")) return { stdout: '{"nftables": []}' };
    if (name === "nft") return { code: 1, stderr: "Error: No such file or directory\n" };
    if (input === undefined && name.endsWith("-restore")) return { stdout: `${name} v1.8.11 (nf_tables)\n` };
    if (name.endsWith("-save")) return { stdout: `*nat\n:POSTROUTING ACCEPT [0:0]\n${saved}COMMIT\n` };
    if (!input!.includes("-S")) return {};
    const isAbsent = input!.includes("-S IP-MASQ-AGENT") && !listing.includes("-N IP-MASQ-AGENT");
    return { code: isAbsent ? 1 : 0, stdout: `-P POSTROUTING ACCEPT\n${listing}` };
  };
}

Deno.test("diff only reads, in colour where a terminal shows it", async () => {
  for (const useColor of [false, true]) {
    const { code, out, commands } = await runOn(
      { reply: kernel(""), useColor },
      "diff",
      "--backend=iptables",
    );
    assertEquals(code, 1);
    assertEquals(
      commands.filter(({ input }) => input !== undefined && !/^\*nat\n(-S.*\n)+COMMIT\n$/.test(input)),
      [],
    );
    assertEquals(out.includes("\x1b["), useColor);
    const bold = useColor ? "\x1b[1m" : "";
    assertEquals(out.startsWith(`${bold}--- IPv4: kernel (iptables-restore)`), true, out);
  }
});

Deno.test("diff of families that can't be read exits with 2, and goes on with the others", async () => {
  const reply: Reply = (command) =>
    command.name.startsWith("ip6")
      ? { code: 3, stderr: "Permission denied (you must be root)" }
      : kernel("")(command);
  const { code, out, error } = await runOn({ reply }, "diff", "--backend=iptables", "--enable-ipv6");
  assertEquals(code, 2);
  assertMatch(out, /^--- IPv4/);
  assertMatch(
    error,
    /^Config: none at .*, so the defaults\nwarning: nonMasqueradeCIDRs: no IPv6 .*\nip-masq-agent: IPv6: ip6tables-restore cannot .*: run the agent as root, or with the capabilities/,
  );
});

Deno.test("--dry-run exits with 0 whether something differs or not, and with 1 where it can't tell", async () => {
  const differs = await runOn({ reply: kernel("") }, "--backend=iptables", "--dry-run");
  assertEquals([differs.code, differs.out.startsWith("--- IPv4")], [0, true]);
  const failed = await runOn(
    {
      reply: () => ({ code: 4, stderr: "Another app is currently holding the xtables lock" }),
    },
    "--backend=iptables",
    "--dry-run",
  );
  assertEquals([failed.code, failed.out], [1, ""]);
});

Deno.test("cleanup skips what is not installed, and goes on behind what fails", async () => {
  const missing = new CommandNotFoundError("nft", ["/usr/sbin"]);
  assertEquals(
    await runOn({ reply: () => missing }, "cleanup").then(({ code, out, error }) => [code, out, error]),
    [
      0,
      "Nothing to remove: neither iptables nor nft is installed\n",
      "",
    ],
  );
  const half: Reply = (command) =>
    command.name === "iptables-nft-save"
      ? { code: 3, stderr: "Permission denied (you must be root)" }
      : command.name.includes("legacy")
      ? missing
      : kernel("-N IP-MASQ-AGENT\n")(command);
  const { code, out, error } = await runOn({ reply: half }, "cleanup");
  assertEquals([code, out], [1, "iptables-nft IPv6: removed chain IP-MASQ-AGENT (0 rules)\n"]);
  assertMatch(error, /^ip-masq-agent: iptables-nft IPv4: iptables-nft-save cannot read the rules/);
});

Deno.test("cleanup uses the plain iptables where neither variant has its own name, and only there", async () => {
  const missing = new CommandNotFoundError("nft", ["/usr/sbin"]);
  const old = kernel("-N IP-MASQ-AGENT\n");
  const reply: Reply = (command) => /nft|legacy/.test(command.name) ? missing : old(command);
  const { code, out } = await runOn({ reply }, "cleanup");
  const lines = ["IPv4", "IPv6"].map((family) =>
    `iptables ${family}: removed chain IP-MASQ-AGENT (0 rules)\n`
  );
  assertEquals([code, out], [0, lines.join("")]);
  const { commands } = await runOn({ reply: old }, "cleanup");
  assertEquals(commands.filter(({ name }) => !/nft|legacy/.test(name)), []);
});

Deno.test("cleanup removes the tables of nftables, also where there is no iptables", async () => {
  const missing = new CommandNotFoundError("nft", ["/usr/sbin"]);
  const reply: Reply = ({ name }) => name === "nft" ? { stdout: '{"nftables": []}' } : missing;
  const { code, out, commands } = await runOn({ reply }, "cleanup");
  const lines = ["IPv4", "IPv6"].map((family) => `nftables ${family}: removed table ip-masq-agent\n`);
  assertEquals([code, out], [0, lines.join("")]);
  assertEquals(commands.flatMap(({ name, input }) => name === "nft" && input ? [input] : []), [
    "delete table ip ip-masq-agent\n",
    "delete table ip6 ip-masq-agent\n",
  ]);
});

Deno.test("render -o nft prints a script for nft that may be run again and again", async () => {
  const { code, out } = await runOn({}, "render", "-o", "nft", "--enable-ipv6");
  assertEquals(code, 0);
  assertEquals(out.match(/^(?:add|delete|table) .*?ip6? ip-masq-agent/gm), [
    "add table ip ip-masq-agent",
    "delete table ip ip-masq-agent",
    "table ip ip-masq-agent",
    "add table ip6 ip-masq-agent",
    "delete table ip6 ip-masq-agent",
    "table ip6 ip-masq-agent",
  ]);
});

Deno.test("cleanup --dry-run writes nothing", async () => {
  const reply = kernel("-N IP-MASQ-AGENT\n-A POSTROUTING -j IP-MASQ-AGENT\n-A IP-MASQ-AGENT -j MASQUERADE\n");
  const { code, out, commands } = await runOn({ reply }, "cleanup", "--dry-run");
  assertEquals(code, 0);
  assertEquals(
    out.split("\n")[0],
    "iptables-nft IPv4: would remove chain IP-MASQ-AGENT (1 rule) and 1 jump to it",
  );
  assertEquals(
    commands.filter(({ input }) => /-[ADFXN] /.test(input ?? "") && input!.includes("COMMIT")),
    [],
  );
});

Deno.test("cleanup says what it could not remove, goes on, and exits with 1", async () => {
  const reply: Reply = (command) =>
    command.name === "ip6tables-nft-restore" && command.input?.includes("-X ")
      ? { code: 1, stderr: "busy" }
      : kernel("-N IP-MASQ-AGENT\n")(command);
  const { code, out, error } = await runOn({ reply }, "cleanup");
  assertEquals(code, 1);
  assertEquals(out.match(/^\S+ IPv\d/gm), [
    "iptables-nft IPv4",
    "iptables-legacy IPv4",
    "iptables-legacy IPv6",
  ]);
  assertEquals(
    error,
    "ip-masq-agent: iptables-nft IPv6: ip6tables-nft-restore cannot write the rules: exit code 1: busy\n",
  );
});

Deno.test("cleanup says that there is nothing to remove, where something is installed", async () => {
  const { code, out, error } = await runOn({
    reply: (command) =>
      command.name.includes("legacy")
        ? new CommandNotFoundError(command.name, ["/usr/sbin"])
        : kernel("-N OTHER\n")(command),
  }, "cleanup");
  assertEquals([code, out, error], [0, "Nothing to remove\n", ""]);
});

Deno.test("--help and --version print, run nothing that writes, and exit with 0", async (t) => {
  for (const args of [["--help"], ["-h"], ["help"], ["--help", "--once", "x"]]) {
    await t.step(args.join(" "), async () => {
      assertEquals(await runOn({}, ...args), { code: 0, out: usage(), error: "", commands: [] });
    });
  }
  for (const args of [["--version"], ["-V", "--once"]]) {
    await t.step(args.join(" "), async () => {
      const { code, out, commands } = await runOn({ reply: () => ({ stdout: "nft v1.0.6\n" }) }, ...args);
      assertEquals([code, out.split("\n")[0]], [0, "ip-masq-agent 1.2.3"]);
      assertEquals(commands.filter((command) => command.args.join() !== "--version"), []);
    });
  }
});

Deno.test("a command's help says where it reads its config from", async () => {
  const { out } = await runOn({}, "render", "--help");
  assertMatch(out, /--config-path=TEXT +config file, folder, or - for stdin/);
});

Deno.test("cleanup says in words what it removed", async (t) => {
  const jump = "-A POSTROUTING -j IP-MASQ-AGENT\n";
  const rule = "-A IP-MASQ-AGENT -j RETURN\n";
  const cases: [listing: string, removed: string][] = [
    ["-N IP-MASQ-AGENT\n", "chain IP-MASQ-AGENT (0 rules)"],
    [`-N IP-MASQ-AGENT\n${jump}${rule}`, "chain IP-MASQ-AGENT (1 rule) and 1 jump to it"],
    [`-N IP-MASQ-AGENT\n${jump}${jump}${rule}${rule}`, "chain IP-MASQ-AGENT (2 rules) and 2 jumps to it"],
    [jump, "1 jump to IP-MASQ-AGENT"],
  ];
  for (const [listing, removed] of cases) {
    await t.step(removed, async () => {
      const reply: Reply = (command) =>
        command.name.includes("nft")
          ? new CommandNotFoundError(command.name, ["/usr/sbin"])
          : kernel(listing)(command);
      const { code, out } = await runOn({ reply }, "cleanup");
      assertEquals([code, out.split("\n")[0]], [0, `iptables-legacy IPv4: removed ${removed}`]);
    });
  }
});

Deno.test("cleanup leaves a chain alone that others lead to, and names their rule", async () => {
  const reply = kernel("-N FOREIGN\n-N IP-MASQ-AGENT\n-A FOREIGN -d 10.0.0.0/8 -j IP-MASQ-AGENT\n");
  const { code, out, error, commands } = await runOn({ reply }, "cleanup");
  assertEquals([code, out], [1, ""]);
  assertEquals(
    error.split("\n")[0],
    "ip-masq-agent: iptables-nft IPv4: chain IP-MASQ-AGENT is in use, and nothing of it was removed: " +
      "first remove -A FOREIGN -d 10.0.0.0/8 -j IP-MASQ-AGENT",
  );
  assertEquals(
    commands.filter(({ input }) => /-[ADFXN] /.test(input ?? "") && input!.includes("COMMIT")),
    [],
  );
});

Deno.test("cleanup --masq-chain removes that chain and nothing else of ours", async () => {
  const rule = '-A OTHER -m comment --comment "ip-masq-agent: local traffic" -j RETURN\n';
  const jump =
    '-A POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL ' +
    'destination traffic to our custom OTHER chain" -j OTHER\n';
  const listing = `-N MINE\n-N OTHER\n${jump}-A POSTROUTING -j MINE\n-A MINE -j RETURN\n${rule}`;
  const { code, out, commands } = await runOn({ reply: kernel(listing) }, "cleanup", "--masq-chain=MINE");
  assertEquals(code, 0);
  assertEquals(out.split("\n")[0], "iptables-nft IPv4: removed chain MINE (1 rule) and 1 jump to it");
  assertEquals(commands.filter(({ input, name }) => name === "nft" || input?.includes("OTHER")), []);
  const all = await runOn({ reply: kernel(listing) }, "cleanup");
  assertEquals(all.out.split("\n")[0], "iptables-nft IPv4: removed chain OTHER (1 rule) and 1 jump to it");
  assertEquals(all.out.includes("MINE"), false);
});
