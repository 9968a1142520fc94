/** From the start of `--once` to rules in the kernel, beside an empty program and the commands alone. */
import { EXECUTABLE, Sandbox, type Variant, VARIANTS } from "../tests/sandbox/sandbox.ts";

/** Medians in milliseconds of the wall clock, from exec on, in an empty table. */
export interface StartTime {
  readonly variant: Variant;
  /** To the end of the command that puts the rules into the kernel. */
  readonly rulesMs: number;
  /** To the log line that says so, once the agent has looked at them. */
  readonly logMs: number;
  /** To the end of the process, after it has looked for what other backends left. */
  readonly exitMs: number;
  /** An empty compiled program, to its end: the runtime alone. */
  readonly emptyMs: number;
  /** With a flag that is wrong, to the end: the runtime, all code that a start loads, and reading flags. */
  readonly loadedMs: number;
  /** The command that writes the rules, with the same arguments and input, by itself. */
  readonly commandsMs: number;
  readonly commands: readonly string[];
  /** The commands after it, in the same way. */
  readonly laterCommandsMs: number;
  readonly laterCommands: readonly string[];
  /** `rulesMs` over `emptyMs` and `commandsMs` together. */
  readonly ratio: number;
  /** `exitMs` over `emptyMs` and all commands together. */
  readonly exitRatio: number;
}

const RUNS = 101;

/** Measures both variants; `folder` has an empty compiled program, named empty. */
export async function measureStartTime(folder: string, say: (line: string) => void): Promise<StartTime[]> {
  // Copied alike: how a file came into the page cache makes a difference of 2 ms to who runs it.
  const [agent, empty] = [`${folder}/agent-copy`, `${folder}/empty-copy`];
  await Deno.copyFile(EXECUTABLE, agent);
  await Deno.copyFile(`${folder}/empty`, empty);
  const times: StartTime[] = [];
  for (const variant of VARIANTS) {
    await using sandbox = await Sandbox.create(variant);
    const once = `${agent} --once --backend=iptables-${variant}`;
    const traces = await record(sandbox, once, `iptables-${variant}-restore`);
    const medians = await measure(sandbox, {
      once: watch(once),
      empty: watch(empty),
      loaded: watch(`${agent} --backend=none`),
      commands: timed("source /run/trace/before"),
      laterCommands: timed("source /run/trace/after"),
      watched: withTellTale(watch(once)),
      commandsWatched: withTellTale(timed("source /run/trace/before")),
    });
    const ms = (name: string) => medians.get(name)!;
    const [logMs, exitMs, emptyMs, loadedMs] = [
      ms("once"),
      ms("once end"),
      ms("empty end"),
      ms("loaded end"),
    ];
    const [commandsMs, laterCommandsMs] = [ms("commands"), ms("laterCommands")];
    // Without what the tell-tale itself takes.
    const rulesMs = ms("watched written") - (ms("commandsWatched written") - commandsMs);
    const time = {
      variant,
      rulesMs,
      logMs,
      exitMs,
      emptyMs,
      loadedMs,
      commandsMs,
      laterCommandsMs,
      ...traces,
      ratio: rulesMs / (emptyMs + commandsMs),
      exitRatio: exitMs / (emptyMs + commandsMs + laterCommandsMs),
    };
    times.push(time);
    say(describe(time));
  }
  return times;
}

function describe(time: StartTime): string {
  const { variant, rulesMs, logMs, exitMs, emptyMs, loadedMs, commandsMs, commands, ratio, exitRatio } = time;
  const split = [
    `runtime ${emptyMs.toFixed(1)}`,
    `loading code ${(loadedMs - emptyMs).toFixed(1)}`,
    `commands ${commandsMs.toFixed(1)} (${commands.length})`,
    `running code ${(rulesMs - loadedMs - commandsMs).toFixed(1)}`,
  ];
  return `${variant.padEnd(6)} rules stand after ${rulesMs.toFixed(1)} ms: ${split.join(", ")}; ` +
    `ratio ${ratio.toFixed(2)}; says so after ${logMs.toFixed(1)} ms; ends after ${exitMs.toFixed(1)} ms, ` +
    `ratio ${exitRatio.toFixed(2)}`;
}

/**
 * Lets stand-ins note what the agent runs. Leaves the scripts /run/trace/before and /run/trace/after, which run the
 * same: the first command, which writes the rules, and all others. Leaves, too, what {@linkcode withTellTale} needs.
 */
async function record(
  sandbox: Sandbox,
  once: string,
  writer: string,
): Promise<Pick<StartTime, "commands" | "laterCommands">> {
  await sandbox.write(
    "/run/note",
    `#!/bin/bash
number=$$ name=\${0##*/}
cat >/run/trace/$number
[ -e /run/before ] && file=after || file=before
echo "/usr/sbin/$name $* </run/trace/$number" >>/run/$file
exec /run/real/$name "$@" </run/trace/$number
`,
  );
  await sandbox.sh(`
mkdir /run/trace /run/real /run/upper /run/work
chmod +x /run/note
mount --bind /usr/sbin /run/real
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/upper,workdir=/run/work /usr/sbin
for name in iptables{,-nft,-legacy}-restore iptables-legacy-save nft; do ln -sfn /run/note /usr/sbin/$name; done
${once}
umount /usr/sbin
mv /run/before /run/after /run/trace
mkdir /run/tell_tale /run/tell_tale_work
`);
  await sandbox.write(
    `/run/tell_tale/${writer}`,
    '#!/bin/bash\n/run/real/${0##*/} "$@"\ncode=$?\n[ -e /run/written ] || echo $EPOCHREALTIME >/run/written\nexit $code\n',
  );
  await sandbox.sh("chmod +x /run/tell_tale/*");
  const list = async (file: string) =>
    (await sandbox.sh(`cat /run/trace/${file}`)).trimEnd().split("\n").map((line) =>
      line.replace(/ <.*/, "")
    );
  return { commands: await list("before"), laterCommands: await list("after") };
}

/** A script that tells how long it takes a program to say that it installed rules, and to end. */
function watch(command: string): (name: string) => string {
  return (name) =>
    `\
{
  read -r start
  while read -r line; do [[ $line = *installed* ]] && tell "${name}"; done
} < <(echo $EPOCHREALTIME; exec ${command} 2>&1 >/dev/null)
tell "${name} end"`;
}

/** A script that tells how long another one takes. */
function timed(script: string): (name: string) => string {
  return (name) => `start=$EPOCHREALTIME\n${script} >/dev/null 2>&1\ntell "${name}"`;
}

/** A script that also tells when rules were written, by a stand-in for the command that does it. */
function withTellTale(script: (name: string) => string): (name: string) => string {
  return (name) => `
mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/tell_tale,workdir=/run/tell_tale_work /usr/sbin
rm -f /run/written
${script(name)}
tell "${name} written" "$(</run/written)"
umount /usr/sbin`;
}

/** Runs all scripts again and again, turn by turn, so that a busy moment meets all of them; returns medians. */
async function measure(
  sandbox: Sandbox,
  scripts: Record<string, (name: string) => string>,
): Promise<Map<string, number>> {
  const turn = Object.entries(scripts).map(([name, script]) => `
iptables -t nat -F
iptables -t nat -X
${script(name)}`);
  const output = await sandbox.sh(`set +e
tell() { local now=\${2:-$EPOCHREALTIME}; echo "$((\${now/./} - \${start/./})) $1"; }
for ((run = 0; run < ${RUNS}; run++)); do${turn.join("\n")}\ndone`);
  const samples = new Map<string, number[]>();
  for (const line of output.trimEnd().split("\n")) {
    const [, microseconds, name] = /^(\d+) (.*)$/.exec(line)!;
    samples.set(name!, [...samples.get(name!) ?? [], Number(microseconds) / 1000]);
  }
  return new Map([...samples].map(([name, numbers]) => [name, median(numbers)]));
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
