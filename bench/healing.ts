/**
 * How long rules are away that somebody takes away, and what it costs to hear of it. Prints the figures;
 * `tools/deno task bench:healing SECONDS` takes SECONDS for the churn of others' rules.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { Daemon } from "../tests/sandbox/daemon.ts";
import { ADDRESSES, createHosts } from "../tests/sandbox/network.ts";
import { Sandbox } from "../tests/sandbox/sandbox.ts";
import { cpuTimeOf } from "./cpu_time.ts";
import { foreignRules } from "./foreign_rules.ts";

/** The worst of some times, in milliseconds. */
export interface HealingTime {
  readonly backend: string;
  readonly disaster: string;
  /** From the start of the command that takes the rules away to the agent's word that they are back. */
  readonly repairMs: number;
  /** For so long new connections left with the pod's address: those that did, at one each millisecond. */
  readonly lossMs: number;
}

/** What following events costs. */
export interface WatchCost {
  /** Percent of one processor that the agent and its children take while others rewrite 1,000 rules each second. */
  readonly churnPercent: number;
  readonly churnSeconds: number;
  readonly churnRepairs: number;
  /** The same while nothing happens, and without following events. */
  readonly restPercent: number;
  readonly unwatchedPercent: number;
  /** KiB that the children hold: each its share of what several map (PSS), and anonymous. */
  readonly childrenPssKiB: number;
  readonly childrenAnonymousKiB: number;
}

const TIMES = 20;

/** A fifth repair in a row would be a fight. */
const TIMES_OF_A_DAEMON = 4;

const REST_SECONDS = 60;

const DISASTERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "iptables-nft": {
    "nft flush ruleset": "nft flush ruleset",
    "iptables -t nat -F": "iptables -t nat -F",
    "jump deleted": "iptables -t nat -D POSTROUTING 1",
    "chain flushed": "iptables -t nat -F IP-MASQ-AGENT",
    "table deleted": "nft delete table ip nat",
  },
  "nftables": {
    "nft flush ruleset": "nft flush ruleset",
    "rules deleted": "nft flush table ip ip-masq-agent",
    "jump deleted": "nft flush chain ip ip-masq-agent postrouting",
    "chain flushed": "nft flush chain ip ip-masq-agent translate",
    "table deleted": "nft delete table ip ip-masq-agent",
  },
};

const FOREIGN = "iptables -t nat -I POSTROUTING 1 -s 10.9.0.0/16 -j MASQUERADE";

/** The last line of what was written, with `-v=2`: a repair like the one before has no line of its own. */
const WRITTEN = /^IPv4: (?:COMMIT|\})$/;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What the outside saw of packets that kept the pod's address. */
const LOST = "nft list table ip seen | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'";

/** Takes the rules away again and again, while a pod opens a connection each millisecond. */
export async function measureHealing(say: (line: string) => void): Promise<HealingTime[]> {
  const times: HealingTime[] = [];
  await using sandbox = await Sandbox.create("nft");
  await createHosts(sandbox);
  await sandbox.sh("ip addr add 198.18.0.0/15 dev lo", "outside");
  await sandbox.sh(
    "nft 'table ip seen { chain c { type filter hook prerouting priority raw; " +
      `ip daddr 198.18.0.0/15 ip saddr ${ADDRESSES.IPv4.pod} counter drop; ip daddr 198.18.0.0/15 drop; }; }'`,
    "outside",
  );
  const lost = async () => Number(await sandbox.sh(LOST, "outside"));
  for (const [backend, disasters] of Object.entries(DISASTERS)) {
    for (const [disaster, script] of Object.entries(disasters)) {
      let [repairMs, lossMs] = [0, 0];
      for (let time = 0; time < TIMES; time += TIMES_OF_A_DAEMON) {
        await using daemon = new Daemon(sandbox, `--backend=${backend}`, "-v=4");
        await daemon.line(/nothing to change/);
        await using _sender = new Sender(sandbox);
        await pause(500);
        for (let turn = 0; turn < TIMES_OF_A_DAEMON; turn++) {
          const [before, from, start] = [await lost(), daemon.lines.length, performance.now()];
          await sandbox.sh(script);
          await daemon.line(WRITTEN, { from });
          repairMs = Math.max(repairMs, performance.now() - start);
          lossMs = Math.max(lossMs, await lost() - before);
          await pause(700);
        }
      }
      times.push({ backend, disaster, repairMs, lossMs });
      say(
        `${backend.padEnd(12)} ${disaster.padEnd(18)} worst of ${TIMES}: repaired after ${
          repairMs.toFixed(0)
        } ms, ${lossMs} new connections of 1,000 a second left with the pod's address`,
      );
    }
    await sandbox.agent("cleanup");
  }
  await using daemon = new Daemon(sandbox, "--backend=iptables-nft", "-v=4");
  await daemon.line(/nothing to change/);
  let foreignMs = 0;
  for (let time = 0; time < TIMES; time++) {
    const [from, start] = [daemon.lines.length, performance.now()];
    await sandbox.sh(FOREIGN);
    await daemon.line(/^IPv4: nothing to change/, { from });
    foreignMs = Math.max(foreignMs, performance.now() - start);
    await pause(700);
  }
  say(
    `iptables-nft foreign rule       worst of ${TIMES}: looked at after ${
      foreignMs.toFixed(0)
    } ms, repairs 0`,
  );
  return times;
}

/** Opens a connection each millisecond from the pod. */
class Sender implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<unknown>;

  constructor(sandbox: Sandbox) {
    const script = fromFileUrl(new URL("../tests/sandbox/udp_sender.ts", import.meta.url));
    const args = ["run", "--no-config", "--quiet", "--allow-ffi", script, "5555", "1000000", "600000", "1"];
    this.#child = sandbox.spawn(Deno.execPath(), args, { netns: "pod" });
    this.#output = this.#child.output();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#output;
    await this.#child.stdin.abort();
  }
}

/** Rewrites a thousand rules of others each second, as kube-proxy does, in a table of 6,000. */
export async function measureWatchCost(seconds: number, say: (line: string) => void): Promise<WatchCost> {
  await using sandbox = await Sandbox.create("nft");
  await sandbox.run("iptables-restore", ["--noflush"], { input: foreignRules(6_000) });
  const unwatchedPercent = await measureRest(sandbox, "--watch-rules=false");
  const restPercent = await measureRest(sandbox);
  await using daemon = new Daemon(sandbox, "--backend=iptables-nft");
  await daemon.line(/installed|up to date/);
  await pause(3_000);
  const children = childrenOf(daemon.pid);
  const size = (name: string) =>
    children.reduce((sum, pid) => {
      const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
      return sum + Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(rollup)?.[1]);
    }, 0);
  const [childrenPssKiB, childrenAnonymousKiB] = [size("Pss"), size("Anonymous")];
  // Half of these are chains, each with rules of its own.
  const rewritten = foreignRules(1_000).replaceAll(/^-A (?:PREROUTING|OUTPUT|POSTROUTING) .*\n/gm, "");
  await sandbox.write("/run/rewritten", rewritten);
  const before = cpuOf(daemon.pid);
  const start = performance.now();
  await sandbox.sh(
    `end=$((SECONDS + ${seconds}))
while ((SECONDS < end)); do now=$EPOCHREALTIME; iptables-restore --noflush </run/rewritten
left=$((1000000 - (\${EPOCHREALTIME/./} - \${now/./}))); ((left <= 0)) || sleep "$(printf 0.%06d $left)"; done`,
  );
  const churnPercent = 100 * (cpuOf(daemon.pid) - before) / (performance.now() - start);
  const churnRepairs = daemon.lines.filter((line) => line.includes("repaired")).length;
  say(
    `1,000 rules of others rewritten each second for ${seconds} s: ${
      churnPercent.toFixed(2)
    }% of one processor, ` +
      `${churnRepairs} repairs; at rest ${restPercent.toFixed(2)}%, without events ${
        unwatchedPercent.toFixed(2)
      }%; ` +
      `the children of one family ${childrenPssKiB} KiB, ${childrenAnonymousKiB} of it anonymous`,
  );
  return {
    churnPercent,
    churnSeconds: seconds,
    churnRepairs,
    restPercent,
    unwatchedPercent,
    childrenPssKiB,
    childrenAnonymousKiB,
  };
}

/** Percent of one processor over a minute, from a few seconds after the start on. */
async function measureRest(sandbox: Sandbox, ...flags: string[]): Promise<number> {
  await using daemon = new Daemon(sandbox, "--backend=iptables-nft", ...flags);
  await daemon.line(/installed|up to date/);
  await pause(3_000);
  const before = cpuOf(daemon.pid);
  await pause(REST_SECONDS * 1_000);
  return (cpuOf(daemon.pid) - before) / (REST_SECONDS * 10);
}

function childrenOf(pid: number): number[] {
  return Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(/\s+/).filter((it) =>
    it !== ""
  )
    .map(Number);
}

/** The CPU time of a process and its children, in milliseconds. */
function cpuOf(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, it) => sum + cpuTimeOf(it), 0);
}

if (import.meta.main) {
  const say = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  await measureHealing(say);
  await measureWatchCost(Number(Deno.args[0] ?? 30), say);
}
