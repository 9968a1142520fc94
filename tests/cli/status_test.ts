/** `ip-masq-agent status` on machines whose tools answer by a script. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { IptablesBackend } from "../../lib/backends/iptables/iptables_backend.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { type Command, CommandNotFoundError } from "../../lib/ports.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { configOf } from "../fakes/config.ts";
import { FakeCommandRunner, type Reply } from "../fakes/command_runner.ts";
import { type Machine, type Ran, runOn } from "../fakes/system.ts";

const CHAIN = parseChainName("IP-MASQ-AGENT");
const RULESET = buildRuleset("IPv4", configOf({}), { randomFully: true, toPorts: [] });
const READ = "*nat\n-S POSTROUTING\n-S IP-MASQ-AGENT\nCOMMIT\n";

/** What `-S` lists where the default config is in force. */
const runner = new FakeCommandRunner(({ input }) =>
  input === READ
    ? { code: 1, stdout: "-P POSTROUTING ACCEPT\n" }
    : { stdout: "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n" }
);
const STANDS = (await new IptablesBackend("IPv4", CHAIN, runner).plan(RULESET)).desired.join("\n") + "\n";

/** What the tools of a host answer, by what they are asked for; others are not there. */
interface Host {
  /** What `-S` lists, without the policy. */
  readonly listing?: string;
  readonly ipv6?: Reply;
  readonly legacy?: Reply;
}

function statusOn(
  { listing = STANDS, ipv6, legacy }: Host,
  machine: Machine,
  ...args: string[]
): Promise<Ran> {
  const reply = ({ name, args, input = "" }: Command): Reply => {
    if (name.startsWith("ip6") && ipv6 !== undefined) return ipv6;
    if (name.includes("-legacy-")) return legacy ?? new CommandNotFoundError(name, []);
    if (name === "nft" || args.includes("--version")) return new CommandNotFoundError(name, []);
    if (!input.includes("COMMIT\n") || input.includes("-A IP-MASQ-AGENT")) {
      return { code: 1, stderr: "COMMIT expected" };
    }
    const counted = listing.split("\n").filter((line) => /^-[NA] IP-/.test(line))
      .map((line, index) =>
        line.startsWith("-A") ? line.replace(" -j ", ` -c ${index} ${index * 60} -j `) : line
      );
    return { stdout: input.includes(" -v\n") ? counted.join("\n") : `-P POSTROUTING ACCEPT\n${listing}` };
  };
  return runOn({ reply, ...machine }, "status", ...args);
}

const NFT = ["--backend=iptables-nft"];

Deno.test("status tells on one screen what stands, and exits with 0 where that is wanted", async () => {
  const files = { "/etc/ip-masq-agent": "masqLinkLocal: false\n" };
  const { code, out, error, commands } = await statusOn({}, { files }, ...NFT);
  assertEquals([code, error], [0, ""]);
  assertEquals(
    out,
    `rules    as wanted
backend  iptables-nft: --backend names it
config   /etc/ip-masq-agent, sha256 f6a11f0d3ec4
agent    not known: nothing answers on port 10264, see --metrics-bind-address and the log
IPv4     as wanted

IPv4          packets  bytes  traffic
  RETURN      1        60     -d 169.254.0.0/16
  RETURN      2        120    -d 10.0.0.0/8
  RETURN      3        180    -d 172.16.0.0/12
  RETURN      4        240    -d 192.168.0.0/16
  MASQUERADE  5        300    all others
`,
  );
  assertEquals(commands.filter(({ input = "" }) => input.includes("-A ")), [], "it only reads");
});

Deno.test("status exits with 1 where something is not as wanted, and says what", async (t) => {
  const absent = { code: 1, stderr: "socket: Address family not supported by protocol" };
  const cases: [name: string, host: Host, args: string[], code: number, said: RegExp][] = [
    [
      "nothing is there",
      { listing: "" },
      NFT,
      1,
      /^IPv4 +differs: no chain IP-MASQ-AGENT, no jump from POSTROUTING/m,
    ],
    ["a rule is missing", { listing: STANDS.replace(/.*172.*\n/, "") }, NFT, 1, /differs: .*1 rule missing/],
    [
      "it can't be read",
      { ipv6: { code: 4, stderr: "No" } },
      [...NFT, "--enable-ipv6"],
      1,
      /^IPv6 +can't be read: .*No$/m,
    ],
    [
      "the host has no IPv6",
      { ipv6: absent },
      [...NFT, "--enable-ipv6"],
      0,
      /^IPv6 +not on this host: .*Address family/m,
    ],
    [
      "another chain is in force, too",
      {
        legacy: {
          stdout: `*nat\n:POSTROUTING ACCEPT [0:0]\n:IP-MASQ-AGENT - [0:0]\n${
            STANDS.replace("-N IP-MASQ-AGENT\n", "")
          }COMMIT\n`,
        },
      },
      NFT,
      0,
      /stale rules of iptables-legacy are in force, too/,
    ],
    ["auto decides", {}, [], 0, /^backend +iptables-nft: iptables-legacy has no rules$/m],
  ];
  for (const [name, host, args, code, said] of cases) {
    await t.step(name, async () => {
      const ran = await statusOn(host, {}, ...args);
      assertEquals(ran.code, code, ran.out + ran.error);
      assertMatch(ran.out, said);
      assertMatch(ran.out, code === 0 ? /^rules +as wanted$/m : /^rules +NOT as wanted$/m);
    });
  }
  await t.step("no backend works", async () => {
    const { code, out } = await runOn({ reply: ({ name }) => new CommandNotFoundError(name, []) }, "status");
    assertEquals(code, 1);
    assertMatch(out, /^backend +none: No backend works here/m);
  });
  await t.step("a bad config", async () => {
    const { code, error } = await statusOn({}, {
      files: { "/etc/config/ip-masq-agent": "masqLinkLocal: x" },
    });
    assertEquals([code, error.startsWith("/etc/config/ip-masq-agent:1:")], [2, true]);
  });
});

Deno.test("status asks the agent that runs before it gives up the network, and quotes it safely", async () => {
  const cases: [Machine["readiness"], string][] = [
    [{ status: 200, body: "ok\n" }, "ready: its last sync of every family succeeded"],
    [
      { status: 503, body: "the config is bad\nIPv4: no\x1b[31m\n" },
      "not ready: the config is bad; IPv4: no",
    ],
    [{ status: 404, body: "a web server" }, "not known: "],
    [undefined, "not known: "],
  ];
  for (const [readiness, said] of cases) {
    const { out } = await statusOn({}, { ...(readiness && { readiness }) }, ...NFT);
    assertStringIncludes(out, `\nagent    ${said}`);
    assertEquals(out.includes("\x1b") || out.includes("web server"), false);
  }
});

Deno.test("status shows the busiest of many rules, and how old and large a config is", async () => {
  const cidrs = Array.from({ length: 30 }, (_, index) => `10.${index}.0.0/16`);
  const many = buildRuleset("IPv4", configOf({ nonMasqueradeCIDRs: cidrs }), {
    randomFully: true,
    toPorts: [],
  });
  const listing = (await new IptablesBackend("IPv4", CHAIN, runner).plan(many)).desired.join("\n") + "\n";
  const files = { "/etc/config/ip-masq-agent": JSON.stringify({ nonMasqueradeCIDRs: cidrs }) };
  const { code, out } = await statusOn({ listing }, { files }, ...NFT);
  assertEquals(code, 0, out);
  assertEquals(out.match(/^ {2}(?:RETURN|MASQUERADE) .*$/gm)?.length, 20);
  assertMatch(out, /^ {2}MASQUERADE +32 .*\n {2}RETURN +31 +/m);
  assertMatch(out, /^ {2}and 12 rules more: -o json$/m);
});
