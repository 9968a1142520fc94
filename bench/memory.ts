/** What ten thousand syncs leave behind in one process. */
import { Sandbox } from "../tests/sandbox/sandbox.ts";
import { runScript, V8_FLAGS } from "../tests/sandbox/run_script.ts";

/** Sizes in KiB, after a collection of garbage. */
export interface MemoryUse {
  readonly syncs: number;
  /** Anonymous memory after 500 syncs and after all of them. */
  readonly after500KiB: number;
  readonly afterAllKiB: number;
  readonly grownKiB: number;
  readonly openFilesGrown: number;
  readonly zombies: number;
}

/** Runs memory_process.ts in a sandbox. */
export async function measureMemory(say: (line: string) => void): Promise<MemoryUse> {
  await using sandbox = await Sandbox.create("nft");
  const use: MemoryUse = JSON.parse(
    await runScript(sandbox, "bench/memory_process.ts", V8_FLAGS),
  );
  say(
    `${use.syncs} syncs: anonymous memory ${use.after500KiB} KiB after 500, ` +
      `${use.grownKiB} KiB more at the end; ${use.openFilesGrown} more open files, ${use.zombies} zombies`,
  );
  return use;
}
