/**
 * Configs for tests, written as a file would write them.
 *
 * @module
 */
import type { MasqConfig } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load_config.ts";

/** The config that a file with these keys gives, with IPv6 on. Throws where it is bad. */
export function configOf(settings: Record<string, unknown>): MasqConfig {
  const bytes = new TextEncoder().encode(JSON.stringify(settings));
  const { config } = loadConfig([{ name: "test", bytes }], { enableIpv6: true, allReservedRanges: false });
  return config;
}
