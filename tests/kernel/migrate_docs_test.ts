/** What docs/migrate.md has: every config, on a real kernel in place of its old agent, and the recipes. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import page from "../../docs/migrate.md" with { type: "text" };
import { ADDRESSES, Network } from "../sandbox/network.ts";
import { EXECUTABLE, Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

/** Whose address a destination sees. */
type Seen = "pod" | "node";

/** One agent's section, and what its config does to traffic. */
interface Scenario {
  readonly section: string;
  readonly from: string;
  readonly seen: Readonly<Record<string, Seen>>;
}

const SCENARIOS: readonly Scenario[] = [
  {
    section: "Upstream's",
    from: "upstream",
    seen: { "10.99.0.1": "pod", "192.168.7.7": "pod", "172.16.5.5": "node", "203.0.113.10": "node" },
  },
  {
    section: "GKE's",
    from: "gke",
    seen: { "10.4.1.1": "pod", "10.8.0.9": "pod", "10.99.0.1": "node", "203.0.113.10": "node" },
  },
  {
    section: "Azure's",
    from: "azure",
    seen: { "10.224.0.9": "pod", "10.0.0.9": "pod", "192.168.7.7": "pod", "172.16.5.5": "node" },
  },
  {
    section: "Tencent TKE's",
    from: "tke",
    seen: { "172.16.5.5": "pod", "10.67.0.1": "pod", "10.99.0.1": "node", "203.0.113.10": "node" },
  },
  {
    section: "Baidu CCE's",
    from: "cce",
    seen: {
      "10.99.0.1": "node",
      "10.99.1.1": "pod",
      "203.0.113.10": "node",
      "2001:db8:99::1": "pod",
      "fd00:99::1": "pod",
    },
  },
];

/** The text of a section, the code blocks of a language in it, and the arguments that its migrate line names. */
function section(name: string): string {
  const found = page.split(/^## /m).find((it) => it.startsWith(`${name}\n`));
  assert(found !== undefined, `docs/migrate.md has no section "${name}"`);
  return found;
}

function blocks(text: string, language: string): string[] {
  const pattern = new RegExp(`^ *\`\`\`${language}\\n(.*?)^ *\`\`\`$`, "gms");
  return [...text.matchAll(pattern)].map(([, block]) => block!.replaceAll(/^ {3}(?=\S)/gm, ""));
}

Deno.test("docs/migrate.md has one config and one migrate line for each of the five agents", () => {
  const sections = page.split(/^## /m).filter((it) => /^ip-masq-agent migrate /m.test(it))
    .map((it) => it.split("\n")[0]);
  assertEquals(sections, SCENARIOS.map(({ section }) => section));
});

Deno.test("docs/migrate.md asks a node what would change, and changes nothing", async () => {
  await using sandbox = await Sandbox.create("nft");
  const [, onNode] = blocks(section("Before anything is deployed"), "sh");
  const [config] = blocks(section("Upstream's"), "yaml");
  await sandbox.write("/run/config.yaml", config!);
  const answers: [number, RegExp][] = [[1, /^\+-A IP-MASQ -d 10\.0\.0\.0\/8/m], [
    0,
    /^203\.0\.113\.10: masqueraded$/m,
  ]];
  for (const [index, line] of onNode!.trim().split("\n").entries()) {
    const script = `cd /run; ip-masq-agent() { ${EXECUTABLE} "$@"; }; ${line}`;
    const { code, stdout } = await sandbox.run("bash", ["-c", script]);
    assertEquals(code, answers[index]![0], line);
    assertMatch(stdout, answers[index]![1]);
  }
  assertEquals(await sandbox.sh("iptables-save -t nat | grep -c IP-MASQ || true"), "0\n");
});

for (const variant of VARIANTS) {
  Deno.test(`every config of docs/migrate.md takes over from its agent, as migrate says (${variant})`, async (t) => {
    for (const { section: name, from, seen } of SCENARIOS) {
      await t.step(name, async () => {
        await using sandbox = await Sandbox.create(variant);
        await using network = await Network.create(sandbox, Object.keys(seen));
        const [config] = blocks(section(name), "yaml");
        const [line] = section(name).split("\n").filter((it) => it.startsWith("ip-masq-agent migrate "));
        const said = await sandbox.run("bash", [
          "-c",
          `${EXECUTABLE} ${line!.replace(/^ip-masq-agent /, "").replace(/ <\S+$/, "")} -o json`,
        ], { input: config! });
        // Go's order of words is that of ours, too: flags may stand behind the path.
        assertEquals([said.code, said.stderr], [0, ""]);
        const report = JSON.parse(said.stdout);
        assertEquals(report.from, from);

        const flags = report.flags.filter((flag: string) => !flag.startsWith("--config-path"));
        const chain = /--masq-chain=(\S+)/.exec(flags.join(" "))?.[1] ?? "IP-MASQ-AGENT";
        const run = (...args: string[]) =>
          sandbox.run(EXECUTABLE, [...args, ...flags, "--config-path=-"], { input: report.config });
        await installAsOldAgent(sandbox, (await run("render")).stdout, report.from, flags);
        // All that migrate says of the kernel is what diff finds there.
        const changes = report.kernel.some(({ changes }: { changes: boolean }) => changes);
        const diff = await run("diff", `--backend=iptables`);
        assertEquals([diff.code, diff.stderr], [changes ? 1 : 0, ""], diff.stdout);
        assertEquals(
          changed(diff.stdout),
          report.kernel.flatMap((it: { diff: string[] }) => changed(it.diff.join("\n"))),
        );

        const expected = Object.fromEntries(
          Object.entries(seen).map(([destination, who]) => [
            destination,
            ADDRESSES[destination.includes(":") ? "IPv6" : "IPv4"][who],
          ]),
        );
        assertEquals(await network.sourceAddresses(...Object.keys(seen)), expected, "before");
        const once = await run("--once", "--backend=iptables");
        assertEquals(once.code, 0, once.stderr);
        assertEquals(await network.sourceAddresses(...Object.keys(seen)), expected, "after");
        assertEquals((await run("diff", "--backend=iptables")).code, 0);
        assertEquals(
          (await sandbox.sh(`iptables -t nat -S POSTROUTING`)).match(new RegExp(`-j ${chain}$`, "gm"))
            ?.length,
          1,
        );
      });
    }
  });

  Deno.test(`the recipes of docs/migrate.md for cleaning up leave nothing (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    const [withProgram, withIptables] = blocks(section("The way back"), "sh");
    const everything = () =>
      sandbox.sh(
        "iptables-save -t nat | grep -v '^#\\|^:[A-Z]* ACCEPT\\|^\\*\\|^COMMIT' || true; nft list tables | grep ip-masq || true",
      );
    await sandbox.writeConfig("");
    await sandbox.agent("--once", "--backend=iptables");
    await sandbox.sh("iptables -t nat -A POSTROUTING -s 10.1.0.0/16 -j ACCEPT");
    assert((await everything()).includes("IP-MASQ-AGENT"));
    await sandbox.sh(withIptables!);
    assertEquals(await everything(), "-A POSTROUTING -s 10.1.0.0/16 -j ACCEPT\n");
    await sandbox.agent("--once", "--backend=iptables");
    await sandbox.agent("--once", "--backend=nftables");
    await sandbox.sh(`ip-masq-agent() { ${EXECUTABLE} "$@"; }\n${withProgram}`);
    assertEquals(await everything(), "-A POSTROUTING -s 10.1.0.0/16 -j ACCEPT\n");
  });
}

/** The lines of a diff that change, without comments that both have. */
function changed(diff: string): string[] {
  return diff.split("\n").filter((line) => /^(?:-|\+)-[AN]/.test(line)).sort();
}

/** Writes the rules as the old agent does: chain, jump, then all rules of the chain anew. */
async function installAsOldAgent(
  sandbox: Sandbox,
  rendered: string,
  from: string,
  flags: string[],
): Promise<void> {
  let text = rendered;
  if (from === "azure") {
    text = text.replace(/(-A POSTROUTING -m comment --comment )"([^"]*)"/g, '$1"\\"$2\\""')
      .replaceAll(" --random-fully", "");
  }
  const [ipv4, ipv6] = text.split(/^# IPv6.*\n/m);
  for (const [command, input] of [["iptables-restore", ipv4], ["ip6tables-restore", ipv6]] as const) {
    if (input === undefined) continue;
    const { code, stderr } = await sandbox.run(command, ["--noflush"], { input });
    assertEquals(code, 0, `${stderr}${flags}`);
  }
}
