/** What the compiled program may do: as little as it can, baked in. */
import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { EXECUTABLE, Sandbox } from "../sandbox/sandbox.ts";

const root = (path: string) => fromFileUrl(new URL(`../../${path}`, import.meta.url));
const FLAGS = (await Deno.readTextFile(root("tools/permissions"))).trim().split("\n");

/** The value of a flag of tools/permissions as a list. */
function flagList(name: string): string[] | undefined {
  return FLAGS.find((flag) => flag.startsWith(`--${name}=`))?.split("=")[1]?.split(",");
}

Deno.test("tools/permissions grants two folders, fourteen commands, one port and the addresses, and nothing else", () => {
  const names = FLAGS.map((flag) => flag.split("=")[0]!);
  assertEquals(names.sort(), [
    "--allow-net",
    "--allow-read",
    "--allow-run",
    "--allow-sys",
    "--deny-import",
    "--no-prompt",
    "--v8-flags",
  ]);
  assertEquals(flagList("allow-read"), ["/etc/config", "/etc/ip-masq-agent"]);
  assertEquals(flagList("allow-net"), ["127.0.0.1:10264", "[::1]:10264", "0.0.0.0:10264", "[::]:10264"]);
  const commands = new Set(
    flagList("allow-run")!.map((path) => /^\/(?:usr\/local\/|usr\/)?sbin\/([a-z0-9-]+)$/.exec(path)?.[1]),
  );
  assertEquals(flagList("allow-sys"), ["networkInterfaces"]);
  assertEquals([...commands].sort() as string[], [
    "conntrack",
    "ip6tables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-nft-restore",
    "ip6tables-nft-save",
    "ip6tables-restore",
    "ip6tables-save",
    "iptables-legacy-restore",
    "iptables-legacy-save",
    "iptables-nft-restore",
    "iptables-nft-save",
    "iptables-restore",
    "iptables-save",
    "nft",
  ]);
});

Deno.test("the executable carries exactly these permissions", async () => {
  // The compiler writes them as JSON behind the runtime.
  const { stdout } = await new Deno.Command("grep", {
    args: ["-aoE", '"permissions":\\{[^}]*\\}', EXECUTABLE],
  }).output();
  const found = new TextDecoder().decode(stdout).trim().split("\n");
  const permissions = JSON.parse(`{${found.find((text) => text.includes('"allow_run"'))}}`).permissions;
  const granted = Object.entries(permissions).filter(([name, value]) =>
    name.startsWith("allow_") && value !== null
  );
  const { allow_import: _, ...others } = Object.fromEntries(granted);
  assertEquals(others, {
    allow_net: flagList("allow-net"),
    allow_read: flagList("allow-read"),
    allow_run: flagList("allow-run"),
    allow_sys: flagList("allow-sys"),
  });
  assertEquals([permissions.deny_import, permissions.prompt], [[], false]);
});

Deno.test("with these permissions, everything else is denied", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "compile",
        "--quiet",
        "--no-lock",
        "--no-check",
        "--no-code-cache",
        ...FLAGS,
        "--output",
        `${folder}/probe`,
        root("tests/e2e/permission_probe.ts"),
      ],
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    await using sandbox = await Sandbox.create();
    await sandbox.sh("echo x >/etc/config/x; echo x >/etc/ip-masq-agent/x");
    const { stdout } = await sandbox.run(`${folder}/probe`);
    const outcomes: Record<string, string> = JSON.parse(stdout);
    const allowed = Object.keys(outcomes).filter((name) => outcomes[name] === "allowed");
    assertEquals(allowed, [
      "network interfaces",
      "read /etc/config/x",
      "read /etc/ip-masq-agent/x",
      "run iptables-restore",
    ]);
    for (const [name, outcome] of Object.entries(outcomes)) {
      assert(["allowed", "NotCapable", "TypeError"].includes(outcome), `${name}: ${outcome}`);
    }
    assertEquals(Object.keys(outcomes).filter((name) => outcomes[name] === "TypeError"), [
      "import from the network",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the executable opens no file in a folder that everybody may write to", async () => {
  await using sandbox = await Sandbox.create();
  // A code cache in /tmp would let any user of the machine choose what root runs.
  await sandbox.sh("mkdir /run/tmp; mount --bind /run/tmp /tmp; chmod 777 /tmp");
  await sandbox.agent("--once");
  await sandbox.agent("--once");
  assertEquals(await sandbox.sh("ls -A /tmp"), "");
  assertEquals(
    (await sandbox.run("grep", ["-c", 'code_cache_key":null', EXECUTABLE])).stdout.trim() !== "0",
    true,
  );
});
