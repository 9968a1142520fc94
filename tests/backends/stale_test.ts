import { assertEquals, assertRejects } from "@std/assert";
import type { BackendName } from "../../lib/backends/backend_name.ts";
import { createBackend } from "../../lib/backends/create_backend.ts";
import { findAllStale, findStaleBeside, type Found } from "../../lib/backends/stale.ts";
import { parseChainName } from "../../lib/config/chain_name.ts";
import { CommandError, CommandKilledError, CommandNotFoundError } from "../../lib/ports.ts";
import { FakeCommandRunner, type Reply } from "../fakes/command_runner.ts";

const CHAIN = parseChainName("MASQ");
const LISTED = "-P POSTROUTING ACCEPT\n-A POSTROUTING -j MASQ\n-N MASQ\n";
const SAVED = "*nat\n:POSTROUTING ACCEPT [0:0]\n:MASQ - [0:0]\n-A POSTROUTING -j MASQ\nCOMMIT\n";

/** What a host has. */
interface Host {
  /** Where rules of ours are. */
  readonly has?: readonly BackendName[];
  readonly missing?: readonly BackendName[];
  readonly unreadable?: readonly BackendName[];
  readonly version?: string;
}

function runnerOf({ has = [], missing = [], unreadable = [], version }: Host): FakeCommandRunner {
  return new FakeCommandRunner(({ name, args }): Reply => {
    if (args[0] === "--version") return { stdout: version ?? "" };
    const backend = name === "nft"
      ? "nftables"
      : name.replace(/^ip6?/, "ip").replace(/-(?:restore|save)$/, "") as BackendName;
    if (missing.includes(backend)) return new CommandNotFoundError(name, []);
    if (unreadable.includes(backend)) return { code: 4, stderr: "No" };
    const isThere = has.includes(backend);
    if (name === "nft") {
      return isThere
        ? { stdout: '{"nftables": []}' }
        : { code: 1, stderr: "Error: No such file or directory" };
    }
    if (name.endsWith("-save")) return { stdout: isThere ? SAVED : "" };
    return isThere ? { stdout: LISTED } : { code: 1, stdout: "-P POSTROUTING ACCEPT\n" };
  });
}

/** Each place in short, with what was found there. */
function short(found: readonly Found[]): string[] {
  return found.map((it) => {
    const place = `${it.place.backend} ${it.place.family}`;
    if ("missing" in it) return `${place}: missing`;
    if ("error" in it) return `${place}: unreadable`;
    return `${place}: ${it.rules.map(({ name }) => name).join()}`;
  });
}

Deno.test("findStaleBeside() looks where the active backend's rules are not", async (t) => {
  const cases: [active: BackendName, host: Host, found: string[]][] = [
    ["iptables-nft", {}, ["iptables-legacy IPv4: ", "nftables IPv4: "]],
    ["iptables-legacy", {}, ["iptables-nft IPv4: ", "nftables IPv4: "]],
    ["iptables-legacy", { has: ["iptables-nft", "iptables-legacy", "nftables"] }, [
      "iptables-nft IPv4: MASQ",
      "nftables IPv4: MASQ",
    ]],
    ["nftables", { has: ["iptables-legacy"] }, ["iptables-nft IPv4: ", "iptables-legacy IPv4: MASQ"]],
    ["nftables", { missing: ["iptables-legacy"] }, ["iptables-nft IPv4: ", "iptables-legacy IPv4: missing"]],
    ["nftables", { missing: ["iptables-nft", "iptables-legacy"], has: ["iptables"] }, [
      "iptables-nft IPv4: missing",
      "iptables-legacy IPv4: missing",
      "iptables IPv4: MASQ",
    ]],
    ["iptables", { version: "iptables v1.8.9 (nf_tables)", has: ["iptables-nft"] }, [
      "iptables-legacy IPv4: ",
      "nftables IPv4: ",
    ]],
    ["iptables", { version: "iptables v1.8.9 (legacy)", has: ["iptables-nft"] }, [
      "iptables-nft IPv4: MASQ",
      "nftables IPv4: ",
    ]],
    ["iptables-nft", { unreadable: ["nftables"] }, ["iptables-legacy IPv4: ", "nftables IPv4: unreadable"]],
  ];
  for (const [active, host, expected] of cases) {
    await t.step(`${active} ${JSON.stringify(host)}`, async () => {
      const runner = runnerOf(host);
      const backend = await createBackend(active, "IPv4", CHAIN, runner);
      assertEquals(short(await findStaleBeside(backend, { chainName: CHAIN, runner })), expected);
      // To name a table to iptables-legacy makes it.
      assertEquals(runner.commands.filter(({ name }) => name === "iptables-legacy-restore"), []);
    });
  }
});

Deno.test("findStaleBeside() does not guess which variant the plain iptables is", async () => {
  const runner = runnerOf({ version: "iptables v1.6.1" });
  const backend = await createBackend("iptables", "IPv4", CHAIN, runner);
  await assertRejects(
    () => findStaleBeside(backend, { chainName: CHAIN, runner }),
    CommandError,
    "which variant",
  );
});

Deno.test("findAllStale() looks at all places of both families, at the plain iptables only where it is alone", async (t) => {
  const options = { chainName: CHAIN, onlyThisChain: false };
  const families = (place: string) => ["IPv4", "IPv6"].map((family) => place.replace(":", ` ${family}:`));
  const cases: [host: Host, found: string[]][] = [
    [{}, ["iptables-nft: ", "iptables-legacy: ", "nftables: "]],
    [{ has: ["iptables-nft", "iptables", "nftables"] }, [
      "iptables-nft: MASQ",
      "iptables-legacy: ",
      "nftables: ip-masq-agent",
    ]],
    [{ missing: ["iptables-nft", "iptables-legacy"], has: ["iptables"] }, [
      "iptables-nft: missing",
      "iptables-legacy: missing",
      "iptables: MASQ",
      "nftables: ",
    ]],
    [{ missing: ["iptables-nft"], unreadable: ["iptables-legacy"] }, [
      "iptables-nft: missing",
      "iptables-legacy: unreadable",
      "nftables: ",
    ]],
  ];
  for (const [host, places] of cases) {
    await t.step(JSON.stringify(host), async () => {
      const found = await findAllStale({ ...options, runner: runnerOf(host) });
      assertEquals(short(found), places.flatMap(families));
    });
  }
  await t.step("only this chain", async () => {
    const runner = runnerOf({ has: ["nftables"] });
    const found = await findAllStale({ ...options, onlyThisChain: true, runner });
    assertEquals(short(found), ["iptables-nft: ", "iptables-legacy: "].flatMap(families));
    assertEquals(runner.commands.filter(({ name }) => name === "nft"), []);
  });
});

Deno.test("findAllStale() takes no command that was killed for a finding", async () => {
  const runner = new FakeCommandRunner(() => new CommandKilledError("nft"));
  await assertRejects(
    () => findAllStale({ chainName: CHAIN, onlyThisChain: false, runner }),
    CommandKilledError,
  );
});
