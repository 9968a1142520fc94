/** Two versions of the same tools on one host: an upgrade, a container beside its host, and the way back. */
import { assertEquals } from "@std/assert";
import { createText } from "../data/nft_cases.ts";
import { type Suite, SUITES } from "../sandbox/host.ts";
import { BACKENDS, FLAGS, Hosts, OTHER_CONFIG } from "./hosts.ts";

/** Every ordered pair. */
const PAIRS: readonly (readonly [writer: Suite, reader: Suite])[] = SUITES.flatMap((writer) =>
  SUITES.filter((reader) => reader !== writer).map((reader) => [writer, reader] as const)
);

for (const backend of BACKENDS) {
  Deno.test(`${backend}: what one version wrote, each other one reads, updates and removes`, async (t) => {
    for (const [writer, reader] of PAIRS) {
      await t.step(`${writer} and ${reader}`, async () => {
        await using hosts = await Hosts.create();
        for (const flags of FLAGS) {
          await hosts.write(writer, backend, ...flags);
          await hosts.assertStands(reader, backend, ...flags);
        }
        await hosts.of(reader).writeConfig(OTHER_CONFIG);
        await hosts.of(writer).writeConfig(OTHER_CONFIG);
        for (const flags of FLAGS) {
          await hosts.write(reader, backend, ...flags);
          await hosts.assertStands(writer, backend, ...flags);
        }
        await hosts.cleanup(reader);
        await hosts.write(writer, backend, ...FLAGS[0]!);
        await hosts.cleanup(reader);
      });
    }
  });
}

Deno.test("a table with sets at which an older nft crashes is written anew by a newer one", async (t) => {
  for (const suite of ["trixie", "sid"] as const) {
    await t.step(suite, async () => {
      await using hosts = await Hosts.create();
      const host = hosts.of(suite);
      await host.writeConfig("");
      for (const family of ["IPv4", "IPv6"] as const) {
        const input = createText("default", family, true);
        const { code, stderr } = await host.run("nft", ["-f", "-"], { input });
        assertEquals(code, 0, stderr);
      }
      const older = await hosts.of("bookworm").agent("--once", "--skip_headers", "--backend=nftables");
      assertEquals(older.code, 1, older.stderr);
      assertEquals(
        older.stderr.match(/nft 1\.0\.6 cannot read the rules: it crashed \(exit code 139\).*/)?.length,
        1,
        older.stderr,
      );
      // What the message advises.
      const advised = await hosts.of("bookworm").agent("--once", "--skip_headers", "--backend=iptables-nft");
      assertEquals([advised.code, /IPv4: installed/.test(advised.stderr)], [0, true], advised.stderr);
      await hosts.write(suite, "nftables", "--enable-ipv6");
      await hosts.assertStands(suite, "nftables", "--enable-ipv6");
      await hosts.of("bookworm").writeConfig("");
      await hosts.assertStands("bookworm", "nftables", "--enable-ipv6");
    });
  }
});
