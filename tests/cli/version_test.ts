import { assertEquals } from "@std/assert";
import { describeVersions } from "../../lib/cli/version.ts";
import { CommandNotFoundError, type CommandRunner } from "../../lib/ports.ts";

const BUILD = { version: "1.2.3", commit: "0123456789ab", deno: "2.9.6" };

Deno.test("describeVersions() names the build and every tool, also those that are missing", async () => {
  const runner: CommandRunner = {
    run({ name, args }) {
      assertEquals(args, ["--version"]);
      if (name === "nft") {
        return Promise.reject(new CommandNotFoundError("nft", []));
      }
      if (name === "iptables-legacy-restore") return Promise.resolve({ code: 3, stdout: "", stderr: "" });
      return Promise.resolve({ code: 0, stdout: `${name} v1.8.9 (nf_tables)\n`, stderr: "" });
    },
  };
  assertEquals(
    await describeVersions(BUILD, runner),
    `ip-masq-agent 1.2.3
  commit                   0123456789ab
  Deno                     2.9.6
  iptables-restore         v1.8.9 (nf_tables)
  iptables-nft-restore     v1.8.9 (nf_tables)
  iptables-legacy-restore  failed with exit code 3
  nft                      not found
`,
  );
});
