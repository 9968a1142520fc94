/** Where a rule comes from, for a person. */
import { formatOrigin, type Origin } from "../config/problem.ts";

/** `FILE:LINE:COLUMN KEY`, or that it is the default of a key. */
export function describeOrigin(origin: Origin): string {
  return origin.file === undefined ? `default of ${origin.key}` : formatOrigin(origin);
}
