/** What every version and variant of iptables really printed, as tools/record_listings.ts recorded it. */
import { assert, assertEquals } from "@std/assert";
import { type BackendError, type SyncPlan } from "../../../lib/backends/backend.ts";
import { IptablesBackend } from "../../../lib/backends/iptables/iptables_backend.ts";
import type { IpFamily } from "../../../lib/config/ip_address.ts";
import type { Ruleset } from "../../../lib/rules/ruleset.ts";
import { CHAIN, requestText } from "../../data/iptables_cases.ts";
import { type Recording, toResult } from "../../data/recording.ts";
import { IPTABLES_RECORDINGS } from "../../data/recordings.ts";
import { RULESET_NAMES, rulesetOf } from "../../data/rulesets.ts";
import { FakeCommandRunner } from "../../fakes/command_runner.ts";

const FAMILIES = ["IPv4", "IPv6"] as const;

/** One recording of a case. */
interface Recorded {
  readonly recording: Recording;
  readonly family: IpFamily;
  /** Such as `1.8.9-nft`. */
  readonly version: string;
}

/** A backend of the recording's variant to which iptables answers as recorded. */
function backendOf({ recording, family, version }: Recorded): IptablesBackend {
  const program = version.endsWith("-nft") ? "iptables-nft" : "iptables-legacy";
  return new IptablesBackend(family, CHAIN, new FakeCommandRunner(() => toResult(recording)), program);
}

function planOf(recorded: Recorded, ruleset: Ruleset): Promise<SyncPlan> {
  return backendOf(recorded).plan(ruleset);
}

/** Calls `check` for each version, variant and family that has a recording of the case. */
async function forEachVersion(
  t: Deno.TestContext,
  name: string,
  check: (recorded: Recorded) => Promise<void> | void,
): Promise<void> {
  let recordings = 0;
  for (const [version, families] of Object.entries(IPTABLES_RECORDINGS)) {
    for (const family of FAMILIES) {
      const recording = families[family][name];
      if (recording === undefined) continue;
      recordings++;
      await t.step(`${name}: iptables ${version}, ${family}`, () => check({ recording, family, version }));
    }
  }
  assert(recordings >= 8, `"${name}" is recorded: tools/deno task record`);
}

Deno.test("what was written is found to stand, whichever iptables lists it", async (t) => {
  for (const name of RULESET_NAMES) {
    await forEachVersion(t, name, async (recorded) => {
      assertEquals((await planOf(recorded, rulesetOf(name, recorded.family))).drift, []);
      const other = rulesetOf(name === "default" ? "mixed" : "default", recorded.family);
      assertEquals((await planOf(recorded, other)).drift.map(({ kind }) => kind), ["chain-differs"]);
    });
  }
});

Deno.test("a chain that is not there is told from one that is empty, whichever iptables is asked", async (t) => {
  const noJump = "no jump from POSTROUTING to IP-MASQ-AGENT";
  const cases = {
    "nothing": ["no chain IP-MASQ-AGENT", noJump],
    "an empty chain": ["chain IP-MASQ-AGENT is empty", noJump],
  };
  for (const [name, details] of Object.entries(cases)) {
    await forEachVersion(t, name, async (recorded) => {
      const { drift, fresh } = await planOf(recorded, rulesetOf("default", recorded.family));
      assertEquals([drift.map(({ detail }) => detail), fresh], [details, name === "nothing"]);
    });
  }
});

Deno.test("what others changed is noticed, and what is theirs is left alone", async (t) => {
  const cases = {
    "duplicate jumps": ["2 superfluous jumps to IP-MASQ-AGENT"],
    "wrong jumps": ['3 jumps to IP-MASQ-AGENT without exactly "! --dst-type LOCAL"'],
    "others' rules with odd comments": [],
    "rules too many": ["1 foreign rule in chain IP-MASQ-AGENT"],
  };
  for (const [name, details] of Object.entries(cases)) {
    await forEachVersion(t, name, async (recorded) => {
      const { drift } = await planOf(recorded, rulesetOf("default", recorded.family));
      assertEquals(drift.map(({ detail }) => detail), details);
    });
  }
});

Deno.test("a superfluous jump is removed by its words, quotes included", async (t) => {
  await forEachVersion(t, "duplicate jumps", async (recorded) => {
    const { transaction } = await planOf(recorded, rulesetOf("default", recorded.family));
    assertEquals(transaction.split("\n"), [
      "*nat",
      '-D POSTROUTING -m comment --comment "\\"ip-masq-agent: quoted twice\\"" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT',
      "-D POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT",
      "COMMIT",
      "",
    ]);
  });
});

Deno.test("counters are read, whichever iptables prints them", async (t) => {
  await forEachVersion(t, "counters", async (recorded) => {
    assertEquals(await backendOf(recorded).readCounters(), {
      RETURN: { packets: 5, bytes: 300 },
      MASQUERADE: { packets: 7 + 4294967296, bytes: 420 + 18446744073709551 },
    });
  });
  await forEachVersion(t, "counters of nothing", async (recorded) => {
    assert((await failureOf(backendOf(recorded).readCounters())).message.includes("cannot count the rules"));
  });
});

Deno.test("an installation succeeds where nothing stands, and fails where the chain does", async (t) => {
  for (const [name, succeeds] of [["install", true], ["install where the chain stands", false]] as const) {
    await forEachVersion(t, name, async (recorded) => {
      const transaction = await backendOf(recorded).install(rulesetOf("default", recorded.family));
      assertEquals(transaction !== undefined, succeeds);
    });
  }
});

Deno.test("which line of a text was wrong is said, whichever iptables reads it", async (t) => {
  await forEachVersion(t, "write a bad rule", async (recorded) => {
    const transaction = requestText("write a bad rule", recorded.family);
    const plan = { family: recorded.family, drift: [], fresh: false, transaction, standing: [], wanted: [] };
    const { message } = await failureOf(backendOf(recorded).apply(plan));
    // The nft variant finds out when it commits that there is no such chain.
    const line = recorded.version.endsWith("-nft")
      ? transaction.split("\n").indexOf("COMMIT") + 1
      : transaction.split("\n").findIndex((it) => it.includes("NO-SUCH-CHAIN")) + 1;
    assert(message.includes(`: line ${line} was: ${transaction.split("\n")[line - 1]}`), message);
    assert(message.includes("NO-SUCH-CHAIN"), message);
  });
});

Deno.test("a table that can't be read is a failure and no absence, and what to do is said", async (t) => {
  const cases: Readonly<Record<string, RegExp>> = {
    "native rules of nft": /chain `POSTROUTING' in table `nat' is incompatible, use 'nft' tool/,
    "without privileges": /: run the agent as root, or with the capabilities NET_ADMIN and NET_RAW$/,
    "another holds the lock": /: another program holds the xtables lock; this is tried again$/,
  };
  for (const [name, message] of Object.entries(cases)) {
    await forEachVersion(t, name, async (recorded) => {
      const error = await failureOf(planOf(recorded, rulesetOf("default", recorded.family)));
      assert(message.test(error.message), error.message);
    });
  }
});

async function failureOf(action: Promise<unknown>): Promise<BackendError> {
  try {
    await action;
  } catch (error) {
    return error as BackendError;
  }
  throw new Error("This was to fail");
}
