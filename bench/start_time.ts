/** From the start of `--once` to rules in the kernel, beside an empty program and the commands alone. */
import { EXECUTABLE, Sandbox, type Variant, VARIANTS } from "../tests/sandbox/sandbox.ts";

/** Medians of whole processes, in milliseconds of the wall clock. */
export interface StartTime {
  readonly variant: Variant;
  /** With an empty table: `--once` installs chain and jump. */
  readonly onceMs: number;
  /** An empty compiled program: the runtime alone. */
  readonly emptyMs: number;
  /** `--help`: the runtime and all modules that are loaded at the start. */
  readonly loadedMs: number;
  /** The commands that `--once` runs, with the same arguments and input, by themselves. */
  readonly commandsMs: number;
  readonly commands: readonly string[];
  /** `onceMs` over `emptyMs` and `commandsMs` together. */
  readonly ratio: number;
}

const RUNS = 21;

/** Measures both variants; `empty` is the path of an empty compiled program. */
export async function measureStartTime(empty: string, say: (line: string) => void): Promise<StartTime[]> {
  const times: StartTime[] = [];
  for (const variant of VARIANTS) {
    const once = `${EXECUTABLE} --once --backend=iptables-${variant}`;
    await using sandbox = await Sandbox.create(variant);
    const commands = await record(sandbox, once);
    const samples = await measure(sandbox, {
      once,
      empty,
      loaded: `${EXECUTABLE} --help`,
      commands: "source /run/trace/all",
    });
    const [onceMs, emptyMs, loadedMs, commandsMs] = ["once", "empty", "loaded", "commands"].map((name) =>
      median(samples.get(name)!)
    ) as [number, number, number, number];
    const ratio = onceMs / (emptyMs + commandsMs);
    times.push({ variant, onceMs, emptyMs, loadedMs, commandsMs, commands, ratio });
    say(
      `${variant.padEnd(6)} --once ${onceMs.toFixed(1)} ms: runtime ${emptyMs.toFixed(1)}, loading code ` +
        `${(loadedMs - emptyMs).toFixed(1)}, commands ${
          commandsMs.toFixed(1)
        } (${commands.length}), running code ` +
        `${(onceMs - loadedMs - commandsMs).toFixed(1)}; ratio ${ratio.toFixed(2)}`,
    );
  }
  return times;
}

/** Lets stand-ins note what the agent runs. Leaves /run/trace/all, a script that runs the same. */
async function record(sandbox: Sandbox, once: string): Promise<string[]> {
  await sandbox.write(
    "/run/note",
    `#!/bin/bash
number=$$
cat >/run/trace/$number
echo "/usr/sbin/\${0##*/} $* </run/trace/$number" >>/run/trace.sh
exec /run/real/\${0##*/} "$@" </run/trace/$number
`,
  );
  await sandbox.sh(`
mkdir /run/trace /run/real /run/upper /run/work
chmod +x /run/note
mount --bind /usr/sbin /run/real
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/upper,workdir=/run/work /usr/sbin
for name in iptables{,-nft,-legacy}-restore nft; do ln -sfn /run/note /usr/sbin/$name; done
${once}
umount /usr/sbin
mv /run/trace.sh /run/trace/all
`);
  return (await sandbox.sh("cat /run/trace/all")).trimEnd().split("\n").map((line) =>
    line.replace(/ <.*/, "")
  );
}

/** Times each of the scripts again and again, turn by turn, so that a busy moment meets all of them. */
async function measure(sandbox: Sandbox, scripts: Record<string, string>): Promise<Map<string, number[]>> {
  const turn = Object.entries(scripts).map(([name, script]) => `
iptables -t nat -F
iptables -t nat -X
start=$EPOCHREALTIME
${script} >/dev/null 2>&1
end=$EPOCHREALTIME
echo "${name} $(((\${end/./} - \${start/./})))"`);
  const output = await sandbox.sh(
    `set +e\nfor ((run = 0; run < ${RUNS}; run++)); do${turn.join("\n")}\ndone`,
  );
  const samples = new Map<string, number[]>();
  for (const line of output.trimEnd().split("\n")) {
    const [name, microseconds] = line.split(" ");
    samples.set(name!, [...samples.get(name!) ?? [], Number(microseconds) / 1000]);
  }
  return samples;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
