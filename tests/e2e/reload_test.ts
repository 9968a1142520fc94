/** An edit of the config reaches the kernel at once, however it is made. The interval is an hour: only watching does it. */
import { assert, assertEquals } from "@std/assert";
import { Daemon } from "../sandbox/daemon.ts";
import { Sandbox } from "../sandbox/sandbox.ts";

const config = (number: number) => `nonMasqueradeCIDRs: ["10.${number}.0.0/16"]\nresyncInterval: 1h\n`;

/** Makes edits one after the other, and waits until each is in the kernel. */
async function followsEdits(
  sandbox: Sandbox,
  path: string,
  first: () => Promise<unknown>,
  edit: (number: number) => Promise<unknown>,
): Promise<void> {
  await first();
  await using daemon = new Daemon(sandbox, `--config-path=${path}`);
  await daemon.line(/^IPv4: installed 3 rules/);
  for (let number = 1; number <= 10; number++) {
    const from = daemon.lines.length;
    await edit(number);
    await daemon.line(/^IPv4: updated the rules/, { from });
    const chain = await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT");
    assert(chain.includes(`-d 10.${number}.0.0/16 `), chain);
  }
  assertEquals(daemon.lines.filter((line) => line.includes("bad")), []);
}

Deno.test("an edit in place is followed", async () => {
  await using sandbox = await Sandbox.create();
  const path = "/etc/ip-masq-agent/config.yaml";
  await followsEdits(
    sandbox,
    path,
    () => sandbox.write(path, config(0)),
    (it) => sandbox.write(path, config(it)),
  );
});

Deno.test("a file that takes the place of another is followed", async () => {
  await using sandbox = await Sandbox.create();
  const path = "/etc/ip-masq-agent/config.yaml";
  await followsEdits(sandbox, path, () => sandbox.write(path, config(0)), async (number) => {
    await sandbox.write(`${path}.new`, config(number));
    await sandbox.sh(`mv ${path}.new ${path}`);
  });
});

/** What the kubelet does to a ConfigMap volume: a new folder, a new link to it beside the old one, and a rename. */
async function swapConfigMap(sandbox: Sandbox, item: string, number: number): Promise<void> {
  const folder = `..2026_11_21_19_28_${String(number).padStart(2, "0")}.${1_000_000 + number}`;
  await sandbox.write(`/etc/config/${folder}/${item}`, config(number));
  const [top] = item.split("/");
  await sandbox.sh(`
cd /etc/config
old=$(readlink ..data || true)
ln -s ${folder} ..data_tmp
mv -T ..data_tmp ..data
[ -e ${top} ] || ln -s ..data/${top} ${top}
[ -z "$old" ] || rm -r "$old"
`);
}

const VOLUMES: readonly [path: string, item: string][] = [
  ["/etc/config/ip-masq-agent", "ip-masq-agent"],
  ["/etc/config", "ip-masq-agent"],
  ["/etc/config/some/folder/ip-masq-agent", "some/folder/ip-masq-agent"],
  ["/etc/config/some/folder", "some/folder/ip-masq-agent"],
];

for (const [path, item] of VOLUMES) {
  Deno.test(`a ConfigMap volume is followed, named as ${path}`, async () => {
    await using sandbox = await Sandbox.create();
    await followsEdits(
      sandbox,
      path,
      () => swapConfigMap(sandbox, item, 0),
      (it) => swapConfigMap(sandbox, item, it),
    );
  });
}

Deno.test("a folder that goes away and comes back is followed", async () => {
  await using sandbox = await Sandbox.create();
  const path = "/etc/ip-masq-agent/folder/config.yaml";
  await sandbox.write(path, config(0));
  await using daemon = new Daemon(sandbox, `--config-path=${path}`);
  await daemon.line(/^IPv4: installed 3 rules/);
  for (const goAway of ["rm -r folder", "mv folder old", "rm -r folder", "mv folder old2"]) {
    const from = daemon.lines.length;
    await sandbox.sh(`cd /etc/ip-masq-agent; ${goAway}`);
    await daemon.line(/^IPv4: updated the rules: added 3, removed 1$/, { from });
    await sandbox.write(path, config(1));
    await daemon.line(/^IPv4: updated the rules: added 1, removed 3$/, { from });
  }
});

Deno.test("a config that appears, and one that is deleted, is followed", async () => {
  await using sandbox = await Sandbox.create();
  await using daemon = new Daemon(sandbox);
  await daemon.line(/^IPv4: installed 5 rules/);
  await sandbox.writeConfig(config(1));
  await daemon.line(/^IPv4: updated the rules: added 1, removed 3$/);
  await sandbox.sh("rm /etc/config/ip-masq-agent");
  await daemon.line(/^IPv4: updated the rules: added 3, removed 1$/);
});

Deno.test("where watching is impossible the interval does it, and a shorter interval counts at once", async () => {
  await using sandbox = await Sandbox.create("nft", { userNamespace: true });
  await sandbox.writeConfig("resyncInterval: 1s\n");
  await sandbox.sh("echo 0 >/proc/sys/user/max_inotify_instances");
  await using daemon = new Daemon(sandbox);
  await daemon.line(/^IPv4: installed 5 rules/);
  await sandbox.writeConfig(config(1));
  await daemon.line(/^IPv4: updated the rules/);
});

Deno.test("a mount that appears takes the place of a host's folder, and gives it back", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.write("/etc/ip-masq-agent/ip-masq-a.yaml", config(0));
  await using daemon = new Daemon(sandbox, "--backend=iptables");
  await daemon.line(/^IPv4: installed 3 rules/);
  assertEquals(daemon.lines.filter((line) => line.startsWith("Config")), ["Config: /etc/ip-masq-agent"]);
  const steps: [edit: () => Promise<unknown>, number: number][] = [
    [() => sandbox.writeConfig(config(1)), 1],
    [() => sandbox.sh("rm /etc/config/ip-masq-agent"), 0],
  ];
  for (const [edit, number] of steps) {
    const from = daemon.lines.length;
    await edit();
    await daemon.line(/^IPv4: updated the rules/, { from });
    const chain = await sandbox.sh("iptables -t nat -S IP-MASQ-AGENT");
    assert(chain.includes(`-d 10.${number}.0.0/16 `), chain);
  }
  assertEquals(daemon.lines.filter((line) => line.startsWith("Config: ")), [
    "Config: /etc/ip-masq-agent",
    "Config: /etc/config/ip-masq-agent, no longer /etc/ip-masq-agent",
    "Config: /etc/ip-masq-agent, no longer /etc/config/ip-masq-agent",
  ]);
});
