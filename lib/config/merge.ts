/** Settings of several files -> the settings that they make together. */
import type { CidrEntry, ConfigSettings, Origin, SettingName } from "./config.ts";
import { CONFIG_KEYS } from "./keys.ts";

/**
 * Merges settings in the order of their files: lists are united, link-local booleans are ORed, an explicit false
 * of masqOutBound* wins, and so do the smallest resyncInterval and the largest cidrLimit.
 */
export function mergeSettings(files: readonly ConfigSettings[]): ConfigSettings {
  const [only, ...others] = files;
  if (only !== undefined && others.length === 0) return only;
  const values = <K extends SettingName>(key: K): NonNullable<ConfigSettings[K]>[] =>
    files.map((settings) => settings[key]).filter((value) => value !== undefined);
  const merged = {
    nonMasqueradeCIDRs: unite(values("nonMasqueradeCIDRs")),
    masqueradeCIDRs: unite(values("masqueradeCIDRs")),
    masqOutBound: combine(values("masqOutBound"), (all) => all.every(Boolean)),
    masqOutBoundIPv6: combine(values("masqOutBoundIPv6"), (all) => all.every(Boolean)),
    masqLinkLocal: combine(values("masqLinkLocal"), (all) => all.some(Boolean)),
    masqLinkLocalIPv6: combine(values("masqLinkLocalIPv6"), (all) => all.some(Boolean)),
    cidrLimit: combine(values("cidrLimit"), (all) => Math.max(...all)),
    resyncInterval: combine(values("resyncInterval"), (all) => Math.min(...all)),
  };
  const origins = new Map<SettingName, Origin>();
  for (const { name } of CONFIG_KEYS) {
    const setting = files.filter((settings) => settings[name] !== undefined);
    const decisive = setting.find((settings) => settings[name] === merged[name]) ?? setting[0];
    const origin = decisive?.origins?.get(name);
    if (origin !== undefined) origins.set(name, origin);
  }
  return {
    origins,
    ...Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined)),
  };
}

/** A key that no file sets stays unset, so that it gets its default. */
function combine<T>(values: readonly T[], merge: (values: readonly T[]) => T): T | undefined {
  return values.length === 0 ? undefined : merge(values);
}

function unite(lists: readonly (readonly CidrEntry[])[]): readonly CidrEntry[] | undefined {
  return combine(lists, (all) => {
    const byText = new Map<string, CidrEntry>();
    for (const entry of all.flat()) {
      if (!byText.has(entry.cidr.text)) byText.set(entry.cidr.text, entry);
    }
    return [...byText.values()];
  });
}
