/**
 * How what a tool printed is kept: one file for each version of a tool, a line of text or an item of a listing on each
 * line.
 *
 * @module
 */
import type { IpFamily } from "../../lib/config/ip_address.ts";
import type { CommandResult } from "../../lib/ports.ts";

/** An item of what `nft -j` lists; tests change it as they like. */
// deno-lint-ignore no-explicit-any
export type ListingItem = Record<string, any>;

/** How a command ended; `listing` instead of `stdout` where it printed JSON. */
export interface Recording {
  readonly code: number;
  readonly stdout?: readonly string[];
  readonly listing?: readonly ListingItem[];
  readonly stderr: readonly string[];
}

/** The recordings of one version by family and name of the case. */
export type Recordings = Readonly<Record<IpFamily, Readonly<Record<string, Recording>>>>;

/** One recording of a case. */
export interface Recorded {
  readonly recording: Recording;
  readonly family: IpFamily;
  /** Such as `1.8.9-nft`. */
  readonly version: string;
  /** Of the case. */
  readonly name: string;
}

/** A step for each version and family that has a recording of the case. Throws where there are fewer than eight. */
export async function forEachRecording(
  t: Deno.TestContext,
  byVersion: Readonly<Record<string, Recordings>>,
  name: string,
  check: (recorded: Recorded) => Promise<void> | void,
): Promise<void> {
  const all = Object.entries(byVersion).flatMap(([version, families]) =>
    (["IPv4", "IPv6"] as const).flatMap((family) => {
      const recording = families[family][name];
      return recording === undefined ? [] : [{ recording, family, version, name }];
    })
  );
  if (all.length < 8) throw new Error(`"${name}" is not recorded: run tools/deno task record`);
  for (const recorded of all) {
    await t.step(`${name}: ${recorded.version}, ${recorded.family}`, () => check(recorded));
  }
}

/** The result as the command gave it, byte for byte. */
export function toResult({ code, stdout, listing, stderr }: Recording): CommandResult {
  return {
    code,
    stdout: listing === undefined ? (stdout ?? []).join("\n") : formatListing(listing),
    stderr: stderr.join("\n"),
  };
}

/** A result as it is kept. Throws where it would not come back byte for byte. */
export function toRecording({ code, stdout, stderr }: CommandResult): Recording {
  // Not every version ends its listings.
  const isListing = stdout.startsWith('{"nftables": [') && stdout.endsWith("]}\n");
  const recording = {
    code,
    ...(isListing ? { listing: JSON.parse(stdout).nftables } : { stdout: stdout.split("\n") }),
    stderr: stderr.split("\n"),
  };
  if (toResult(recording).stdout !== stdout) throw new Error(`Cannot keep this listing: ${stdout}`);
  return recording;
}

/** Items as nft prints them. */
export function formatListing(items: readonly ListingItem[]): string {
  return `${spaced({ nftables: items })}\n`;
}

function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).map(([key, it]) => `${JSON.stringify(key)}: ${spaced(it)}`);
  return `{${entries.join(", ")}}`;
}
