import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { Sandbox } from "../sandbox/sandbox.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));
const UNIT = `${ROOT}deploy/systemd/ip-masq-agent.service`;
/** Installs what is built, without building it again. */
const MAKE = `make --directory=${ROOT} --silent --old-file=dist/ip-masq-agent`;
const INSTALL = `${MAKE} install`;

/** The values of a setting, which may stand on several lines. */
async function setting(name: string): Promise<string[]> {
  const lines = (await Deno.readTextFile(UNIT)).split("\n");
  return lines.flatMap((line) => line.startsWith(`${name}=`) ? line.slice(name.length + 1).split(" ") : []);
}

Deno.test("systemd-analyze verify finds nothing in the installed units", async () => {
  await using sandbox = await Sandbox.create();
  // Where the unit looks for the program; the machine's own folder stays as it is.
  await sandbox.sh(`
    mount -t tmpfs tmpfs /usr/local
    ${INSTALL}
    test -x /usr/local/sbin/ip-masq-agent
    test -s /usr/local/share/doc/ip-masq-agent/LICENSE
  `);
  const { code, stdout, stderr } = await sandbox.run("systemd-analyze", [
    "verify",
    "/usr/local/lib/systemd/system/ip-masq-agent.service",
    "/usr/local/lib/systemd/system/ip-masq-agent-check.service",
  ]);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

Deno.test("systemd-analyze verify finds nothing in the unit of docs/boot.md, under the name that the page enables", async () => {
  const page = await Deno.readTextFile(`${ROOT}docs/boot.md`);
  const [, unit] = /^```ini\n(.*?)^```$/ms.exec(page)!;
  const [, name] = /^systemctl enable (\S+)$/m.exec(page)!;
  assert(page.includes(`\`/etc/systemd/system/${name}.service\``));
  await using sandbox = await Sandbox.create();
  await sandbox.sh(`mount -t tmpfs tmpfs /usr/local; ${INSTALL}`);
  const file = `/run/${name}.service`;
  await sandbox.write(file, unit!);
  const { code, stdout, stderr } = await sandbox.run("systemd-analyze", ["verify", file]);
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

Deno.test("systemd-analyze security gives the unit at most 2.0", async () => {
  const { success, stdout } = await new Deno.Command("systemd-analyze", {
    args: ["security", "--offline=true", "--no-pager", "--threshold=20", UNIT],
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert(success, text);
  const exposure = Number(/Overall exposure level for \S+: (\d+\.\d)/.exec(text)?.[1]);
  assert(exposure > 0 && exposure <= 2, text);
});

Deno.test("the unit comes after network-pre and before kubelet and the container runtimes", async () => {
  assert((await setting("After")).includes("network-pre.target"));
  const before = await setting("Before");
  for (const name of ["kubelet", "containerd", "crio", "docker", "k3s"]) {
    assert(before.includes(`${name}.service`), name);
  }
});

Deno.test("make install keeps a config that is there, and honours PREFIX and DESTDIR", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.write("/run/dest/etc/ip-masq-agent/ip-masq-own.yaml", "masqLinkLocal: true\n");
  await sandbox.sh(`${INSTALL} DESTDIR=/run/dest PREFIX=/usr`);
  assertEquals(await sandbox.sh("ls /run/dest/etc/ip-masq-agent"), "ip-masq-own.yaml\n");
  const unit = await sandbox.sh("cat /run/dest/usr/lib/systemd/system/ip-masq-agent.service");
  assert(/^ExecStart=.* \/usr\/sbin\/ip-masq-agent /m.test(unit), unit);
  await sandbox.sh(`${INSTALL} DESTDIR=/run/new`);
  assertEquals(await sandbox.sh("ls /run/new/etc/ip-masq-agent"), "ip-masq-agent.yaml\n");
});

Deno.test("make uninstall leaves the config and nothing else of what make install brought", async () => {
  await using sandbox = await Sandbox.create();
  const files = () => sandbox.sh("cd /run/dest && find . -type f");
  await sandbox.sh(`${INSTALL} DESTDIR=/run/dest PREFIX=/usr`);
  assert((await files()).split("\n").length > 20);
  await sandbox.sh(`${MAKE} uninstall DESTDIR=/run/dest PREFIX=/usr`);
  assertEquals(await files(), "./etc/ip-masq-agent/ip-masq-agent.yaml\n");
});
