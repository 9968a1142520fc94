/** Another agent on the same node at the same time, which writes as upstream's does, only far more often. */
import { assert, assertEquals } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { ADDRESSES, DESTINATIONS, Network } from "../sandbox/network.ts";
import { Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

/** Seconds for which both are at work; this agent looks at its rules once in a second. */
const SECONDS = 6;
const OURS = 'nonMasqueradeCIDRs: ["10.0.0.0/8"]\nresyncInterval: 1s\n';

/**
 * Upstream's round: make sure that the chain is there, then the jump by its comment, then write the chain anew. A round
 * that fails, because the other one wrote at the same moment, is tried again with the next one.
 */
const WRITER = `
comment=$1 exempt=$2
local="ip-masq-agent: local traffic is not subject to MASQUERADE"
outbound="ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)"
jump() { iptables -w 5 -t nat "$1" POSTROUTING -m comment --comment "$comment" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT 2>/dev/null; }
trap 'echo $rounds; exit' TERM
while true; do
  iptables -w 5 -t nat -N IP-MASQ-AGENT 2>/dev/null || true
  jump -C || jump -A || true
  iptables-restore -w 5 --noflush 2>/dev/null <<END && rounds=$((rounds + 1))
*nat
:IP-MASQ-AGENT - [0:0]
-A IP-MASQ-AGENT -m comment --comment "$local" -d 169.254.0.0/16 -j RETURN
-A IP-MASQ-AGENT -m comment --comment "$local" -d $exempt -j RETURN
-A IP-MASQ-AGENT -m comment --comment "$outbound" -j MASQUERADE --random-fully
COMMIT
END
  sleep 0.2
done
`;

const COMMENT =
  "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom IP-MASQ-AGENT chain";

/** What came of both being at work for some seconds. */
interface Together {
  /** What this agent said of its rules, without what only `-v=4` shows. */
  readonly lines: readonly string[];
  /** How often it repaired: a repair like the one before is counted, and the count told at the end. */
  readonly repairs: number;
  /** How often it looked. */
  readonly checks: number;
  /** How often the other one wrote. */
  readonly rounds: number;
}

async function together(
  sandbox: Sandbox,
  comment: string,
  exempt: string,
  meanwhile: () => Promise<void> = async () => {},
): Promise<Together> {
  // Without events, so that checks can be counted: tests/e2e/healing_test.ts has a fight with them.
  await using daemon = new Daemon(
    sandbox,
    `--backend=iptables-${sandbox.variant}`,
    "-v=4",
    "--watch-rules=false",
  );
  await daemon.line(/^Next sync/);
  const from = daemon.lines.length;
  const other = sandbox.spawn("bash", ["-c", WRITER, "-", comment, exempt]);
  const output = other.output();
  const end = performance.now() + SECONDS * 1_000;
  await meanwhile();
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, end - performance.now())));
  const checks = daemon.lines.slice(from).filter((line) => line.startsWith("Next sync")).length;
  other.kill("SIGTERM");
  const { stdout } = await output;
  await other.stdin.abort();
  // The last word is this agent's.
  await daemon.line(/^IPv4: nothing to change/, { from: daemon.lines.length });
  const lines = daemon.lines.slice(from).filter((line) =>
    /^(?:IPv4: |Previous)/.test(line) && !/nothing to change/.test(line)
  );
  const repeats = lines.map((line) => Number(/^Previous message repeated (\d+)/.exec(line)?.[1] ?? 0));
  const repairs = lines.filter((line) => line.startsWith("IPv4: repaired drift")).length +
    repeats.reduce((sum, number) => sum + number, 0);
  return { lines, repairs, checks, rounds: Number(new TextDecoder().decode(stdout)) };
}

/** No storm: one check a second and no more repairs than checks, however often the other one writes. */
function assertCalm({ lines, repairs, checks, rounds }: Together): void {
  assert(rounds > SECONDS, `only ${rounds} rounds`);
  assert(checks >= 2 && checks <= 2 * SECONDS, `${checks} checks`);
  assert(repairs >= 2 && repairs <= checks + 2, `${repairs} repairs, ${checks} checks:\n${lines.join("\n")}`);
  assert(lines.some((line) => line.startsWith("IPv4: repaired drift: ")), lines.join("\n"));
}

const jumps = async (sandbox: Sandbox) =>
  (await sandbox.sh("iptables -t nat -S POSTROUTING")).split("\n").filter((line) => line.startsWith("-A"));

for (const variant of VARIANTS) {
  Deno.test(`two agents with the same policy leave each other alone (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await using network = await Network.create(sandbox);
    await sandbox.writeConfig(OURS);
    const expected = {
      [DESTINATIONS.private10]: ADDRESSES.IPv4.pod,
      [DESTINATIONS.public]: ADDRESSES.IPv4.node,
    };
    const { lines, checks, rounds } = await together(sandbox, COMMENT, "10.0.0.0/8", async () => {
      for (let time = 0; time < 5; time++) {
        assertEquals(await network.sourceAddresses(DESTINATIONS.private10, DESTINATIONS.public), expected);
      }
    });
    assert(rounds > SECONDS, `only ${rounds} rounds`);
    assert(checks >= 2 && checks <= 2 * SECONDS, `${checks} checks`);
    assertEquals(lines, [], "no repairs, no errors");
    assertEquals((await jumps(sandbox)).length, 1);
    assertEquals(await network.sourceAddresses(DESTINATIONS.private10, DESTINATIONS.public), expected);
  });

  Deno.test(`two agents with different policies: at most one repair a check, which is said (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.writeConfig(OURS);
    assertCalm(await together(sandbox, COMMENT, "192.168.0.0/16"));
    assertEquals((await jumps(sandbox)).length, 1);
    const chain = await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT");
    assert(chain.includes("10.0.0.0/8") && !chain.includes("192.168.0.0/16"), chain);
  });

  Deno.test(`a jump with quotes that comes again and again is removed at most once a check (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.writeConfig(OURS);
    assertCalm(await together(sandbox, `"${COMMENT}"`, "10.0.0.0/8"));
    const left = await jumps(sandbox);
    assertEquals(left.length, 1, left.join("\n"));
    assert(left[0]!.includes(`--comment "${COMMENT}"`), left[0]);
  });

  Deno.test(`the way back: upstream's agent takes over again what this one wrote (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await using network = await Network.create(sandbox);
    await sandbox.writeConfig(OURS);
    {
      await using daemon = new Daemon(sandbox, `--backend=iptables-${variant}`);
      await daemon.line(/^IPv4: installed/);
      daemon.kill("SIGTERM");
      assertEquals(await daemon.status(), 0);
    }
    const other = sandbox.spawn("bash", ["-c", WRITER, "-", COMMENT, "192.168.0.0/16"]);
    const output = other.output();
    for (let time = 0; time < 100; time++) {
      if ((await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT")).includes("192.168.0.0/16")) break;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    other.kill("SIGTERM");
    await output;
    await other.stdin.abort();
    assertEquals((await jumps(sandbox)).length, 1);
    assertEquals(await network.sourceAddresses(DESTINATIONS.private10, DESTINATIONS.private192), {
      [DESTINATIONS.private10]: ADDRESSES.IPv4.node,
      [DESTINATIONS.private192]: ADDRESSES.IPv4.pod,
    });
  });
}
