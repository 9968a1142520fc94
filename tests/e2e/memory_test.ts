/** The memory of the agent with its commands, in a cgroup with the DaemonSet's limit, as a container is. */
import { assert, assertEquals } from "@std/assert";
import manifest from "../../deploy/kubernetes/ip-masq-agent.yaml" with { type: "text" };
import { MOST_VALUES } from "../../lib/config/document.ts";
import { Daemon } from "../sandbox/daemon.ts";
import { MemoryCgroup } from "../sandbox/memory_cgroup.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const MIB = 1_048_576;
const LIMIT = Number(/limits:\n\s+memory: (\d+)Mi$/m.exec(manifest)![1]) * MIB;

/** Why it can't be tried here; empty where it can. */
const problem = await MemoryCgroup.create(LIMIT).then(
  async (cgroup) => (await cgroup[Symbol.asyncDispose](), ""),
  (error: Error) => error.message,
);
if (problem !== "") {
  // deno-lint-ignore no-console
  console.error(`NOT TESTED: the memory limit of the DaemonSet, for no cgroup can be made here: ${problem}`);
}

const CASES: readonly [flag: string, cidrs: number][] = [
  ["--backend=iptables-nft", 10_000],
  ["--backend=iptables-legacy", 10_000],
  // With the other keys these are about the most values that a config may have.
  ["--backend=nftables", MOST_VALUES - 100],
];

/** So many destinations of both families; another `first` makes another config. */
function configOf(cidrs: number, first: string): string {
  const entries = Array.from(
    { length: cidrs - 1 },
    (_, index) =>
      index % 2 === 0
        ? `- ${11 + (index >> 16)}.${index >> 8 & 255}.${index & 255}.0/24\n`
        : `- fd00:${(index >> 12).toString(16)}:${(index & 4_095).toString(16)}::/48\n`,
  );
  return `cidrLimit: ${cidrs}\nnonMasqueradeCIDRs:\n- ${first}\n${entries.join("")}`;
}

Deno.test({
  name: "start, check and change of the largest configs stay within the DaemonSet's memory limit",
  ignore: problem !== "",
  async fn(t) {
    for (const [flag, cidrs] of CASES) {
      await t.step(`${flag}, ${cidrs} CIDRs`, async () => {
        await using cgroup = await MemoryCgroup.create(LIMIT);
        await using sandbox = await Sandbox.create();
        // In one step, as the kubelet does: half of a config would be one of its own.
        const writeConfig = async (first: string) => {
          await sandbox.write("/etc/config/next", configOf(cidrs, first));
          await sandbox.sh("mv /etc/config/next /etc/config/ip-masq-agent");
        };
        await writeConfig("10.0.0.0/24");
        const [command, ...enter] = cgroup.enter;
        await using daemon = new Daemon(
          {
            spawn: (program, args = []) => sandbox.spawn(command!, [...enter, program, ...args]),
          },
          flag,
          "--enable-ipv6",
        );
        const ended = daemon.status().then((code) => Promise.reject(new Error(`It ended with ${code}`)));
        ended.catch(() => {});
        const line = (pattern: RegExp, from = 0) =>
          Promise.race([ended, daemon.line(pattern, { from, milliseconds: 180_000 })]);
        for (const family of ["IPv4", "IPv6"]) await line(new RegExp(`^${family}: installed`));
        for (const first of ["10.0.1.0/24", "10.0.2.0/24"]) {
          const from = daemon.lines.length;
          await writeConfig(first);
          await line(/^IPv4: updated the rules/, from);
        }
        assertEquals(await cgroup.kills(), 0);
        const peak = await cgroup.peak();
        assert(peak > 20 * MIB, `${peak} bytes are too few to be true`);
        // deno-lint-ignore no-console
        console.log(`at most ${Math.round(peak / MIB)} of ${LIMIT / MIB} MiB`);
      });
    }
  },
});
