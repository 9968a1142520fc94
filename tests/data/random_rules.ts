/**
 * Random entries of `rules`, as a config has them: all of them good.
 *
 * @module
 */
import fc from "fast-check";
import type { WrittenRule } from "../../lib/config/rule_entry.ts";

/** What the lists of random rules are made of. */
export interface Vocabulary {
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly via: readonly string[];
  readonly ports: readonly (string | number)[];
  readonly addresses: readonly { readonly IPv4: string; readonly IPv6: string }[];
}

/** Words of both families that no packet has to meet. */
export const VOCABULARY: Vocabulary = {
  from: ["10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "fd00::/8", "2001:db8::/32", "::/0"],
  to: ["203.0.113.0/24", "203.0.113.7/32", "fd00:1::/32", "2001:db8:1::1/128"],
  via: ["eth0", "eth1", "wlan0.7", "eth+", "cali1234+"],
  ports: [80, "443", "80-90", "85-100", 101, "1-65535"],
  addresses: [
    { IPv4: "198.51.100.7", IPv6: "2001:db8:5::7" },
    { IPv4: "198.51.100.8-198.51.100.9", IPv6: "2001:db8:5::1-2001:db8:5::ff" },
    { IPv4: "198.51.100.7-198.51.100.12", IPv6: "2001:db8:5::8-2001:db8:5::b" },
  ],
};

/** Rules whose lists are made of these words. */
export function randomRules(words: Vocabulary, maxLength: number): fc.Arbitrary<WrittenRule[]> {
  const list = <T>(items: readonly T[]) =>
    fc.option(fc.uniqueArray(fc.constantFrom(...items), { minLength: 1, maxLength: 3 }), {
      nil: undefined,
      freq: 2,
    });
  const layer4 = fc.oneof(
    fc.constant({}),
    fc.record({ protocols: list(["tcp", "udp", "sctp", "icmp"]) }),
    fc.record({
      protocols: fc.uniqueArray(fc.constantFrom("tcp", "udp", "sctp"), { minLength: 1 }),
      ports: list(words.ports),
    }),
  );
  const action = fc.oneof(
    fc.constantFrom({ action: "keep" }, { action: "masquerade" }),
    fc.tuple(fc.constantFrom(...words.addresses), fc.constantFrom("IPv4", "IPv6", "both")).map((
      [{ IPv4, IPv6 }, which],
    ) => ({ action: "snat", address: which === "both" ? [IPv4, IPv6] : [which === "IPv4" ? IPv4 : IPv6] })),
  );
  const rule = fc.record({
    from: fc.oneof({ weight: 4, arbitrary: list(words.from) }, fc.constant("node" as const)),
    to: list(words.to),
    via: list(words.via),
    layer4,
    action,
  }).map(({ from, to, via, layer4, action }) =>
    JSON.parse(JSON.stringify({ from, to, via, ...layer4, ...action })) as WrittenRule
  );
  const name = fc.option(fc.stringMatching(/^[A-Za-z_.-][A-Za-z0-9_.-]{0,39}$/), { nil: undefined });
  return fc.array(fc.tuple(name, rule), { maxLength }).map((entries) => {
    const names = new Set<string>();
    return entries.map(([name, rule]) => {
      if (name === undefined || names.has(name)) return rule;
      names.add(name);
      return { name, ...rule };
    });
  });
}
