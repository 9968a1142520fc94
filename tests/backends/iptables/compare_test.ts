import { assertEquals } from "@std/assert";
import { type ChainRule, expandRuleset } from "../../../lib/backends/iptables/chain_rule.ts";
import { compare } from "../../../lib/backends/iptables/compare.ts";
import { parseListing } from "../../../lib/backends/iptables/listing.ts";
import {
  formatJump,
  formatRemoveText,
  formatWriteText,
} from "../../../lib/backends/iptables/restore_text.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { buildRuleset } from "../../../lib/rules/ruleset.ts";
import { configOf } from "../../fakes/config.ts";

const CHAIN = parseChainName("MASQ");
const WANTED: ChainRule[] = expandRuleset(
  buildRuleset("IPv4", configOf({ nonMasqueradeCIDRs: ["10.0.0.0/8"] }), { randomFully: true, toPorts: [] }),
  { randomFully: true },
);
const LOCAL = 'comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN';
const OUTBOUND =
  'comment --comment "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)"' +
  " -j MASQUERADE --random-fully";
const RULES = [
  `-A MASQ -d 169.254.0.0/16 -m ${LOCAL}`,
  `-A MASQ -d 10.0.0.0/8 -m ${LOCAL}`,
  `-A MASQ -m ${OUTBOUND}`,
];
const CONDITION = "-m addrtype ! --dst-type LOCAL -j MASQ";
const JUMP =
  '-A POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL ' +
  `destination traffic to our custom MASQ chain" ${CONDITION}`;
const WHOLE = ["*nat", ":MASQ - [0:0]"];

Deno.test("formatJump() is upstream's jump, byte for byte", () => {
  assertEquals(`-A POSTROUTING ${formatJump(CHAIN)}`, JUMP);
});

interface Case {
  readonly name: string;
  readonly standing: readonly string[];
  readonly drift: readonly string[];
  /** The transaction's lines without COMMIT. */
  readonly transaction: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: "nothing stands",
    standing: [],
    drift: ["no chain MASQ", "no jump from POSTROUTING to MASQ"],
    transaction: [...WHOLE, JUMP, ...RULES],
  },
  {
    name: "the chain was flushed",
    standing: [JUMP, "-N MASQ"],
    drift: ["chain MASQ is empty"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "the jump was deleted: the chain and its counters stay",
    standing: ["-N MASQ", ...RULES],
    drift: ["no jump from POSTROUTING to MASQ"],
    transaction: ["*nat", JUMP],
  },
  {
    name: "a rule was inserted by somebody",
    standing: [JUMP, "-N MASQ", "-A MASQ -s 10.1.1.1/32 -j ACCEPT", ...RULES],
    drift: ["1 foreign rule in chain MASQ"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "a rule is missing and another is too many",
    standing: [JUMP, "-N MASQ", RULES[0]!, RULES[1]!.replace("10.0.0.0/8", "11.0.0.0/8"), RULES[2]!],
    drift: ["chain MASQ has 1 rule missing and 1 rule too many"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "the rules are in another order",
    standing: [JUMP, "-N MASQ", RULES[1]!, RULES[0]!, RULES[2]!],
    drift: ["the rules of chain MASQ are in another order"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "two jumps of old releases, quoted twice: one of them stays",
    standing: [
      `-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`,
      `-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`,
      "-N MASQ",
      ...RULES,
    ],
    drift: ["1 superfluous jump to MASQ"],
    transaction: ["*nat", `-D POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`],
  },
  {
    name: "an old jump before one of ours: ours stays",
    standing: [`-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`, JUMP, "-N MASQ", ...RULES],
    drift: ["1 superfluous jump to MASQ"],
    transaction: ["*nat", `-D POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`],
  },
  {
    name: "a jump without its condition is replaced",
    standing: ["-A POSTROUTING -j MASQ", "-N MASQ", ...RULES],
    drift: ['1 jump to MASQ without exactly "! --dst-type LOCAL"'],
    transaction: ["*nat", "-D POSTROUTING -j MASQ", JUMP],
  },
];

Deno.test("compare() names what had drifted and writes only what mends it", async (t) => {
  for (const { name, standing, drift, transaction } of CASES) {
    await t.step(name, () => {
      const comparison = compare(parseListing(standing.join("\n"), CHAIN), WANTED, CHAIN);
      assertEquals(comparison.drift.map(({ detail }) => detail), drift);
      assertEquals(formatWriteText(CHAIN, comparison.changes), [...transaction, "COMMIT", ""].join("\n"));
    });
  }
});

Deno.test("compare() finds no drift where all is as it should be", async (t) => {
  const cases: [name: string, jump: string][] = [
    ["our spelling", JUMP],
    ["an old release's jump alone", `-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`],
    ["no comment", `-A POSTROUTING ${CONDITION}`],
  ];
  for (const [name, jump] of cases) {
    await t.step(name, () => {
      const { drift } = compare(parseListing([jump, "-N MASQ", ...RULES].join("\n"), CHAIN), WANTED, CHAIN);
      assertEquals(drift, []);
    });
  }
});

Deno.test("formatRemoveText() removes every jump and then the chain", () => {
  const standing = parseListing([JUMP, "-A POSTROUTING -j MASQ", "-N MASQ", ...RULES].join("\n"), CHAIN);
  assertEquals(
    formatRemoveText(CHAIN, standing),
    ["*nat", JUMP.replace("-A", "-D"), "-D POSTROUTING -j MASQ", "-F MASQ", "-X MASQ", "COMMIT", ""].join(
      "\n",
    ),
  );
});
