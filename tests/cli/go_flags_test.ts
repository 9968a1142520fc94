import { assertEquals, assertThrows } from "@std/assert";
import { parseAgentOptions } from "../../lib/cli/agent_options.ts";
import { FLAGS } from "../../lib/cli/flag_definitions.ts";
import { parseGoFlags, UsageError } from "../../lib/cli/go_flags.ts";
import { usage } from "../../lib/cli/usage.ts";
import { parsePortRanges } from "../../lib/config/port_range.ts";

Deno.test("parseAgentOptions() of nothing gives the defaults", () => {
  assertEquals(parseAgentOptions([]) as unknown, {
    configPaths: ["/etc/config/ip-masq-agent", "/etc/ip-masq-agent"],
    backend: "auto",
    once: false,
    dryRun: false,
    enableIpv6: false,
    chainName: "IP-MASQ-AGENT",
    allReservedRanges: false,
    resyncSeconds: undefined,
    randomFully: true,
    toPorts: [],
    verbosity: 0,
    skipHeaders: false,
    logFormat: "text",
    metricsHost: undefined,
    cleanupOnExit: false,
    watchRules: true,
    flushFlows: false,
    showVersion: false,
    showHelp: false,
    ignoredFlags: [],
  });
});

Deno.test("parseAgentOptions() reads flags as Go does", async (t) => {
  const cases: [args: string[], key: string, value: unknown][] = [
    [["--masq-chain=A"], "chainName", "A"],
    [["--masq-chain", "A"], "chainName", "A"],
    [["-masq-chain", "A"], "chainName", "A"],
    [["-masq-chain=A"], "chainName", "A"],
    [["--masq_chain=A"], "chainName", "A"],
    [["--masq-chain=A", "--masq-chain=B"], "chainName", "B"],
    [["--enable-ipv6"], "enableIpv6", true],
    [["-enable-ipv6"], "enableIpv6", true],
    [["--enable-ipv6", "--enable-ipv6=false"], "enableIpv6", false],
    ...["true", "1", "t", "T", "TRUE", "True"].map((text) =>
      [[`--once=${text}`], "once", true] as [string[], string, unknown]
    ),
    ...["false", "0", "f", "F", "FALSE", "False"].map((text) =>
      [[`--random-fully=${text}`], "randomFully", false] as [string[], string, unknown]
    ),
    [["--nomasq-all-reserved-ranges"], "allReservedRanges", true],
    [["--resync-interval=30"], "resyncSeconds", 30],
    [["--resync-interval", "86400"], "resyncSeconds", 86_400],
    [["-v", "4"], "verbosity", 4],
    [["-v=2"], "verbosity", 2],
    [["--v=2"], "verbosity", 2],
    [["--config-path=/a=b"], "configPaths", ["/a=b"]],
    [["--config-path=-", "--once"], "configPaths", ["-"]],
    [["--dry-run", "--config-path", "-"], "configPaths", ["-"]],
    [["--skip-headers"], "skipHeaders", true],
    [["--to-ports="], "toPorts", []],
    [["--to-ports=40000,5-7"], "toPorts", parsePortRanges("40000-40000,5-7")],
    [["-h"], "showHelp", true],
    [["--version"], "showVersion", true],
    [["-V"], "showVersion", true],
    [["--log-format=json"], "logFormat", "json"],
    [["--log-format=journald"], "logFormat", "journald"],
    [["--flush-flows"], "flushFlows", true],
    [["--metrics-bind-address=127.0.0.1:10264"], "metricsHost", "127.0.0.1"],
    [["--metrics-bind-address=[::]:10264"], "metricsHost", "::"],
  ];
  for (const [args, key, value] of cases) {
    await t.step(args.join(" "), () => {
      assertEquals((parseAgentOptions(args) as unknown as Record<string, unknown>)[key], value);
    });
  }
});

Deno.test("parseAgentOptions() takes klog's flags and names those that mean nothing here", () => {
  const { ignoredFlags } = parseAgentOptions([
    "--logtostderr",
    "--stderrthreshold",
    "INFO",
    "--vmodule=a=1",
    "-log_dir=/x",
  ]);
  assertEquals(ignoredFlags, ["logtostderr", "stderrthreshold", "log_dir", "vmodule"]);
});

Deno.test("parseAgentOptions() takes every flag of klog v2, with a value of its type", () => {
  const booleans = ["add_dir_header", "alsologtostderr", "legacy_stderr_threshold_behavior", "logtostderr"]
    .concat("one_output", "skip_headers", "skip_log_headers");
  const others = ["alsologtostderrthreshold", "log_backtrace_at", "log_dir", "log_file", "log_file_max_size"]
    .concat("stderrthreshold", "vmodule", "log_link", "logbuflevel", "log-flush-frequency");
  const { ignoredFlags } = parseAgentOptions([
    ...booleans.flatMap((name) => [`-${name}`, `--${name}=false`, `--${name.replaceAll("_", "-")}`]),
    ...others.flatMap((name) => [`--${name}=1`, `-${name}`, "2"]),
    "-v=1",
  ]);
  const expected = [...booleans.filter((name) => name !== "skip_headers"), ...others];
  assertEquals(ignoredFlags.toSorted(), expected.toSorted());
});

Deno.test("parseAgentOptions() says in one line what is wrong and what to write", async (t) => {
  const cases: [args: string[], message: string][] = [
    [["--enable-ipv4"], 'Unknown flag "--enable-ipv4": did you mean --enable-ipv6?'],
    [["--masq-chian=A"], 'Unknown flag "--masq-chian": did you mean --masq-chain?'],
    [["-V=2"], "--version=2 is not a boolean"],
    [["--masq-chain=!A"], '--masq-chain: "!A" is not a chain name'],
    [["-xyzzy"], 'Unknown flag "-xyzzy": see --help'],
    [["--"], ""],
    [["--masq-chain"], "--masq-chain needs a value: write --masq-chain=VALUE"],
    [["--config-path", "--once=true"], "--config-path needs a value: write --config-path=VALUE"],
    [["--config-path", "--once"], "--config-path needs a value: write --config-path=VALUE"],
    [
      ["--enable-ipv6=maybe"],
      "--enable-ipv6=maybe is not a boolean: write --enable-ipv6=true or --enable-ipv6=false",
    ],
    [["--enable-ipv6="], "--enable-ipv6= is not a boolean"],
    [["--resync-interval=0"], "--resync-interval: 0 is too short: the shortest is 1 second"],
    [["--resync-interval=30s"], "--resync-interval=30s is not a number"],
    [["--resync-interval=1000000"], "--resync-interval=1000000 is not a number"],
    [["--v=loud"], "--v=loud is not a number: write one such as --v=2"],
    [["--enable-ipv6", "false"], 'Unexpected "false": write --enable-ipv6=false'],
    [["--masq-chain=POSTROUTING"], '--masq-chain: "POSTROUTING" is the name of a built-in chain or target'],
    [["--to-ports=0-70000"], '--to-ports: "0-70000" is not within the ports 1 to 65535'],
    [["--config-path=config.yaml"], '--config-path: "config.yaml" is not an absolute path'],
    [["--log-format=xml"], '--log-format: "xml" is not known: write one of text, json, journald'],
    [["--metrics-bind-address=127.0.0.1:80"], '--metrics-bind-address: "127.0.0.1:80" can\'t be listened on'],
    [["--metrics-bind-address=192.0.2.1:10264"], "write one of 127.0.0.1:10264, [::1]:10264"],
    [
      ["--backend=ipvs"],
      '--backend: "ipvs" is no backend: use auto, iptables, iptables-nft, iptables-legacy, nftables',
    ],
    [
      ["--config-path=-"],
      '--config-path: "-" is standard input, which can be read only once: add --once or --dry-run',
    ],
    [["--config-path=-", "--once=false"], '--config-path: "-" is standard input'],
    [["--config-path="], '--config-path: "" is not an absolute path'],
  ];
  for (const [args, message] of cases) {
    await t.step(args.join(" "), () => {
      if (message === "") return void parseAgentOptions(args);
      const error = assertThrows(() => parseAgentOptions(args), UsageError, message);
      assertEquals(error.message.includes("\n"), false);
    });
  }
});

Deno.test("usage() has every flag that means something, on lines that fit a terminal", () => {
  const text = usage();
  for (const { name, help } of FLAGS) {
    assertEquals(text.includes(`--${name}`), help !== undefined, name);
  }
  assertEquals(text.split("\n").filter((line) => line.length > 80), []);
});

Deno.test("parseGoFlags() takes what follows -- as words, and - as a word", () => {
  const parsed = (...args: string[]) => {
    const { values, words } = parseGoFlags(args, FLAGS);
    return [Object.fromEntries(values), words];
  };
  assertEquals(parsed("a", "--once", "--", "--dry-run", "--", "b"), [{ once: "true" }, [
    "a",
    "--dry-run",
    "--",
    "b",
  ]]);
  assertEquals(parsed("--"), [{}, []]);
  assertEquals(parsed("-", "-v", "3", "x"), [{ v: "3" }, ["-", "x"]]);
});
