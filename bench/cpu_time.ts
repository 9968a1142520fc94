/** CPU time of processes and of the children that they waited for, in milliseconds. */
import type { Sandbox } from "../tests/sandbox/sandbox.ts";

/** Clock ticks in which the kernel tells times in /proc: always 100 a second on Linux for user space. */
const TICK_MS = 10;

/** What a process has taken until now, user and system, with its ended children: see proc_pid_stat(5). */
export function cpuTimeOf(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name in parentheses may have blanks; utime, stime, cutime and cstime are fields 14 to 17.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS;
}

/** What one run of some shell commands takes, without the shell, from `times` runs. */
export async function cpuTimeOfCommands(sandbox: Sandbox, commands: string, times: number): Promise<number> {
  const script = `{\nfor ((run = 0; run < ${times}; run++)); do\n${commands}\ndone\n} >/dev/null 2>&1\ntimes`;
  const { stdout, stderr } = await sandbox.run("bash", ["-c", script]);
  const children = /^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/.exec(stdout.trimEnd().split("\n").at(-1) ?? "");
  if (children === null) throw new Error(`Cannot measure: ${stderr}${stdout}`);
  const [, userMinutes, userSeconds, systemMinutes, systemSeconds] = children.map(Number);
  return ((userMinutes! + systemMinutes!) * 60 + userSeconds! + systemSeconds!) * 1000 / times;
}
