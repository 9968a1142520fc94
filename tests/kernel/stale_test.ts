/** Jumps and chains that an earlier life of the agent left, on a real kernel. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Sandbox, VARIANTS } from "../sandbox/sandbox.ts";

async function postrouting(sandbox: Sandbox): Promise<string[]> {
  const text = await sandbox.sh("iptables -t nat -S POSTROUTING");
  return text.trim().split("\n").filter((line) => line.startsWith("-A"));
}

/** The last words of each rule. */
const targets = (rules: readonly string[]) => rules.map((rule) => rule.split(" ").at(-1));

for (const variant of VARIANTS) {
  Deno.test(`of two jumps that are alike, the one before a foreign rule stays (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.agent("--once");
    const jump = (await postrouting(sandbox))[0]!.replace("-A POSTROUTING", "");
    await sandbox.sh(`iptables -t nat -I POSTROUTING -s 10.77.0.0/16 -j RETURN
      iptables -t nat -A POSTROUTING -s 10.78.0.0/16 -j ACCEPT
      iptables -t nat -A POSTROUTING ${jump}`);
    assertEquals(targets(await postrouting(sandbox)), ["RETURN", "IP-MASQ-AGENT", "ACCEPT", "IP-MASQ-AGENT"]);
    const { code, stderr } = await sandbox.agent("--once", "--skip_headers");
    assertEquals(code, 0, stderr);
    assertEquals(targets(await postrouting(sandbox)), ["RETURN", "IP-MASQ-AGENT", "ACCEPT"]);
    assertEquals((await sandbox.agent("diff")).code, 0);
  });

  Deno.test(`a changed --masq-chain takes the place of the old chain, and says so (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.agent("--once", "--masq-chain=OLD");
    await sandbox.sh("iptables -t nat -A POSTROUTING -s 10.78.0.0/16 -j ACCEPT");
    const { code, stderr } = await sandbox.agent("--once", "--masq-chain=NEW", "--skip_headers");
    assertEquals(code, 0, stderr);
    assertMatch(stderr, /a jump to OLD, the chain of an earlier --masq-chain/);
    assertEquals(targets(await postrouting(sandbox)), ["NEW", "ACCEPT"]);
    assert(!(await sandbox.sh("iptables-save -t nat")).includes("OLD"), "the chain is gone, too");
    assertEquals((await sandbox.agent("diff", "--masq-chain=NEW")).code, 0);
  });

  Deno.test(`an old chain that others lead to is left, and its jump goes (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.agent("--once", "--masq-chain=OLD");
    await sandbox.sh("iptables -t nat -N OTHER; iptables -t nat -A OTHER -j OLD");
    const { code, stderr } = await sandbox.agent("--once", "--masq-chain=NEW", "--skip_headers");
    assertEquals(code, 0, stderr);
    assertEquals(targets(await postrouting(sandbox)), ["NEW"]);
    assertMatch(await sandbox.sh("iptables -t nat -S OLD"), /-j MASQUERADE/);
  });

  Deno.test(`cleanup --masq-chain removes that chain and nothing else (${variant})`, async () => {
    await using sandbox = await Sandbox.create(variant);
    await sandbox.agent("--once");
    await sandbox.sh(
      "iptables -t nat -N MINE; iptables -t nat -A MINE -j RETURN; iptables -t nat -A POSTROUTING -j MINE",
    );
    const { code, stdout } = await sandbox.agent("cleanup", "--masq-chain=MINE");
    assertEquals([code, stdout], [
      0,
      `iptables-${variant} IPv4: removed chain MINE (1 rule) and 1 jump to it\n`,
    ]);
    assertEquals(targets(await postrouting(sandbox)), ["IP-MASQ-AGENT"]);
  });
}

Deno.test("cleanup makes no table, with --dry-run or without", async () => {
  await using sandbox = await Sandbox.create();
  for (const flags of [["--dry-run"], []]) {
    const { code, stdout } = await sandbox.agent("cleanup", ...flags);
    assertEquals([code, stdout], [0, "Nothing to remove\n"]);
    assertEquals(await sandbox.sh("cat /proc/net/ip_tables_names /proc/net/ip6_tables_names"), "");
  }
});
