/** The word that somebody most likely meant. */

/**
 * The candidate that differs least from `word`, ignoring case, or undefined where none is near enough to be a slip:
 * more than a third of its letters would have to change.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let smallest = Infinity;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > candidate.length / 3) continue;
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < smallest && distance <= Math.max(1, candidate.length / 3)) {
      best = candidate;
      smallest = distance;
    }
  }
  return best;
}

/** What keys are about, by how they are spelled: exempting, sources, IPv6. A slip in one letter is still seen. */
const MEANINGS = [/^(?:o?n|dont|ex|skip|keep|by)/i, /src|source|^sport/i, /6$/];

/** As {@linkcode nearest}, but a key that is about something else is never meant, however alike it looks. */
export function nearestKey<Key extends string>(word: string, keys: readonly Key[]): Key | undefined {
  const alike = keys.filter((key) => MEANINGS.every((meaning) => meaning.test(key) === meaning.test(word)));
  return nearest(word, alike) as Key | undefined;
}

/** Damerau's distance: letters inserted, deleted, replaced, or two neighbours swapped. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let distance = Math.min(
        row[j - 1]! + 1,
        last[j]! + 1,
        last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
      );
      // Before the first letter there is none, which is like no letter of the other word.
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, beforeLast[j - 2]! + 1);
      }
      row.push(distance);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
