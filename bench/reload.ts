/** How long an edit of the config takes to reach the kernel. */
import { Daemon } from "../tests/sandbox/daemon.ts";
import { Sandbox, VARIANTS } from "../tests/sandbox/sandbox.ts";

/** Milliseconds from the end of the edit to the log line behind the transaction. */
export interface ReloadTime {
  readonly variant: string;
  readonly medianMs: number;
  readonly longestMs: number;
}

const EDITS = 20;

/** Edits the file in place, again and again. */
export async function measureReload(say: (line: string) => void): Promise<ReloadTime[]> {
  const times: ReloadTime[] = [];
  for (const variant of VARIANTS) {
    await using sandbox = await Sandbox.create(variant);
    const edit = (number: number) =>
      sandbox.writeConfig(`nonMasqueradeCIDRs: ["10.${number}.0.0/16"]\nresyncInterval: 1h\n`);
    await edit(0);
    await using daemon = new Daemon(sandbox);
    await daemon.line(/^IPv4: installed/);
    const samples: number[] = [];
    for (let number = 1; number <= EDITS; number++) {
      const from = daemon.lines.length;
      await edit(number);
      samples.push(await daemon.line(/^IPv4: updated the rules/, { from }));
    }
    samples.sort((a, b) => a - b);
    const [medianMs, longestMs] = [samples[EDITS / 2]!, samples.at(-1)!];
    times.push({ variant, medianMs, longestMs });
    say(
      `${variant.padEnd(6)} edit to kernel: median ${medianMs.toFixed(0)} ms, longest ${
        longestMs.toFixed(0)
      } ms`,
    );
  }
  return times;
}
