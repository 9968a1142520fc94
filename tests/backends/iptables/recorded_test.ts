/** What every version and variant of iptables really printed, as tools/record_listings.ts recorded it. */
import { assert, assertEquals } from "@std/assert";
import { type BackendError, type Plan, sumCounters } from "../../../lib/backends/backend.ts";
import { IptablesBackend } from "../../../lib/backends/iptables/iptables_backend.ts";
import type { Ruleset } from "../../../lib/rules/ruleset.ts";
import { findOurChains, findOurs, parseListing } from "../../../lib/backends/iptables/listing.ts";
import { natPartOf, parseNatTable } from "../../../lib/backends/iptables/nat_table.ts";
import { restoreFailure } from "../../../lib/backends/iptables/restore_command.ts";
import { formatJump } from "../../../lib/backends/iptables/restore_text.ts";
import { CHAIN, requestText } from "../../data/iptables_cases.ts";
import { forEachRecording, type Recorded, toResult } from "../../data/recording.ts";
import { IPTABLES_RECORDINGS } from "../../data/recordings.ts";
import { RULESET_NAMES, rulesetOf } from "../../data/rulesets.ts";
import { FakeCommandRunner } from "../../fakes/command_runner.ts";

/** What iptables-save prints in a case, where that is asked for. */
const SAVED: Readonly<Record<string, string>> = {
  "nothing": "save nothing",
  "a native chain of our name": "save a native chain of our name",
};

/** A backend of the recording's variant to which iptables answers as recorded. */
function backendOf({ recording, family, version, name }: Recorded): IptablesBackend {
  const program = version.endsWith("-nft") ? "iptables-nft" : "iptables-legacy";
  const saved = IPTABLES_RECORDINGS[version]![family][SAVED[name] ?? "save"]!;
  const runner = new FakeCommandRunner((command) =>
    toResult(command.name.endsWith("-save") ? saved : recording)
  );
  return new IptablesBackend(family, CHAIN, runner, program);
}

function planOf(recorded: Recorded, ruleset: Ruleset): Promise<Plan> {
  return backendOf(recorded).plan(ruleset);
}

const forEachVersion = (
  t: Deno.TestContext,
  name: string,
  check: (recorded: Recorded) => Promise<void> | void,
) => forEachRecording(t, IPTABLES_RECORDINGS, name, check);

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
      const { drift, isFresh } = await planOf(recorded, rulesetOf("default", recorded.family));
      assertEquals([drift.map(({ detail }) => detail), isFresh], [details, name === "nothing"]);
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

Deno.test("superfluous jumps are removed by their words, quotes included", async (t) => {
  await forEachVersion(t, "duplicate jumps", async (recorded) => {
    const { text } = await planOf(recorded, rulesetOf("default", recorded.family));
    assertEquals(text.split("\n"), [
      "*nat",
      `-D POSTROUTING ${formatJump(CHAIN)}`,
      '-D POSTROUTING -m comment --comment "\\"ip-masq-agent: quoted twice\\"" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT',
      "-D POSTROUTING -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT",
      `-I POSTROUTING 1 ${formatJump(CHAIN)}`,
      "COMMIT",
      "",
    ]);
  });
});

Deno.test("the jump of an earlier chain is found, whichever iptables lists it", async (t) => {
  await forEachVersion(t, "a jump of an earlier chain", async (recorded) => {
    const { drift } = await planOf(recorded, rulesetOf("default", recorded.family));
    assertEquals(drift.map(({ detail }) => detail), ["a jump to OLD, the chain of an earlier --masq-chain"]);
  });
});

Deno.test("how many rules lead to a chain is told, whichever iptables lists it", async (t) => {
  await forEachVersion(t, "references", ({ recording }) => {
    const { code, stdout } = toResult(recording);
    assertEquals([code, /^Chain IP-MASQ-AGENT \((\d+) references\)$/m.exec(stdout)?.[1]], [0, "2"]);
  });
});

Deno.test("what iptables-save prints says the same as -S", async (t) => {
  await forEachVersion(t, "save", ({ recording, version, family }) => {
    const table = parseNatTable(natPartOf(toResult(recording).stdout)!);
    const listed = toResult(IPTABLES_RECORDINGS[version]![family]["a jump of an earlier chain"]!).stdout;
    assertEquals(findOurs(table, CHAIN), parseListing(listed, CHAIN));
    assertEquals(findOurChains(table, CHAIN).sort(), ["IP-MASQ-AGENT", "OLD"] as typeof CHAIN[]);
  });
  await forEachVersion(t, "save nothing", ({ recording }) => {
    const part = natPartOf(toResult(recording).stdout);
    assertEquals(part === undefined ? 0 : findOurChains(parseNatTable(part), CHAIN).length, 0);
  });
});

Deno.test("counters are read, whichever iptables prints them", async (t) => {
  await forEachVersion(t, "counters", async (recorded) => {
    assertEquals(sumCounters(await backendOf(recorded).counters()).verdicts, {
      SNAT: { packets: 0, bytes: 0 },
      RETURN: { packets: 5, bytes: 300 },
      MASQUERADE: { packets: 7 + 4294967296, bytes: 420 + 18446744073709551 },
    });
  });
  await forEachVersion(t, "counters of nothing", async (recorded) => {
    assert((await failureOf(backendOf(recorded).counters())).message.includes("cannot count the rules"));
  });
});

Deno.test("an installation succeeds where nothing is, and fails where the chain is", async (t) => {
  for (const [name, succeeds] of [["install", true], ["install where the chain stands", false]] as const) {
    await forEachVersion(t, name, ({ recording }) => assertEquals(recording.code === 0, succeeds));
  }
});

Deno.test("which line of a text was wrong is said, whichever iptables reads it", async (t) => {
  await forEachVersion(t, "write a bad rule", ({ recording, version, family }) => {
    const lines = requestText("write a bad rule", family).split("\n");
    const { message } = restoreFailure(
      "iptables-nft-restore",
      "write",
      toResult(recording),
      lines.join("\n"),
    );
    // The nft variant finds out when it commits that there is no such chain.
    const line = version.endsWith("-nft")
      ? lines.indexOf("COMMIT")
      : lines.findIndex((it) => it.includes("NO-SUCH-CHAIN"));
    assert(message.includes(`: line ${line + 1} was: ${lines[line]}`), message);
    assert(message.includes("NO-SUCH-CHAIN"), message);
  });
});

Deno.test("a table that can't be read is a failure and no absence, and what to do is said", async (t) => {
  const cases: Readonly<Record<string, RegExp>> = {
    "a native chain of our name": /nat table: it has rules that only nft understands/,
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
