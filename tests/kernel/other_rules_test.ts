/** Hosts with rules of others: what walkPath() says of packets is what the outside sees of them. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { BackendName } from "../../lib/backends/backend_name.ts";
import { createBackend } from "../../lib/backends/create_backend.ts";
import { formatJump } from "../../lib/backends/iptables/restore_text.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { type IpFamily, parseIpAddress } from "../../lib/config/ip_address.ts";
import { PROTOCOLS } from "../../lib/config/rule_entry.ts";
import { toOwnRules } from "../../lib/host/own_rules.ts";
import { type Path, walkPath } from "../../lib/host/path.ts";
import { judge } from "../../lib/host/verdict.ts";
import { readPath } from "../../lib/host/read_path.ts";
import type { CommandRunner } from "../../lib/ports.ts";
import { buildRuleset } from "../../lib/rules/ruleset.ts";
import { type HostRules, HOSTS } from "../data/hosts.ts";
import { randomHosts } from "../data/random_hosts.ts";
import { configOf } from "../fakes/config.ts";
import { Crossroads, SENDERS, type SentPacket, WAYS } from "../sandbox/crossroads.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const CHAIN = parseChainName("IP-MASQ-AGENT");
const FAMILIES: readonly IpFamily[] = ["IPv4", "IPv6"];

/** How many random hosts, and from which seed. */
const [RANDOM_HOSTS = 200, SEED = 1] = (Deno.env.get("HOSTS") ?? "").split(" ").filter(Boolean).map(Number);

/** Our policy on every host. */
const CONFIG = configOf({
  nonMasqueradeCIDRs: ["10.0.0.0/8", "fd00::/8"],
  rules: [
    {
      name: "billing",
      from: ["10.244.2.0/24", "fd00:244:2::/64"],
      to: ["203.0.113.128/25", "2001:db8:b::/48"],
      protocols: ["udp", "tcp"],
      action: "snat",
      address: ["198.51.100.7", "2001:db8:5::7"],
    },
  ],
});
const RULESETS = new Map(
  FAMILIES.map((family) => [family, buildRuleset(family, CONFIG, { randomFully: true, toPorts: [] })]),
);

/** A packet, and what a rule may ask of it beside. */
interface Probe {
  readonly packet: SentPacket;
  readonly family: IpFamily;
  readonly way: typeof WAYS[number];
  readonly mark: number;
}

/** Marked packets go to it. */
const MARKED_PORT = 9999;

let connections = 0;

/** Packets of one family: of every sender to every destination, with protocols and ports in turn. */
function probesOf(family: IpFamily, mark: number): Probe[] {
  const ports = [80, 90, 443, MARKED_PORT];
  const ways = SENDERS.flatMap((sender) =>
    WAYS.flatMap((way) => ([0, 1] as const).map((index) => ({ sender, way, index })))
  );
  return ways.flatMap(({ sender, way, index }, number) =>
    [0, 1, 2].map((turn): Probe => {
      const protocol = PROTOCOLS[(number + turn) % 4]!;
      const port = turn === 2 ? MARKED_PORT : ports[(number + turn + Math.floor(number / 4)) % 3]!;
      return {
        family,
        way,
        mark: protocol !== "icmp" && port === MARKED_PORT ? mark : 0,
        packet: {
          netns: sender.netns,
          source: sender[family],
          destination: way[family].to[index],
          protocol,
          sourcePort: 1024 + connections++ % 60_000,
          port,
          payload: 32 * (3 * number + turn),
        },
      };
    })
  );
}

/** What may become of a packet; more than one thing where the path has conditions that we don't understand. */
function predict(path: Path, { packet, way, family, mark }: Probe): string[] {
  const known = {
    destination: parseIpAddress(packet.destination),
    source: parseIpAddress(packet.source),
    isFromNode: packet.netns === "",
    interface: way.interface,
    protocol: packet.protocol,
    port: packet.port,
    mark,
  };
  const { cases, isFinal } = walkPath(path, known);
  const outcomes = cases.flatMap(({ kind, rule: { action }, assumptions }) => {
    const isSure = assumptions.length === 0;
    if (kind === "drop") return [{ isSure, what: "dropped" }];
    if (action.kind !== "translate") return [];
    const what = action.how.kind === "MASQUERADE" ? way[family].node : action.how.to ?? "?";
    return [{ isSure, what }];
  });
  const end = outcomes.findIndex(({ isSure }) => isSure);
  assertEquals(end !== -1, isFinal);
  const { decisive, possible } = judge(path, known);
  if (decisive?.kind === "translate" && possible.length === 0) assertEquals(cases.at(-1), decisive);
  return [
    ...outcomes.slice(0, end === -1 ? undefined : end + 1).map(({ what }) => what),
    ...isFinal ? [] : [packet.source],
  ];
}

/** Whether what was seen is an outcome, be that an address or a range. */
function isOutcome(outcome: string, seen: string | undefined): boolean {
  if (seen === undefined) return outcome === "dropped";
  if (!outcome.includes("-")) return seen === outcome;
  const [first, last] = outcome.split("-").map((it) => parseIpAddress(it).value);
  const { value } = parseIpAddress(seen);
  return first! <= value && value <= last!;
}

/** A machine on which one host after the other is set up. */
class Machine implements AsyncDisposable {
  readonly runner: CommandRunner;
  readonly #sandbox: Sandbox;
  readonly #crossroads: Crossroads;
  readonly #stack: AsyncDisposableStack;

  private constructor(sandbox: Sandbox, crossroads: Crossroads, stack: AsyncDisposableStack) {
    this.#sandbox = sandbox;
    this.#crossroads = crossroads;
    this.#stack = stack;
    this.runner = {
      run: ({ name, args, input }) => sandbox.run(name, args, input === undefined ? {} : { input }),
    };
  }

  static async create(): Promise<Machine> {
    const stack = new AsyncDisposableStack();
    const sandbox = stack.use(await Sandbox.create());
    const crossroads = stack.use(await Crossroads.create(sandbox));
    // Once it was named the legacy table is hooked in for good: before all others, so that it is asked behind them.
    await sandbox.sh("for name in iptables ip6tables; do $name-legacy -t nat -S >/dev/null; done");
    return new Machine(sandbox, crossroads, stack);
  }

  /** Puts the rules of a host in force, and ours, and returns the path of each family as it is read. */
  async setUp(host: HostRules): Promise<ReadonlyMap<IpFamily, Path>> {
    const { backend = "iptables-nft", mark = 0 } = host;
    const table = (rules = "") =>
      `*nat\n${rules.replace("@ours", `-A POSTROUTING ${formatJump(CHAIN)}`)}\nCOMMIT\n`;
    await this.#sandbox.sh(`
nft flush ruleset
${host.nft === undefined ? "" : `iptables-nft-restore <<'RULES'\n${table(host.nft)}RULES`}
${host.nft6 === undefined ? "" : `ip6tables-nft-restore <<'RULES'\n${table(host.nft6)}RULES`}
iptables-legacy-restore <<'RULES'\n${table(host.legacy)}RULES
nft -f - <<'RULES'
table inet marks {
  chain forwarded { type filter hook prerouting priority mangle; th dport ${MARKED_PORT} meta l4proto { tcp, udp, sctp } meta mark set ${mark}; }
  chain own { type route hook output priority mangle; th dport ${MARKED_PORT} meta l4proto { tcp, udp, sctp } meta mark set ${mark}; }
}
${host.tables ?? ""}
RULES
`);
    const paths = new Map<IpFamily, Path>();
    for (const family of FAMILIES) {
      const ruleset = RULESETS.get(family)!;
      await (await createBackend(backend, family, CHAIN, this.runner)).sync(ruleset);
      paths.set(family, await this.read(family, backend));
    }
    return paths;
  }

  async read(family: IpFamily, backend: BackendName): Promise<Path> {
    return await readPath({
      runner: this.runner,
      family,
      backend,
      chainName: CHAIN,
      ours: toOwnRules(RULESETS.get(family)!, (_, names) => names.join()),
      withSets: true,
      onUnread: (message) => {
        throw new Error(message);
      },
    });
  }

  async send(probes: readonly Probe[], arriving: number): Promise<(string | undefined)[]> {
    return await this.#crossroads.send(probes.map(({ packet }) => packet), arriving);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Sets a host up and sends packets. Returns for how many the outcome was sure, and what came of them. */
async function check(
  machine: Machine,
  host: HostRules,
): Promise<{ sure: number; all: number; changed: number }> {
  const paths = await machine.setUp(host);
  const probes = FAMILIES.flatMap((family) => probesOf(family, host.mark ?? 0));
  const predicted = probes.map((probe) => predict(paths.get(probe.family)!, probe));
  const seen = await machine.send(probes, predicted.filter((it) => !it.includes("dropped")).length);
  const wrong = probes.flatMap(({ packet, mark }, at) =>
    predicted[at]!.some((outcome) => isOutcome(outcome, seen[at]))
      ? []
      : [{ ...packet, mark, predicted: predicted[at], seen: seen[at] }]
  );
  assertEquals(wrong, [], `${host.name}: ${wrong.length} of ${probes.length}`);
  return {
    all: probes.length,
    sure: predicted.filter(({ length }) => length === 1).length,
    changed: probes.filter(({ packet }, at) => seen[at] !== packet.source).length,
  };
}

Deno.test(`${HOSTS.length} hosts do with real packets what walkPath() says`, async (t) => {
  await using machine = await Machine.create();
  for (const host of HOSTS) {
    await t.step(host.name, async () => {
      const { sure, all } = await check(machine, host);
      assert(sure > all * 0.8, `${sure} of ${all} are sure`);
    });
  }
});

Deno.test(`${RANDOM_HOSTS} random hosts do with real packets what walkPath() says`, async () => {
  await using machine = await Machine.create();
  const sum = { sure: 0, all: 0, changed: 0 };
  for (const host of fc.sample(randomHosts, { numRuns: RANDOM_HOSTS, seed: SEED })) {
    const { sure, all, changed } = await check(machine, { ...host, name: JSON.stringify(host, null, 1) });
    sum.sure += sure;
    sum.all += all;
    sum.changed += changed;
  }
  // All that these rules ask is understood, and hosts that mostly do one thing would prove little.
  assertEquals(sum.sure, sum.all);
  assert(
    sum.changed > sum.all * 0.4 && sum.changed < sum.all * 0.9,
    `${sum.changed} of ${sum.all} are changed`,
  );
});
