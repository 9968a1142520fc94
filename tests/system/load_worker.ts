/**
 * Loads one of the nasty configs and prints, as JSON, what came out, how long it took and by how many MiB the peak of
 * the memory grew meanwhile. A process of its own, since a peak never shrinks.
 *
 * @module
 */
import { loadConfig } from "../../lib/config/load_config.ts";
import { LARGEST_CONFIG } from "../../lib/config/decode.ts";
import { ConfigError } from "../../lib/config/problem.ts";
import { NASTY_CONFIGS } from "../config/nasty_configs.ts";

/** What the worker prints. */
export interface LoadReport {
  /** The first error's message; undefined where there is none. */
  readonly error?: string;
  readonly milliseconds: number;
  readonly mebibytes: number;
}

function peakMemory(): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) / 1_024;
}

function load(bytes: Uint8Array): string | undefined {
  try {
    loadConfig([{ name: "nasty", bytes }], { enableIpv6: true, allReservedRanges: false });
    return undefined;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.find(({ severity }) => severity === "error")!.message;
  }
}

if (import.meta.main) {
  const made = NASTY_CONFIGS[Deno.args[0]!]![0]();
  // The source reads one byte more than the limit, whatever the size of the file.
  const bytes = (typeof made === "string" ? new TextEncoder().encode(made) : made).subarray(
    0,
    LARGEST_CONFIG + 1,
  );
  load(new TextEncoder().encode("nonMasqueradeCIDRs: [10.0.0.0/8]"));
  const before = peakMemory();
  const start = performance.now();
  const error = load(bytes);
  const milliseconds = Math.round(performance.now() - start);
  const report: LoadReport = {
    ...(error !== undefined && { error }),
    milliseconds,
    mebibytes: Math.round(peakMemory() - before),
  };
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
}
