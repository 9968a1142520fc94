import { assert, assertEquals, assertThrows } from "@std/assert";
import { compareTable } from "../../../lib/backends/nftables/compare.ts";
import { describeActual, parseNftListing } from "../../../lib/backends/nftables/nft_listing.ts";
import { buildNftTable, type NftTable } from "../../../lib/backends/nftables/nft_table.ts";
import { describeTable } from "../../../lib/backends/nftables/nft_text.ts";
import { formatListing, type ListingItem } from "../../data/recording.ts";
import { NFT_RECORDINGS } from "../../data/recordings.ts";
import { rulesetOf } from "../../data/rulesets.ts";

const [TABLE, TABLE6] = [
  buildNftTable(rulesetOf("mixed", "IPv4")),
  buildNftTable(rulesetOf("mixed", "IPv6")),
];

/** What nft 1.0.6 lists where the table stands. */
function listingItems({ family }: NftTable): ListingItem[] {
  return structuredClone([...NFT_RECORDINGS["1.0.6"]![family]["mixed"]!.listing!]);
}

/** Compares what `change` makes of a listing with what is wanted. */
function compareAfter(change: (items: ListingItem[]) => ListingItem[] | void, table = TABLE) {
  const items = listingItems(table);
  const changed = change(items) ?? items;
  return compareTable(parseNftListing(formatListing(changed), table.family), table);
}

const set = (items: ListingItem[], name: string) => items.find((it) => it.set?.name === name)!.set;
const rules = (items: ListingItem[]) => items.filter((it) => it.rule !== undefined);

Deno.test("compareTable() finds nothing where all stands, however nft spells it", async (t) => {
  const spellings: [name: string, change: (items: ListingItem[]) => ListingItem[] | void][] = [
    ["as nft 1.0.6 prints it", () => {}],
    ["counters have counted", (items) => {
      for (const { counter } of items) if (counter) counter.packets = 7;
    }],
    ["adjacent prefixes are joined to one range", (items) => {
      set(items, "nonMasqueradeCIDRs").elem = ["1.2.3.4", { range: ["10.0.0.0", "10.255.255.255"] }];
    }],
    ["lists of one value are printed as the value", (items) => {
      for (const { rule } of items) {
        for (const { match } of rule?.expr ?? []) if (match?.left.fib) match.left.fib.flags = "daddr";
      }
      set(items, "linkLocal").flags = "interval";
    }],
    ["rules of the other chain come first", (items) => [
      ...items.filter((it) => it.rule?.chain === "translate"),
      ...items.filter((it) => it.rule?.chain !== "translate"),
    ]],
  ];
  for (const [name, change] of spellings) {
    await t.step(name, () => assertEquals(compareAfter(change).drift, []));
  }
  await t.step("IPv6", () => assertEquals(compareAfter(() => {}, TABLE6).drift, []));
});

Deno.test("compareTable() notices whatever differs, and mends it without losing more than it must", async (t) => {
  const cases: [
    name: string,
    change: (items: ListingItem[]) => ListingItem[] | void,
    kind: string,
    detail: string,
  ][] = [
    [
      "a deleted element",
      (items) => void set(items, "nonMasqueradeCIDRs").elem.pop(),
      "update",
      "set nonMasqueradeCIDRs has 1 range missing",
    ],
    [
      "a flushed set",
      (items) => void delete set(items, "linkLocal").elem,
      "update",
      "set linkLocal has 1 range missing",
    ],
    [
      "an added element",
      (items) => void set(items, "linkLocal").elem.push("9.9.9.9"),
      "update",
      "set linkLocal has 1 range too many",
    ],
    [
      "an element that will time out",
      (items) => void (set(items, "linkLocal").elem = [{ elem: { val: "169.254.0.0", expires: 5 } }]),
      "update",
      "set linkLocal is no plain set of addresses",
    ],
    [
      "a set of another kind",
      (items) => void (set(items, "linkLocal").flags = ["interval", "timeout"]),
      "update",
      "set linkLocal is no plain set of addresses",
    ],
    [
      "a set too many",
      (items) => void items.push({ set: { name: "mine", type: "ipv4_addr" } }),
      "update",
      "a set mine too many",
    ],
    [
      "a missing counter",
      (items) => items.filter((it) => it.counter?.name !== "outbound"),
      "update",
      "the counters are not those of the lists",
    ],
    [
      "an added rule",
      (items) => void items.push({ rule: { chain: "postrouting", expr: [{ accept: null }] } }),
      "update",
      "chain postrouting has 5 rules instead of 4",
    ],
    [
      "a deleted rule",
      (items) => items.filter((it) => !it.rule?.comment.includes("sctp leaves from ports 80")),
      "update",
      "chain translate has 6 rules instead of 7",
    ],
    [
      "a flushed chain",
      (items) => items.filter((it) => it.rule?.chain !== "postrouting"),
      "update",
      "chain postrouting is empty",
    ],
    [
      "an exchanged verdict",
      (items) => void (rules(items)[1]!.rule.expr[2] = { accept: null }),
      "update",
      "chain postrouting has 1 other rule",
    ],
    [
      "rules in another order",
      (items) => {
        const [first, second] = rules(items);
        [first!.rule, second!.rule] = [second!.rule, first!.rule];
      },
      "update",
      "chain postrouting has 2 other rules",
    ],
    [
      "a dormant table",
      (items) => void (items[1]!.table.flags = ["dormant"]),
      "replace",
      "table ip-masq-agent has a flag, such as dormant",
    ],
    [
      "a chain of the wrong priority",
      (items) => void (items.find((it) => it.chain?.name === "postrouting")!.chain.prio = 0),
      "replace",
      'chain postrouting is hooked in as "nat postrouting 0 accept", not as "nat postrouting 100 accept"',
    ],
    [
      "a missing chain",
      (items) => items.filter((it) => it.chain?.name !== "postrouting"),
      "replace",
      "no chain postrouting",
    ],
    [
      "a foreign chain",
      (items) => void items.push({ chain: { name: "mine" } }),
      "replace",
      "foreign chain mine",
    ],
    [
      "a foreign map",
      (items) => void items.push({ map: { name: "mine" } }),
      "replace",
      "foreign map in table ip-masq-agent",
    ],
  ];
  for (const [name, change, kind, detail] of cases) {
    await t.step(name, () => {
      const { drift, change: mending } = compareAfter(change);
      assertEquals([mending.kind, drift.map((it) => it.detail)], [kind, [detail]]);
    });
  }
  await t.step("no table", () => {
    const { drift, change } = compareTable(undefined, TABLE);
    assertEquals([change.kind, drift.map((it) => it.detail)], ["replace", ["no table ip-masq-agent"]]);
  });
});

Deno.test("compareTable() has counters removed that are not those of the lists, and no others: they would count anew", async (t) => {
  const counter = (name: string): ListingItem => ({ counter: { name, packets: 1, bytes: 1 } });
  const without = (items: ListingItem[], name: string) => items.filter((it) => it.counter?.name !== name);
  const sets = ["linkLocal", "nonMasqueradeCIDRs"];
  const cases: [
    name: string,
    change: (items: ListingItem[]) => ListingItem[] | void,
    removed: string[],
    differs: boolean,
  ][] = [
    ["none", () => {}, [], false],
    ["one too many", (items) => void items.push(counter("mine")), ["mine"], true],
    ["one is missing", (items) => without(items, "outbound"), [], true],
    [
      "another one instead",
      (items) => [...without(items, "outbound"), counter("mine"), counter("yours")],
      ["mine", "yours"],
      true,
    ],
    ["as many, of another name", (items) => [...without(items, "outbound"), counter("mine")], ["mine"], true],
  ];
  for (const [name, change, removed, differs] of cases) {
    await t.step(name, () => {
      const { drift, change: mending } = compareAfter(change);
      assert(mending.kind === "update");
      assertEquals(mending.removeCounters, removed);
      assertEquals([...mending.removeSets].sort(), sets);
      assertEquals(drift.map((it) => it.detail), differs ? ["the counters are not those of the lists"] : []);
    });
  }
});

Deno.test("compareTable() counts what is to be added to sets and removed from them", () => {
  const { drift } = compareAfter((items) => {
    set(items, "linkLocal").elem = ["9.9.9.9", "9.9.9.11"];
    set(items, "nonMasqueradeCIDRs").elem.push("9.9.9.9");
  });
  assertEquals(drift.map(({ counts }) => counts), [{ missing: 1, surplus: 2 }, { missing: 0, surplus: 1 }]);
  // An element beside others changes none of them.
  const beside = compareAfter((items) => void set(items, "linkLocal").elem.push("169.255.0.0"));
  assertEquals(beside.drift.map(({ counts }) => counts), [{ missing: 0, surplus: 1 }]);
  assertEquals(
    compareAfter((items) => void set(items, "linkLocal").elem.push("9.9.9.9")).spelling,
    undefined,
  );
});

Deno.test("compareTable() tells what differs in both chains in one", () => {
  const { drift } = compareAfter((items) => items.filter((it) => it.rule === undefined));
  assertEquals(drift.map(({ detail }) => detail), ["chain postrouting is empty, chain translate is empty"]);
});

Deno.test("compareTable() tells rules that are spelled otherwise from rules that are others", () => {
  const respelled = compareAfter((items) => {
    for (const { rule } of rules(items)) rule.expr.push({ xt: null });
  });
  assertEquals(respelled.spelling?.split("\n").length, TABLE.rules.length);
  const foreign = compareAfter((items) => void (rules(items)[0]!.rule.comment = "mine"));
  assertEquals(foreign.spelling, undefined);
  const both = compareAfter((items) => {
    rules(items)[0]!.rule.expr = [];
    set(items, "linkLocal").elem = [];
  });
  assertEquals(both.spelling, undefined);
});

Deno.test("describeActual() and describeTable() are the same where all stands", () => {
  for (const table of [TABLE, TABLE6]) {
    const standing = parseNftListing(formatListing(listingItems(table)), table.family);
    assertEquals(describeActual(standing, table), describeTable(table));
  }
});

Deno.test("describeActual() shows a rule that is not ours as nft's JSON", () => {
  const items = [{ rule: { chain: "postrouting", expr: [{ accept: null }] } }];
  assertEquals(describeActual(parseNftListing(formatListing(items), "IPv4"), TABLE), [
    'add rule postrouting {"accept":null} comment ""',
  ]);
});

Deno.test("parseNftListing() refuses what is no listing", () => {
  for (const text of ["", "{}", "[]", "null", "<html>"]) {
    assertThrows(() => parseNftListing(text, "IPv4"), Error);
  }
});

Deno.test("parseNftListing() reads the counts", () => {
  const items = [{ counter: { name: "outbound", packets: 12, bytes: 720 } }];
  assertEquals([...parseNftListing(formatListing(items), "IPv4").counters], [
    ["outbound", { packets: 12, bytes: 720 }],
  ]);
});
