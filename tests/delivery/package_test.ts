/** The Debian package and the papers in it, looked at by the tools that Debian has for that. */
import { assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { COMPLETED, typeInto } from "../sandbox/completion.ts";
import { CHECKERS, Host } from "../sandbox/host.ts";
import { EXECUTABLE, Sandbox } from "../sandbox/sandbox.ts";

const DIST = fromFileUrl(new URL("../../dist", import.meta.url));
const MAN_PAGE = "/usr/share/man/man8/ip-masq-agent.8.gz";

/** A machine with the checkers, and the package as `/run/package.deb`. */
async function createHost(sandbox: Sandbox): Promise<Host> {
  const host = await Host.create(sandbox, CHECKERS);
  await sandbox.sh(`cp ${DIST}/ip-masq-agent_*.deb /run/hosts/run/package.deb`);
  return host;
}

Deno.test("lintian finds nothing in the package, and finds what is wrong", async (t) => {
  await using sandbox = await Sandbox.create();
  const host = await createHost(sandbox);
  const lintian = (path: string) =>
    host.run("env", ["-i", "PATH=/usr/bin:/usr/sbin", "lintian", "--allow-root", "--fail-on=error", path]);
  await t.step("the package", async () => {
    const { code, stdout, stderr } = await lintian("/run/package.deb");
    assertEquals([code, stdout, stderr], [0, "", ""]);
  });
  await t.step("the package without its copyright", async () => {
    await host.sh(`
      dpkg-deb --raw-extract /run/package.deb /run/broken
      rm /run/broken/usr/share/doc/ip-masq-agent/copyright /run/broken/usr/sbin/ip-masq-agent
      dpkg-deb --root-owner-group -Znone --build /run/broken /run/broken.deb
    `);
    const { code, stdout } = await lintian("/run/broken.deb");
    assertEquals(code, 2);
    assertMatch(stdout, /^E: ip-masq-agent: no-copyright-file$/m);
  });
});

Deno.test("the man page is clean for mandoc and groff, and man shows it", async (t) => {
  await using sandbox = await Sandbox.create();
  const host = await createHost(sandbox);
  await host.sh("dpkg-deb --extract /run/package.deb /");
  for (const check of ["mandoc -T lint -W warning", "groff -ww -man -z"]) {
    await t.step(check, async () => assertEquals(await host.sh(`zcat ${MAN_PAGE} | ${check} 2>&1`), ""));
  }
  await t.step("man", async () => {
    const page = await host.sh("MANWIDTH=80 LC_ALL=C.UTF-8 man --pager=cat ip-masq-agent");
    assertMatch(page, /^ {7}ip-masq-agent - decide which outbound traffic is masqueraded$/m);
    assertMatch(page, /^ {7}--enable-ipv6$/m);
    assertMatch(page, /^ {3}explain ADDRESS\.\.\.$/m);
    assertMatch(page, /^ {7}resyncInterval$/m);
  });
});

Deno.test("the documents link to nothing that is not installed", async () => {
  await using sandbox = await Sandbox.create();
  const host = await createHost(sandbox);
  await host.sh("dpkg-deb --extract /run/package.deb /");
  const links = (await host.sh(`
    cd /usr/share/doc/ip-masq-agent
    find . -name '*.md' | while read -r file; do
      grep -oE '\\]\\([^)#:]+' "$file" | cut -c3- | while read -r target; do
        echo "$file $target"
        [ -e "$(dirname "$file")/$target" ] || echo "BROKEN $file $target"
      done || true
    done
  `)).trim().split("\n");
  assertEquals(links.length > 10, true);
  assertEquals(links.filter((line) => line.startsWith("BROKEN")), []);
});

Deno.test("zsh and fish complete what bash does", async (t) => {
  await using sandbox = await Sandbox.create();
  const host = await createHost(sandbox);
  await host.sh("dpkg-deb --extract /run/package.deb /");
  const lines = await typeInto(host, "zsh", COMPLETED.map(([typed]) => typed));
  for (const [index, [typed, expected]] of COMPLETED.entries()) {
    await t.step(`zsh: ${typed}`, () => assertEquals(lines[index], expected));
    await t.step(`fish: ${typed}`, async () => {
      const { stdout } = await host.run("fish", [
        "--no-config",
        "-c",
        `
        source /usr/share/fish/vendor_completions.d/ip-masq-agent.fish
        complete -C ${JSON.stringify(`ip-masq-agent ${typed}`)}`,
      ]);
      const offered = stdout.trim().split("\n").map((line) => line.split("\t")[0]!);
      const last = expected.split("<").at(-1)!.slice(0, -1);
      const untouched = typed.split(" ").at(-1) === last;
      assertEquals(offered, [untouched ? "" : last]);
    });
  }
  await t.step("zsh finds the installed file by itself", async () => {
    const words = await host.sh(
      "zsh -fc 'fpath=(/usr/share/zsh/vendor-completions $fpath); autoload -Uz compinit; compinit -u -D; " +
        "echo $_comps[ip-masq-agent]'",
    );
    assertEquals(words, "_ip-masq-agent\n");
  });
  assertEquals(
    await host.sh("cat /usr/share/bash-completion/completions/ip-masq-agent"),
    await host.sh(`${EXECUTABLE} completion bash`),
  );
});
