import { assertEquals, assertThrows } from "@std/assert";
import { loadConfig } from "../../lib/config/load_config.ts";
import { formatConfig } from "../../lib/config/config.ts";
import { parseConfig } from "../../lib/config/parse_config.ts";
import { ConfigError, formatProblem } from "../../lib/config/problem.ts";
import { configOf } from "../fakes/config.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function problemsOf(files: Record<string, string>, enableIpv6 = false): string[] {
  try {
    const sources = Object.entries(files).map(([name, text]) => ({ name, bytes: encode(text) }));
    return loadConfig(sources, { enableIpv6, allReservedRanges: false }).warnings.map(formatProblem);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(formatProblem);
    throw error;
  }
}

const BAD = `rules:
- name: "a b"
  form: [10.0.0.0/8]
  action: keep
- from: []
  action: drop
- from: [10.0.0.1/8, node]
  to: 10.0.0.0/8
  via: [eth*, "+", averyveryverylong]
  protocols: [icmp, tpc]
  ports: [0, 80-70, "1,2", x]
  action: snat
- action: keep
  address: 198.51.100.7
- action: snat
  address: [198.51.100.7, 198.51.100.8, "2001:db8::1-198.51.100.7", 198.51.100.0/24, 0.0.0.0]
- protocols: [icmp]
  ports: [80]
- 7
- ports: [80]
  Action: keep
  action: keep
`;

Deno.test("parseConfig() tells everything that is wrong with rules, and an unknown key is an error", () => {
  const { problems } = parseConfig(BAD, "f");
  assertEquals(problems.map(formatProblem), [
    'f:2:3: rules[0].name: "a b" is not a name: write 1 to 40 letters, digits, "_", "." and "-"',
    'f:3:3: rules[0].form: unknown key of a rule: did you mean "from"?',
    "f:5:3: rules[1].from: an empty list would match nothing: remove the key to match everything, or the rule",
    'f:6:3: rules[1].action: "drop" is not an action: write one of keep, masquerade, snat',
    'f:7:3: rules[2]: the action snat needs an address: write one such as "address: 198.51.100.7"',
    'f:7:10: rules[2].from[0]: "10.0.0.1/8" is not aligned: did you mean "10.0.0.0/8"?',
    'f:7:22: rules[2].from[1]: "node" stands alone: write "from: node", and other sources in a rule of their own',
    'f:8:3: rules[2].to: "10.0.0.0/8" is not a list of CIDRs: write one such as ["203.0.113.0/24"]',
    'f:9:9: rules[2].via[0]: "eth*" is not an interface: did you mean "eth+"?',
    'f:9:15: rules[2].via[1]: "+" stands for every interface: leave "via" out',
    'f:9:20: rules[2].via[2]: "averyveryverylong" is not an interface: write a name of 1 to 15 characters such as "eth0", or "eth+" for all that start so',
    'f:10:21: rules[2].protocols[1]: "tpc" is not a protocol of a rule: did you mean "tcp"?',
    'f:11:11: rules[2].ports[0]: "0" is not within the ports 1 to 65535',
    'f:11:14: rules[2].ports[1]: "80-70" is empty: did you mean "70-80"?',
    'f:11:21: rules[2].ports[2]: "1,2" is not a port or a range of ports: write each as an entry of its own',
    'f:11:28: rules[2].ports[3]: "x" is not a port or a range of ports: write one such as "40000" or "1024-29999"',
    "f:13:3: rules[3]: an address is for the action snat only, not for keep",
    'f:16:41: rules[4].address[2]: "2001:db8::1-198.51.100.7" has addresses of two families',
    'f:16:69: rules[4].address[3]: "198.51.100.0/24" is a CIDR: write one address such as "198.51.100.7", or a range such as "198.51.100.7-198.51.100.9"',
    'f:16:86: rules[4].address[4]: "0.0.0.0" can\'t be used: no packet comes from 0.0.0.0',
    "f:17:3: rules[5]: a rule needs an action: write one of keep, masquerade, snat",
    'f:17:3: rules[5]: ports need protocols that have ports: write "protocols: [tcp, udp, sctp]"',
    'f:19:3: rules[6]: 7 is not a rule: write its keys, such as "action: keep"',
    'f:20:3: rules[7]: ports need protocols that have ports: write "protocols: [tcp, udp, sctp]"',
    'f:22:3: rules[7].action: is the same key as "action": keep one of them',
  ]);
});

const ODD = `rules:
- {name: a, from: [10.0.0.0/8, 11.0.0.0/8], via: [eth+], action: keep}
- {name: b, from: [10.1.0.0/16], via: [eth0], protocols: [tcp], action: masquerade}
- {name: c, from: [10.1.0.0/16], to: ["fd00::/8"], action: masquerade}
- {name: d, from: ["fd00::/8"], action: masquerade}
- {name: e, from: [198.51.100.0/24], action: snat, address: 198.51.100.7}
- {name: f, from: node, action: keep}
- {name: a, from: node, to: [9.9.9.9/32], action: keep}
- {action: keep}
- {name: "7", action: keep}
`;

Deno.test("loadConfig() refuses names that stand twice, and warns of rules that can never match", () => {
  assertEquals(problemsOf({ f: ODD }), [
    "f:3:4: warning: rules[1]: can never match, since this decides first: rules[0]",
    "f:4:4: warning: rules[2]: can never match, since its from, to and address have no address family in common",
    "f:5:4: warning: rules[3]: is ignored while IPv6 is off: start the agent with --enable-ipv6",
    'f:6:4: warning: rules[4].address: "198.51.100.7" lies inside the rule\'s own from "198.51.100.0/24": two hosts may then have one address',
    'f:8:4: rules[6].name: "a" is the name of another rule: rules[0]',
    "f:8:4: warning: rules[6]: can never match, since this decides first: rules[5]",
    'f:10:4: rules[8].name: "7" is the name of another rule: rules[7]',
    "f:10:4: warning: rules[8]: can never match, since this decides first: rules[7]",
  ]);
});

Deno.test("rules that only seem to be covered are not warned of", async (t) => {
  const pairs: [first: string, second: string][] = [
    ["from: [10.0.0.0/8]", "from: [10.0.0.0/8, 11.0.0.0/8]"],
    ["from: [10.0.0.0/8]", "from: node"],
    ["from: node", "from: [10.0.0.0/8]"],
    ["from: [10.0.0.0/8]", "to: [10.0.0.0/8]"],
    ["to: [10.0.0.0/8]", "from: [10.0.0.0/8]"],
    ["via: [eth0]", "via: [eth+]"],
    ["via: [eth+]", "via: [wlan0]"],
    ["protocols: [tcp]", "protocols: [tcp, udp]"],
    ["protocols: [tcp], ports: [80-90]", "protocols: [tcp], ports: [90-91]"],
    ["protocols: [tcp], ports: [80-90]", "protocols: [tcp]"],
    ['to: ["::/0"]', ""],
    ["from: [0.0.0.0/0]", ""],
    ['from: [0.0.0.0/0], to: ["::/0"]', "from: [10.0.0.0/8]"],
  ];
  for (const [first, second] of pairs) {
    await t.step(`${first} | ${second}`, () => {
      const rule = (match: string) => `- {${match}${match && ", "}action: keep}\n`;
      const problems = problemsOf({ f: `rules:\n${rule(first)}${rule(second)}` }, true);
      assertEquals(problems.filter((it) => it.includes("rules[1]")), []);
    });
  }
});

Deno.test("rules of several files follow each other, and no name stands in two of them", () => {
  const rule = (name: string, net: number) => `- {name: ${name}, from: [10.${net}.0.0/16], action: keep}\n`;
  assertEquals(problemsOf({ a: `rules:\n${rule("x", 1)}`, b: `rules:\n${rule("y", 2)}` }), []);
  assertEquals(
    problemsOf({ a: `rules:\n${rule("x", 1)}`, b: `rules:\n${rule("y", 2)}${rule("x", 3)}` }),
    ['b:3:4: rules[1].name: "x" is the name of another rule: a:2:4 rules[0]'],
  );
  const { config } = loadConfig(
    [{ name: "a", bytes: encode(`rules:\n${rule("x", 1)}`) }, {
      name: "b",
      bytes: encode(`rules:\n${rule("y", 2)}`),
    }],
    { enableIpv6: false, allReservedRanges: false },
  );
  assertEquals(config.rules.map(({ name }) => name as string), ["x", "y"]);
});

Deno.test("formatConfig() writes rules as a config has them", () => {
  const rules = [
    { name: "a", from: "node", via: ["eth0", "wlan+"], action: "keep" },
    {
      FROM: ["10.0.0.0/8", "FD00::/8"],
      to: ["203.0.113.0/24"],
      protocols: ["tcp", "udp"],
      ports: [80, "81-90"],
      action: "snat",
      address: "198.51.100.7-198.51.100.9",
    },
  ];
  assertEquals(JSON.parse(formatConfig(configOf({ rules }))).rules, [rules[0], {
    from: ["10.0.0.0/8", "fd00::/8"],
    to: ["203.0.113.0/24"],
    protocols: ["tcp", "udp"],
    ports: ["80", "81-90"],
    action: "snat",
    address: ["198.51.100.7-198.51.100.9"],
  }]);
});

Deno.test("a null list of rules is empty, with a warning", () => {
  assertEquals(problemsOf({ f: "rules:" }).length, 1);
  assertThrows(() => configOf({ rules: "keep" }), ConfigError, "not a list of rules");
});
