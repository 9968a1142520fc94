import { assertEquals } from "@std/assert";
import { buildChains } from "../../../lib/backends/iptables/chain_tree.ts";
import { compare } from "../../../lib/backends/iptables/compare.ts";
import { type Actual, parseListing } from "../../../lib/backends/iptables/listing.ts";
import {
  formatJump,
  formatRemoveText,
  formatWriteText,
} from "../../../lib/backends/iptables/restore_text.ts";
import { parseChainName } from "../../../lib/config/chain_name.ts";
import { buildRuleset } from "../../../lib/rules/ruleset.ts";
import { configOf } from "../../fakes/config.ts";

const CHAIN = parseChainName("MASQ");
const DESIRED = buildChains(
  buildRuleset("IPv4", configOf({ nonMasqueradeCIDRs: ["10.0.0.0/8"] }), { randomFully: true, toPorts: [] }),
  CHAIN,
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
const STALE = JUMP.replaceAll("MASQ", "OLD").replace("ip-OLD", "ip-masq");
const OLD_JUMP_REMOVAL = `-D POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`;
const WHOLE = ["*nat", ":MASQ - [0:0]"];

Deno.test("formatJump() is upstream's jump, byte for byte", () => {
  assertEquals(`-A POSTROUTING ${formatJump(CHAIN)}`, JUMP);
});

/** What these lines say of ours, as iptables would list them. */
function listing(lines: readonly string[]): Actual {
  return parseListing(["-P POSTROUTING ACCEPT", ...lines, ""].join("\n"), CHAIN);
}

interface Case {
  readonly name: string;
  readonly actual: readonly string[];
  readonly drift: readonly string[];
  /** The transaction's lines without COMMIT. */
  readonly transaction: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: "nothing stands",
    actual: [],
    drift: ["no chain MASQ", "no jump from POSTROUTING to MASQ"],
    transaction: [...WHOLE, JUMP, ...RULES],
  },
  {
    name: "the chain was flushed",
    actual: [JUMP, "-N MASQ"],
    drift: ["chain MASQ is empty"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "the jump was deleted: the chain and its counters stay",
    actual: ["-N MASQ", ...RULES],
    drift: ["no jump from POSTROUTING to MASQ"],
    transaction: ["*nat", JUMP],
  },
  {
    name: "a rule was inserted by somebody",
    actual: [JUMP, "-N MASQ", "-A MASQ -s 10.1.1.1/32 -j ACCEPT", ...RULES],
    drift: ["1 foreign rule in chain MASQ"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "a rule is missing and another is too many",
    actual: [JUMP, "-N MASQ", RULES[0]!, RULES[1]!.replace("10.0.0.0/8", "11.0.0.0/8"), RULES[2]!],
    drift: ["chain MASQ has 1 rule missing and 1 rule too many"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "a rule is missing",
    actual: [JUMP, "-N MASQ", RULES[0]!, RULES[2]!],
    drift: ["chain MASQ has 1 rule missing"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "two rules are too many",
    actual: [JUMP, "-N MASQ", RULES[0]!, ...RULES, RULES[2]!],
    drift: ["chain MASQ has 2 rules too many"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "the rules are in another order",
    actual: [JUMP, "-N MASQ", RULES[1]!, RULES[0]!, RULES[2]!],
    drift: ["the rules of chain MASQ are in another order"],
    transaction: [...WHOLE, ...RULES],
  },
  {
    name: "two jumps of old releases, quoted twice: one of ours takes the place of the first",
    actual: [
      `-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`,
      `-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`,
      "-N MASQ",
      ...RULES,
    ],
    drift: ["1 superfluous jump to MASQ"],
    transaction: [
      "*nat",
      OLD_JUMP_REMOVAL,
      OLD_JUMP_REMOVAL,
      JUMP.replace("-A POSTROUTING", "-I POSTROUTING 1"),
    ],
  },
  {
    name: "an old jump before one of ours: ours takes its place",
    actual: [`-A POSTROUTING -m comment --comment "\\"old\\"" ${CONDITION}`, JUMP, "-N MASQ", ...RULES],
    drift: ["1 superfluous jump to MASQ"],
    transaction: [
      "*nat",
      OLD_JUMP_REMOVAL,
      JUMP.replace("-A", "-D"),
      JUMP.replace("-A POSTROUTING", "-I POSTROUTING 1"),
    ],
  },
  {
    name: "a jump without its condition is replaced",
    actual: ["-A POSTROUTING -j MASQ", "-N MASQ", ...RULES],
    drift: ['1 jump to MASQ without exactly "! --dst-type LOCAL"'],
    transaction: ["*nat", "-D POSTROUTING -j MASQ", JUMP.replace("-A POSTROUTING", "-I POSTROUTING 1")],
  },
  {
    name: "two jumps that are alike around a rule of somebody else: one stays before it",
    actual: ["-A POSTROUTING -j ONE", JUMP, "-A POSTROUTING -j TWO", JUMP, "-N MASQ", ...RULES],
    drift: ["1 superfluous jump to MASQ"],
    transaction: [
      "*nat",
      JUMP.replace("-A", "-D"),
      JUMP.replace("-A", "-D"),
      JUMP.replace("-A POSTROUTING", "-I POSTROUTING 2"),
    ],
  },
  {
    name: "the jump of an earlier chain is replaced where it was",
    actual: ["-A POSTROUTING -j ONE", STALE, "-A POSTROUTING -j TWO", "-N OLD"],
    drift: [
      "no chain MASQ",
      "a jump to OLD, the chain of an earlier --masq-chain",
      "no jump from POSTROUTING to MASQ",
    ],
    transaction: [
      ...WHOLE,
      STALE.replace("-A", "-D"),
      JUMP.replace("-A POSTROUTING", "-I POSTROUTING 2"),
      ...RULES,
    ],
  },
  {
    name: "ours moves to the place of a jump of an earlier chain before it",
    actual: [STALE, JUMP, "-N MASQ", ...RULES],
    drift: ["a jump to OLD, the chain of an earlier --masq-chain"],
    transaction: [
      "*nat",
      JUMP.replace("-A", "-D"),
      STALE.replace("-A", "-D"),
      JUMP.replace("-A POSTROUTING", "-I POSTROUTING 1"),
    ],
  },
  {
    name: "ours stays before a jump of an earlier chain",
    actual: [JUMP, STALE, "-N MASQ", ...RULES],
    drift: ["a jump to OLD, the chain of an earlier --masq-chain"],
    transaction: ["*nat", STALE.replace("-A", "-D")],
  },
];

Deno.test("compare() names what had drifted and writes only what repairs it", async (t) => {
  for (const { name, actual, drift, transaction } of CASES) {
    await t.step(name, () => {
      const comparison = compare(listing(actual), DESIRED, CHAIN);
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
      const { drift } = compare(listing([jump, "-N MASQ", ...RULES]), DESIRED, CHAIN);
      assertEquals(drift, []);
    });
  }
});

Deno.test("compare() takes an empty chain for what it should be where there is no rule", () => {
  assertEquals(compare(listing([JUMP, "-N MASQ"]), new Map([[CHAIN, []]]), CHAIN).drift, []);
});

Deno.test("compare() counts what is to be added and removed where that is all", () => {
  const lines = [JUMP, "-N MASQ", RULES[0]!, RULES[0]!, RULES[2]!];
  assertEquals(compare(listing(lines), DESIRED, CHAIN).drift[0]?.counts, { missing: 1, surplus: 1 });
  assertEquals(compare(listing([JUMP, "-N MASQ"]), DESIRED, CHAIN).drift[0]?.counts, undefined);
});

Deno.test("formatRemoveText() removes every jump and then the chains", () => {
  const { jumps } = listing([JUMP, "-A POSTROUTING -j MASQ", "-N MASQ", ...RULES]);
  assertEquals(
    formatRemoveText({ removeJumps: jumps, removeChains: [CHAIN] }).split("\n"),
    ["*nat", JUMP.replace("-A", "-D"), "-D POSTROUTING -j MASQ", "-F MASQ", "-X MASQ", "COMMIT", ""],
  );
});
