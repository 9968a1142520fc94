/** Taking over a node from upstream's agent or from CCE's, with real connections while it happens. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ADDRESSES, DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

const LOCAL = "ip-masq-agent: local traffic is not subject to MASQUERADE";
const SPECIFIC = "ip-masq-agent: specific outbound traffic is subject to MASQUERADE";
const OUTBOUND = "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)";
const JUMP =
  "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom " +
  "IP-MASQ-AGENT chain";

/** As upstream's releases 2.9 to 2.12.1 wrote comments: with quotes that became a part of them. */
const quoted = (comment: string) => `"\\"${comment}\\""`;
const plain = (comment: string) => `"${comment}"`;

/** What a node has whose agent was upstream's: a jump of an older release, and one with quotes in its comment. */
const UPSTREAM = `*nat
:IP-MASQ-AGENT - [0:0]
-A POSTROUTING -m comment --comment ${plain(JUMP)} -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
-A POSTROUTING -m comment --comment ${quoted(JUMP)} -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
-A IP-MASQ-AGENT -m comment --comment ${quoted(LOCAL)} -d 169.254.0.0/16 -j RETURN
-A IP-MASQ-AGENT -m comment --comment ${quoted(LOCAL)} -d 10.0.0.0/8 -j RETURN
-A IP-MASQ-AGENT -m comment --comment ${quoted(OUTBOUND)} -j MASQUERADE --random-fully
COMMIT
`;

/** The same of CCE's agent, with a masqueradeCIDR. */
const CCE = `*nat
:IP-MASQ-AGENT - [0:0]
-A POSTROUTING -m comment --comment ${plain(JUMP)} -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
-A IP-MASQ-AGENT -m comment --comment ${plain(SPECIFIC)} -d 10.99.0.0/16 -j MASQUERADE --random-fully
-A IP-MASQ-AGENT -m comment --comment ${plain(LOCAL)} -d 169.254.0.0/16 -j RETURN
-A IP-MASQ-AGENT -m comment --comment ${plain(LOCAL)} -d 10.0.0.0/8 -j RETURN
-A IP-MASQ-AGENT -m comment --comment ${plain(OUTBOUND)} -j MASQUERADE --random-fully
COMMIT
`;

/** Public destinations for connections that go on while something happens. */
const MANY = Array.from({ length: 100 }, (_, index) => `203.0.113.${100 + index}`);

/** A rule of somebody else on either side of ours. */
const OTHERS = `
  iptables -t nat -I POSTROUTING -s 10.77.0.0/16 -j RETURN
  iptables -t nat -A POSTROUTING -s 10.78.0.0/16 -j ACCEPT
`;

async function restore(sandbox: Sandbox, input: string): Promise<void> {
  const { code, stderr } = await sandbox.run("iptables-restore", ["--noflush"], { input });
  assertEquals(code, 0, stderr);
}

async function postrouting(sandbox: Sandbox): Promise<string[]> {
  const text = await sandbox.sh("iptables -t nat -S POSTROUTING");
  return text.trim().split("\n").filter((line) => line.startsWith("-A"));
}

for (const variant of VARIANTS) {
  Deno.test(`the rules of upstream's agent are taken over without a connection noticing (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await using network = await Network.create(sandbox, [...MANY, ...Object.values(DESTINATIONS)]);
    await restore(sandbox, UPSTREAM);
    await sandbox.sh(OTHERS);
    await sandbox.writeConfig("nonMasqueradeCIDRs: [10.0.0.0/8]\n");
    const [first, , , last] = await postrouting(sandbox);
    assertEquals((await sandbox.agent("diff")).code, 1);
    assertEquals((await postrouting(sandbox)).length, 4);

    // Three clients connect to one destination after the other while the agent takes over.
    const connections = Promise.all([1, 2, 3].map(() => network.sourceAddresses(...MANY)));
    const { code, stderr } = await sandbox.agent("--once");
    assertEquals(code, 0, stderr);
    const seen = (await connections).flatMap((sources) => Object.values(sources));
    assertEquals(seen.length, 3 * MANY.length);
    assertEquals(seen.filter((address) => address !== ADDRESSES.IPv4.node), []);

    const jumps = await postrouting(sandbox);
    assertEquals(jumps.length, 3, jumps.join("\n"));
    assertEquals([jumps[0], jumps[2]], [first, last]);
    assert(jumps[1]!.includes(`--comment "${JUMP}"`), jumps[1]);
    assertEquals(
      await sandbox.sh(String.raw`iptables -t nat -S IP-MASQ-AGENT | grep -c '\\"' || true`),
      "0\n",
    );
    assertEquals(
      await network.sourceAddresses(DESTINATIONS.private10, DESTINATIONS.public),
      { [DESTINATIONS.private10]: ADDRESSES.IPv4.pod, [DESTINATIONS.public]: ADDRESSES.IPv4.node },
    );
  });

  Deno.test(`the rules of CCE's agent are up to date and keep their counters (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await using network = await Network.create(sandbox);
    await restore(sandbox, CCE);
    await sandbox.writeConfig("nonMasqueradeCIDRs: [10.0.0.0/8]\nmasqueradeCIDRs: [10.99.0.0/16]\n");
    const expected = {
      [DESTINATIONS.private10]: ADDRESSES.IPv4.node,
      [DESTINATIONS.public]: ADDRESSES.IPv4.node,
    };
    assertEquals(await network.sourceAddresses(DESTINATIONS.private10, DESTINATIONS.public), expected);
    const before = await sandbox.sh("iptables-save -c -t nat | grep ^'\\['");
    assertMatch(before, /^\[[1-9]\d*:\d+\] -A IP-MASQ-AGENT -d 10\.99\.0\.0\/16/m);

    assertEquals((await sandbox.agent("diff")).code, 0);
    const { code, stderr } = await sandbox.agent("--once");
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /IPv4: the rules are up to date/);
    assertEquals(await sandbox.sh("iptables-save -c -t nat | grep ^'\\['"), before);
    assertEquals(await network.sourceAddresses(DESTINATIONS.private10, DESTINATIONS.public), expected);
  });
}
