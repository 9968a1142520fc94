/** What every version of nft really printed, as tools/record_listings.ts recorded it. */
import { assert, assertEquals } from "@std/assert";
import { type BackendError, type Plan } from "../../../lib/backends/backend.ts";
import { NftablesBackend } from "../../../lib/backends/nftables/nftables_backend.ts";
import type { IpFamily } from "../../../lib/config/ip_address.ts";
import { forEachRecording, type Recorded, type Recording, toResult } from "../../data/recording.ts";
import { NFT_RECORDINGS } from "../../data/recordings.ts";
import { RULESET_NAMES, type RulesetName, rulesetOf } from "../../data/rulesets.ts";
import { FakeCommandRunner } from "../../fakes/command_runner.ts";

/** What the backend makes of a recorded answer. */
function planOf(recording: Recording, ruleset: RulesetName, family: IpFamily): Promise<Plan> {
  const runner = new FakeCommandRunner(() => toResult(recording));
  return new NftablesBackend(family, runner).plan(rulesetOf(ruleset, family));
}

const forEachVersion = (
  t: Deno.TestContext,
  name: string,
  check: (recorded: Recorded) => Promise<void> | void,
) => forEachRecording(t, NFT_RECORDINGS, name, check);

/** Versions that show how a set was declared. */
const showsTypeof = (version: string) => version.startsWith("1.1.");

Deno.test("what was written is found to stand, whichever nft lists it", async (t) => {
  for (const name of RULESET_NAMES) {
    await forEachVersion(t, name, async ({ recording, family }) => {
      const { drift } = await planOf(recording, name, family);
      assertEquals(drift, []);
      const other = name === "default" ? "mixed" : "default";
      assert((await planOf(recording, other, family)).drift.length > 0, "other rules are told apart");
    });
  }
  await forEachVersion(t, "written by the newest nft", async ({ recording, family }) => {
    assertEquals((await planOf(recording, "default", family)).drift, []);
  });
});

Deno.test("a table that is not there is told from one that can't be read, whichever nft is asked", async (t) => {
  await forEachVersion(t, "nothing", async ({ recording, family }) => {
    const { isFresh, drift } = await planOf(recording, "default", family);
    assertEquals([isFresh, drift.map(({ kind }) => kind)], [true, ["table-missing"]]);
  });
  await forEachVersion(t, "without privileges", async ({ recording, family }) => {
    const { message } = await failureOf(planOf(recording, "default", family));
    assert(message.endsWith(": run the agent as root, or with the capability NET_ADMIN"), message);
  });
});

Deno.test("what others changed is noticed, whichever nft lists it", async (t) => {
  const cases: Readonly<Record<string, readonly string[]>> = {
    "foreign rule": ["chain postrouting has N rules instead of N"],
    "foreign set": ["a set mine too many"],
    "foreign map": ["foreign map in table ip-masq-agent"],
    "foreign chain": ["foreign chain mine"],
    "flushed": ["set linkLocal has 1 range missing", "chain translate is empty"],
    "dormant": ["table ip-masq-agent has a flag, such as dormant"],
    "dormant and empty": ["table ip-masq-agent has a flag, such as dormant"],
    "sets of another kind": ["set linkLocal is no plain set of addresses", "chain postrouting is empty"],
  };
  for (const [name, details] of Object.entries(cases)) {
    await forEachVersion(t, name, async ({ recording, family }) => {
      const { drift } = await planOf(recording, "default", family);
      assertEquals(
        drift.map(({ detail }) => detail.replaceAll(/\d+ rules|of \d+/g, (it) => it.replace(/\d+/, "N"))),
        details,
      );
    });
  }
});

Deno.test("sets that make an older nft crash are written anew, where nft shows that they are", async (t) => {
  await forEachVersion(t, "sets declared by type", async ({ recording, family, version }) => {
    const { drift, text } = await planOf(recording, "default", family);
    const sets = { IPv4: ["linkLocal", "nonMasqueradeCIDRs"], IPv6: ["linkLocal"] }[family];
    const details = sets.map((set) =>
      `set ${set} is declared by type, which makes nft 1.0.6 and older crash`
    );
    assertEquals(drift.map(({ detail }) => detail), showsTypeof(version) ? details : []);
    assertEquals(text.includes("delete set"), showsTypeof(version));
  });
});

Deno.test("nft that crashes is told in words, and what to do about it", async (t) => {
  await forEachVersion(
    t,
    "sets declared by type by the newest nft",
    async ({ recording, family, version }) => {
      assertEquals(recording.code, showsTypeof(version) ? 0 : 139);
      if (recording.code === 0) return;
      const runner = new FakeCommandRunner(({ args }) =>
        args[0] === "--version" ? { stdout: `nftables v${version} (E.D.S.)\n` } : toResult(recording)
      );
      const backend = new NftablesBackend(family, runner);
      assertEquals(
        (await failureOf(backend.plan(rulesetOf("default", family)))).message,
        `nft ${version} cannot read the rules: it crashed (exit code 139): no message: nft up to 1.0.6 is known to ` +
          "crash where nft 1.1.2 or later made a set, in any table of this host: use a newer nft, or " +
          "--backend=iptables-nft",
      );
    },
  );
});

Deno.test("which line of a text was wrong is said, whichever nft reads it", async (t) => {
  for (const [name, line] of [["write a bad rule", 3], ["delete what is not there", 1]] as const) {
    await forEachVersion(t, name, async ({ recording, family }) => {
      const absent = { code: 1, stderr: "Error: No such file or directory" };
      const runner = new FakeCommandRunner(({ args }) => args[0] === "-f" ? toResult(recording) : absent);
      const { message } = await failureOf(
        new NftablesBackend(family, runner).sync(rulesetOf("default", family)),
      );
      const written = runner.commands[1]!.input!.split("\n")[line - 1]!.trim();
      assert(message.endsWith(`: line ${line} was: ${written}`), message);
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
