/** The kinds of value that a key of a config takes: how each is read from a file and written again. */
import { type Cidr, parseCidr } from "./cidr.ts";
import { formatDuration, parseDuration } from "./duration.ts";
import { parseOldBoolean } from "./plain_scalar.ts";
import { describe, printableMessage } from "./printable.ts";
import { type Origin, type Severity, UPSTREAM_REFUSES } from "./problem.ts";

/** Where a value stands, and what is told about it. */
export interface Place {
  readonly origin: Origin;
  /** The value as it is written, where it is a scalar without quotes. */
  readonly plain?: string | undefined;
  /** Adds a problem, an error by default. */
  report(message: string, severity?: Severity): void;
  /** The place of one item, where the value is a list. */
  item(index: number): Place;
  /** The place of the value of a key, where the value is a mapping. */
  field(name: string): Place;
}

/** A kind of value: `Value` is what the program works with, `Written` what a config says. */
export interface ValueType<Value, Written = unknown> {
  readonly name: TypeName;
  /** Reads a value and reports what is wrong with it; undefined where it can't be used. */
  parse(value: unknown, place: Place): Value | undefined;
  /** Writes a value as a config would have it. */
  format(value: Value): Written;
}

/** The names of all kinds. */
export type TypeName = "cidrs" | "boolean" | "count" | "interval" | "rules";

/** One entry of a list of CIDRs. */
export interface CidrEntry {
  readonly cidr: Cidr;
  readonly origin: Origin;
}

/** A list of CIDRs of both families. */
export const CIDRS: ValueType<readonly CidrEntry[], readonly string[]> = {
  name: "cidrs",
  parse(value, place) {
    if (value === null) {
      place.report(
        "null is taken as an empty list: write [], or remove the key to get the default",
        "warning",
      );
      return [];
    }
    if (!Array.isArray(value)) {
      const fix = typeof value === "string" && /^-\S/.test(value)
        ? 'write a blank behind "-"'
        : 'write ["10.0.0.0/8"] or "- 10.0.0.0/8" lines';
      place.report(`${describe(value)} is not a list of CIDRs: ${fix}`);
      return undefined;
    }
    const entries: CidrEntry[] = [];
    for (const [index, item] of value.entries()) {
      const itemPlace = place.item(index);
      const cidr = parseCidrItem(item, itemPlace);
      if (cidr !== undefined) entries.push({ cidr, origin: itemPlace.origin });
    }
    return entries;
  },
  format: (entries) => entries.map(({ cidr }) => cidr.text),
};

/** Reads one item of a list of CIDRs and reports what is wrong with it. */
export function parseCidrItem(item: unknown, place: Place): Cidr | undefined {
  const text = itemText(item);
  if (text === undefined) {
    place.report(`${describe(item)} is not a CIDR: write one such as "10.0.0.0/8", or remove the entry`);
    return undefined;
  }
  const slip = explainItem(text);
  if (slip !== undefined) {
    place.report(`${describe(text)} ${slip}`);
    return undefined;
  }
  // Go reads the zeros away, and iptables does.
  const short = text.replace(/\/0+(?=\d)/, "/");
  try {
    const cidr = parseCidr(short);
    if (short !== text) place.report(`"${text}" is read as "${short}": write it so`, "warning");
    return cidr;
  } catch (error) {
    const message = printableMessage(short, (error as Error).message);
    place.report(message + (message.endsWith("not an IP address") ? ': write one such as "10.0.0.0/8"' : ""));
    return undefined;
  }
}

/** The text of a list item; YAML takes one that ends in a colon, such as `2001:db8::`, for a key without a value. */
function itemText(item: unknown): string | undefined {
  if (typeof item === "string") return item;
  if (typeof item !== "object" || item === null || Array.isArray(item)) return undefined;
  const [[key, value] = [], ...others] = Object.entries(item);
  return key?.includes(":") && value === null && others.length === 0 ? `${key}:` : undefined;
}

/** What is wrong with a list item that was not meant to be one address. */
function explainItem(text: string): string | undefined {
  if (/\s-\s/.test(text)) return 'is one entry, not several: put each "-" right below the one before';
  if (/^\s|\s$/.test(text)) return "has a blank before or behind the CIDR: remove it";
  if (/[,;]/.test(text)) return "is one entry, not several: write each CIDR as an entry of its own";
  return undefined;
}

/** True or false. */
export const BOOLEAN: ValueType<boolean, boolean> = {
  name: "boolean",
  parse(value, place) {
    if (typeof value === "boolean") return value;
    const word = place.plain === undefined ? undefined : parseOldBoolean(place.plain);
    if (word !== undefined) {
      place.report(`"${place.plain}" is read as ${word}: write ${word}`, "warning");
      return word;
    }
    place.report(`${describe(value)} is not a boolean: write true or false, without quotes`);
    return undefined;
  },
  format: (value) => value,
};

/** A whole number of 0 or more. */
export const COUNT: ValueType<number, number> = {
  name: "count",
  parse(value, place) {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
      if (place.plain !== undefined && place.plain !== String(value)) {
        place.report(`"${place.plain}" is read as ${value}: write ${value}`, "warning");
      }
      return value;
    }
    if (typeof value === "number" && Number.isInteger(value) && value > 0) {
      // Go's int has 64 bits.
      const rollback = value > 2 ** 63 ? `; ${UPSTREAM_REFUSES}` : "";
      place.report(
        `${describe(value)} is beyond 2^53, which means no limit: write a smaller number${rollback}`,
        "warning",
      );
      return Number.MAX_SAFE_INTEGER;
    }
    place.report(
      `${describe(value)} is not a whole number of 0 or more: write one such as 64, without quotes`,
    );
    return undefined;
  },
  format: (value) => value,
};

/** The shortest interval, in milliseconds: below it the agent would do little else. */
export const SHORTEST_INTERVAL_MS = 1_000;

/** Time between two checks, in milliseconds; written as a duration of Go. */
export const INTERVAL: ValueType<number, string> = {
  name: "interval",
  parse(value, place) {
    if (typeof value !== "string") {
      const fix = typeof value === "number" && value >= 1 && value < 1e9 ? `"${value}s"` : '"60s"';
      place.report(`${describe(value)} is not a duration: write a string such as ${fix}`);
      return undefined;
    }
    try {
      const milliseconds = parseDuration(value);
      if (milliseconds >= SHORTEST_INTERVAL_MS) return milliseconds;
      place.report(`"${value}" is too short, so that 1s is used: write "1s" or more`, "warning");
      return SHORTEST_INTERVAL_MS;
    } catch (error) {
      place.report(printableMessage(value, (error as Error).message));
    }
    return undefined;
  },
  format: formatDuration,
};
