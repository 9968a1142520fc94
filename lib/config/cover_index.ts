/** Which entries of lists of CIDRs lie inside of others. */
import { type Cidr, cidrContains } from "./cidr.ts";
import { formatOrigin, type Origin } from "./problem.ts";
import type { CidrEntry } from "./value_types.ts";

/** The key of an entry, with its file where that is another one. */
export function name({ origin }: { readonly origin: Origin }, { file }: Origin): string {
  return origin.file === file ? origin.key : formatOrigin(origin);
}

/** Finds a list's entry that contains another one. Thin, since a list may be long: no copies, no texts. */
export class CoverIndex {
  /** The entries that no other one contains, by family and address. Of equal ones the first. */
  readonly #widest: readonly CidrEntry[];

  constructor(entries: readonly CidrEntry[]) {
    const widest: CidrEntry[] = [];
    for (const entry of entries.toSorted((a, b) => compareCidrs(a.cidr, b.cidr))) {
      const last = widest.at(-1);
      if (last === undefined || !cidrContains(last.cidr, entry.cidr)) widest.push(entry);
    }
    this.#widest = widest;
  }

  /** Whether one entry contains all addresses of `cidr`. */
  contains(cidr: Cidr): boolean {
    const found = this.#widestUpTo(cidr);
    return found !== undefined && cidrContains(found.cidr, cidr);
  }

  /** The widest entry, other than `entry` itself, that contains it. */
  cover(entry: CidrEntry): CidrEntry | undefined {
    const found = this.#widestUpTo(entry.cidr);
    return found !== undefined && found !== entry && cidrContains(found.cidr, entry.cidr) ? found : undefined;
  }

  #widestUpTo(cidr: Cidr): CidrEntry | undefined {
    let [low, high] = [0, this.#widest.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareCidrs(this.#widest[middle]!.cidr, cidr) <= 0) low = middle + 1;
      else high = middle;
    }
    return this.#widest[low - 1];
  }
}

/** Orders by family, then by first address, then the wider first. */
function compareCidrs(a: Cidr, b: Cidr): number {
  if (a.family !== b.family) return a.family < b.family ? -1 : 1;
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.prefixLength - b.prefixLength;
}
