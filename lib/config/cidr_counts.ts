/** How long the lists of a config are. Apart from the table of keys: what loads both costs every start a file more. */
import type { MasqConfig } from "./config.ts";
import type { IpFamily } from "./ip_address.ts";
import type { CidrEntry } from "./value_types.ts";

/** How many entries of each list of CIDRs are of `family`, by the list's key. */
export function cidrCounts(config: MasqConfig, family: IpFamily): Readonly<Record<string, number>> {
  const lists = Object.entries(config).filter(([name, value]) => Array.isArray(value) && name !== "rules");
  const count = (entries: readonly CidrEntry[]) =>
    entries.filter(({ cidr }) => cidr.family === family).length;
  return Object.fromEntries(lists.map(([name, entries]) => [name, count(entries)]));
}
