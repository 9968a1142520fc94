import { assertEquals } from "@std/assert";
import { isOutdated, parseFlows, selectFlows } from "../../lib/host/flows.ts";
import { forgetFlows } from "../../lib/host/forget_flows.ts";
import { CommandError } from "../../lib/ports.ts";
import { buildRuleset, type Ruleset } from "../../lib/rules/ruleset.ts";
import { FakeCommandRunner, type Reply } from "../fakes/command_runner.ts";
import { configOf } from "../fakes/config.ts";

const [POD, NODE, OUTSIDE, SERVICE, SNAT] = [
  "10.244.1.2",
  "192.0.2.1",
  "203.0.113.10",
  "10.96.0.10",
  "198.51.100.7",
];

/** A line as conntrack 1.4.7 and 1.4.8 print it. */
function line(
  source: string,
  destination: string,
  leftWith = source,
  { target = destination, sourcePort = 5000, port = 53 } = {},
): string {
  return `udp      17 29 src=${source} dst=${destination} sport=${sourcePort} dport=${port} ` +
    `src=${target} dst=${leftWith} sport=${port} dport=61234 [ASSURED] mark=0 use=1`;
}

function rules(settings: Parameters<typeof configOf>[0] = {}): Ruleset {
  return buildRuleset("IPv4", configOf(settings), { randomFully: true, toPorts: [] });
}

const snat = (extra = {}) => rules({ rules: [{ action: "snat", address: SNAT, ...extra }] });
const keep = (extra = {}) => rules({ rules: [{ action: "keep", ...extra }] });

Deno.test("parseFlows() reads flows of UDP with and without answers and counters, and leaves out all else", () => {
  const flow = {
    source: POD,
    destination: SERVICE,
    sourcePort: "5000",
    destinationPort: "53",
    target: "10.244.9.9",
    targetPort: "5353",
    leftWith: NODE,
  };
  const [there, back] = [
    `src=${POD} dst=${SERVICE} sport=5000 dport=53`,
    `src=10.244.9.9 dst=${NODE} sport=5353 dport=61234`,
  ];
  for (
    const text of [
      `udp      17 29 ${there} ${back} [ASSURED] mark=0 use=1`,
      `udp      17 29 ${there} [UNREPLIED] ${back} mark=0 use=1`,
      `udp      17 29 ${there} packets=1 bytes=29 [UNREPLIED] ${back} packets=0 bytes=0 mark=0 use=1`,
    ]
  ) assertEquals(parseFlows(`${text}\n`), [flow], text);
  const others = [
    "",
    `tcp      6 431999 ESTABLISHED ${there} ${back} [ASSURED] mark=0 use=1`,
    `udp      17 29 ${there} ${back} [ASSURED] mark=0 zone=5 use=1`,
    `udp      17 29 ${there} zone-orig=5 ${back} [ASSURED] mark=0 use=1`,
    `udp      17 29 ${there}`,
  ];
  assertEquals(parseFlows(others.join("\n")), []);
  const six = `src=fd00:244:1::2 dst=2001:db8:99::1 sport=1 dport=2 src=2001:db8:99::1 dst=2001:db8:1::1 `;
  assertEquals(parseFlows(`udp      17 29 ${six}sport=2 dport=3 mark=0 use=1`)[0]?.leftWith, "2001:db8:1::1");
});

Deno.test("isOutdated() is true where the flow would leave with another address for sure", async (t) => {
  const cases: [name: string, flow: string, now: Ruleset, before: Ruleset | undefined, outdated: boolean][] =
    [
      ["kept, to be masqueraded", line(POD, OUTSIDE), rules(), undefined, true],
      ["kept, as it is to be", line(POD, "10.9.9.9"), rules(), undefined, false],
      ["masqueraded, as it is to be", line(POD, OUTSIDE, NODE), rules(), rules(), false],
      ["masqueraded by the rules before, to be kept", line(POD, OUTSIDE, NODE), keep(), rules(), true],
      ["masqueraded by nobody knows whom, to be kept", line(POD, OUTSIDE, NODE), keep(), undefined, false],
      ["masqueraded by others, kept before and now", line(POD, OUTSIDE, NODE), keep(), keep(), false],
      ["masqueraded, to be another address", line(POD, OUTSIDE, NODE), snat(), rules(), true],
      ["another address, to be masqueraded", line(POD, OUTSIDE, SNAT), rules(), snat(), true],
      ["another address than ours", line(POD, OUTSIDE, "198.51.100.9"), rules(), snat(), false],
      ["kept, to be another address", line(POD, OUTSIDE), snat(), undefined, true],
      ["another address, as it is to be", line(POD, OUTSIDE, SNAT), snat(), rules(), false],
      ["of the node, to be masqueraded", line(NODE, OUTSIDE), rules(), undefined, false],
      ["of the node, to be another address", line(NODE, OUTSIDE), snat({ from: "node" }), undefined, true],
      ["of a pod, not of the node", line(POD, "10.9.9.9"), snat({ from: "node" }), undefined, false],
      ["to the node", line(OUTSIDE, NODE), rules(), undefined, false],
      ["within the node", line("127.0.0.1", "127.0.0.53"), rules(), undefined, false],
      ["of a host without address", line("0.0.0.0", "255.255.255.255"), rules(), undefined, false],
      [
        "to the node's port, for a pod",
        line(OUTSIDE, NODE, OUTSIDE, { target: POD }),
        rules(),
        undefined,
        false,
      ],
      [
        "to a service that is outside",
        line(POD, SERVICE, POD, { target: OUTSIDE }),
        rules(),
        undefined,
        true,
      ],
      [
        "translated with its destination",
        line(POD, SERVICE, NODE, { target: OUTSIDE }),
        keep(),
        rules(),
        false,
      ],
      ["of another protocol's rule", line(POD, OUTSIDE, NODE), keep({ protocols: ["tcp"] }), rules(), false],
      [
        "of a port's rule",
        line(POD, OUTSIDE, NODE),
        keep({ protocols: ["udp"], ports: [53] }),
        rules(),
        true,
      ],
      [
        "of another port's rule",
        line(POD, OUTSIDE, NODE),
        keep({ protocols: ["udp"], ports: [54] }),
        rules(),
        false,
      ],
      ["of an interface's rule, perhaps", line(POD, OUTSIDE, NODE), keep({ via: ["eth1"] }), rules(), false],
      ["translated in every case", line(POD, OUTSIDE), snat({ via: ["eth1"] }), undefined, true],
    ];
  const local = (address: string) => [NODE, "127.0.0.1", "127.0.0.53", "0.0.0.0"].includes(address);
  for (const [name, text, now, before, outdated] of cases) {
    await t.step(name, () => assertEquals(isOutdated(parseFlows(text)[0]!, now, before, local), outdated));
  }
});

Deno.test("selectFlows() selects as many at once as it can, and none of the others", () => {
  const flows = parseFlows([
    line("10.244.1.2", OUTSIDE),
    line("10.244.1.2", OUTSIDE, "10.244.1.2", { sourcePort: 5001 }),
    line("10.244.1.3", OUTSIDE),
    line("10.244.1.3", OUTSIDE, "10.244.1.3", { sourcePort: 5001 }),
    line("10.244.1.3", "10.9.9.9"),
    line("10.244.1.4", OUTSIDE),
    line("10.244.1.4", OUTSIDE, "10.244.1.4", { port: 123 }),
  ].join("\n"));
  assertEquals(
    selectFlows(
      flows,
      ({ destination, destinationPort }) => destination === OUTSIDE && destinationPort === "53",
    ),
    [
      "-s 10.244.1.2 -q 10.244.1.2",
      `-s 10.244.1.3 -d ${OUTSIDE} -q 10.244.1.3`,
      `-s 10.244.1.4 -d ${OUTSIDE} -q 10.244.1.4 --sport 5000 --dport 53`,
    ],
  );
  assertEquals(selectFlows(flows, () => false), []);
});

/** Forgets on a host whose conntrack answers like that, and returns the commands too. */
async function forget(replies: Record<string, Reply>, now = rules()): Promise<[number | string, string[]]> {
  const runner = new FakeCommandRunner(({ args }) => replies[args[0]!] ?? new Error(`Unexpected ${args}`));
  let result: number | string;
  try {
    const clock = {
      after: (_: number, callback: () => void) => {
        callback();
        return () => {};
      },
    };
    result = await forgetFlows({ runner, clock, localAddresses: () => [NODE] }, now, undefined);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    result = error.message;
  }
  return [result, runner.commands.map(({ args, input }) => [...args, input ?? ""].join(" ").trim())];
}

const LISTING = "-L -p udp -f ipv4";
const READING = ["-C", LISTING];
const TOO_MANY = "what is left keeps its address until it ends";

Deno.test("forgetFlows() forgets outdated flows in one process, or in one each where conntrack is old", async () => {
  const listing = [line(POD, OUTSIDE), line("10.244.1.3", OUTSIDE), line(POD, "10.9.9.9")].join("\n");
  const [first, second] = [
    `-D -p udp -f ipv4 -s ${POD} -d ${OUTSIDE} -q ${POD}`,
    "-D -p udp -f ipv4 -s 10.244.1.3 -q 10.244.1.3",
  ];
  const replies = { "-C": { stdout: "3\n" }, "-L": { stdout: listing } };
  assertEquals(await forget({ ...replies, "-R": { stdout: `${line(POD, OUTSIDE)}\n` } }), [
    1,
    [...READING, `-R - ${first}\n${second}`, LISTING],
  ]);
  assertEquals(
    await forget({ ...replies, "-R": { code: 2 }, "-D": { stdout: `${line(POD, OUTSIDE)}\n` } }),
    [2, [...READING, `-R - ${first}\n${second}`, first, second, LISTING]],
  );
  assertEquals(await forget(replies, keep()), [0, READING]);
});

Deno.test("forgetFlows() forgets what answers made of forgotten flows, three times", async () => {
  const answer = line(OUTSIDE, POD).replaceAll("sport=5000 dport=53", "sport=53 dport=5000");
  const listing = { stdout: [line(POD, OUTSIDE), answer, line("203.0.113.11", POD)].join("\n") };
  const [result, commands] = await forget({
    "-C": { stdout: "3\n" },
    "-L": listing,
    "-R": { stdout: `${line(POD, OUTSIDE)}\n` },
  });
  const again = [LISTING, `-R - -D -p udp -f ipv4 -s ${OUTSIDE} -q ${OUTSIDE}`];
  assertEquals([result, commands], [1, [
    ...READING,
    `-R - -D -p udp -f ipv4 -s ${POD} -q ${POD}`,
    ...again,
    ...again,
    ...again,
  ]]);
});

Deno.test("forgetFlows() leaves everything where it can't read, or where there is too much", async () => {
  assertEquals(await forget({ "-C": { code: 1, stderr: "Operation not permitted\n" } }), [
    "conntrack failed (exit code 1): Operation not permitted",
    ["-C"],
  ]);
  assertEquals(await forget({ "-C": { stdout: "100001\n" } }), [
    `there are too many connections: ${TOO_MANY}`,
    ["-C"],
  ]);
  const lines = Array.from(
    { length: 2_000 },
    (_, index) => line(`10.1.${index >> 8}.${index & 255}`, OUTSIDE),
  );
  const replies = { "-C": { stdout: "2000" }, "-L": { stdout: lines.join("\n") } };
  const cidrs = Array.from({ length: 5_000 }, (_, index) => `10.2.${index >> 8}.${index & 255}/32`);
  assertEquals(await forget(replies, rules({ nonMasqueradeCIDRs: cidrs, cidrLimit: 10_000 })), [
    `there are too many flows for so many CIDRs: ${TOO_MANY}`,
    READING,
  ]);
  const [result, commands] = await forget({ ...replies, "-R": { code: 0 } });
  assertEquals(result, `there are too many of them at once: ${TOO_MANY}`);
  assertEquals(commands[2]!.split("\n").length, 1_000);
  const old = await forget({ ...replies, "-R": { code: 2 }, "-D": { code: 1 } });
  assertEquals([old[0], old[1].length], [`there are too many of them at once: ${TOO_MANY}`, 103]);
});
