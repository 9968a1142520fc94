/** What the upstream agent takes is taken here with the same meaning, and what it refuses only with a word about it. */
import { assert, assertEquals } from "@std/assert";
import type { MasqConfig } from "../../lib/config/config.ts";
import { loadConfig } from "../../lib/config/load_config.ts";
import { ConfigError, UPSTREAM_REFUSES } from "../../lib/config/problem.ts";
import { DIFFERENTIAL_TEXTS, type Outcome, WHY } from "./differential_texts.ts";

const OPTIONS = { enableIpv6: false, allReservedRanges: false };

/** Forms that only upstream's parsers refuse. There are more of them than a warning could know. */
const SILENT: readonly string[] = [WHY.escape, WHY.form];
/** These have a warning, but of the key that is unknown, or in the range of a number. */
const WITHOUT_ROLLBACK: readonly string[] = [WHY.unknownKey, WHY.limit];

function load(text: string): { readonly outcome: Outcome; readonly messages: readonly string[] } {
  try {
    const { config, warnings } = loadConfig([{ name: "f", bytes: new TextEncoder().encode(text) }], OPTIONS);
    return { outcome: outcomeOf(config), messages: warnings.map(({ message }) => message) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { outcome: "refused", messages: [] };
  }
}

const DEFAULTS = loadConfig([], OPTIONS).config;

function outcomeOf(config: MasqConfig): Outcome {
  const { cidrLimit, masqLinkLocal, masqLinkLocalIPv6, resyncInterval } = config;
  const textsOf = ({ nonMasqueradeCIDRs }: MasqConfig) => nonMasqueradeCIDRs.map(({ cidr }) => cidr.text);
  const isDefault = textsOf(config).join() === textsOf(DEFAULTS).join();
  return {
    ...(!isDefault && { nonMasqueradeCIDRs: textsOf(config) }),
    ...(cidrLimit !== DEFAULTS.cidrLimit && { cidrLimit }),
    ...(masqLinkLocal && { masqLinkLocal }),
    ...(masqLinkLocalIPv6 && { masqLinkLocalIPv6 }),
    ...(resyncInterval !== DEFAULTS.resyncInterval && { resyncInterval }),
  };
}

Deno.test("a config means what it means to the upstream agent, but for what is said", async (t) => {
  assert(DIFFERENTIAL_TEXTS.length >= 150);
  assertEquals(new Set(DIFFERENTIAL_TEXTS.map(([text]) => text)).size, DIFFERENTIAL_TEXTS.length);
  for (const [text, upstream, ours, why] of DIFFERENTIAL_TEXTS) {
    await t.step(JSON.stringify(text), () => {
      const { outcome, messages } = load(text);
      const isSame = ours === "same" || ours === "warned";
      assertEquals(why === undefined, isSame, "what differs has a reason");
      assertEquals(outcome, isSame ? upstream : ours);
      if (outcome === "refused") return;
      assertEquals(messages.length > 0, ours !== "same" && !SILENT.includes(why ?? ""), messages.join("\n"));
      if (upstream !== "refused" || SILENT.concat(WITHOUT_ROLLBACK).includes(why!)) return;
      assert(messages.some((message) => message.includes(UPSTREAM_REFUSES)), messages.join("\n"));
    });
  }
});
