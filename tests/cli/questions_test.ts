/** The configs and flags of docs/questions.md do what the page says. */
import { assertEquals } from "@std/assert";
import page from "../../docs/questions.md" with { type: "text" };
import { runOn } from "../fakes/system.ts";

/** Text of the page's code blocks in a language. */
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(([, text]) => text!);

/** The flag with which a config is meant. */
const ipv6For = (config: string) => `--enable-ipv6=${/ipv6|::/i.test(config)}`;

/** What explain says of an address and a packet to it, in its first line. */
async function explain(config: string, ...args: string[]): Promise<string> {
  const { out, error } = await runOn(
    { files: { "-": config } },
    "explain",
    ipv6For(config),
    "--host=false",
    "--config-path=-",
    ...args,
  );
  assertEquals(error, "");
  return out.split("\n")[0]!;
}

Deno.test("every config of docs/questions.md is good and does what it says", async (t) => {
  const cases: readonly (readonly string[][])[] = [
    [["fd00:10:244::7", "not masqueraded"], ["fd00:10:96::1", "not masqueraded"], [
      "2001:db8::1",
      "masqueraded",
    ]],
    [["fd00:10:244::7", "not masqueraded"], ["2001:db8::1", "not masqueraded"], [
      "203.0.113.10",
      "masqueraded",
    ]],
    [["203.0.113.10", "masqueraded, rule outside", "--via=eth0"], [
      "203.0.113.10",
      "not masqueraded",
      "--via=lan0",
    ]],
  ];
  const configs = blocks("yaml");
  assertEquals(configs.length, cases.length);
  for (const [index, config] of configs.entries()) {
    await t.step(config, async () => {
      const files = { "-": config };
      const { code, out, error } = await runOn({ files }, "validate", "--strict", ipv6For(config), "-");
      assertEquals([code, error], [0, ""], out);
      for (const [address, outcome, ...flags] of cases[index]!) {
        assertEquals(await explain(config, ...flags, address!), `${address}: ${outcome}`);
      }
    });
  }
});

Deno.test("the ports of docs/questions.md leave out those of services", async () => {
  const flags = blocks("sh").flatMap((text) => /^ip-masq-agent (--to-ports=\S+)$/m.exec(text)?.[1] ?? []);
  const { out } = await runOn({ files: { "-": "" } }, "explain", "--config-path=-", ...flags, "203.0.113.10");
  assertEquals(out.includes("source ports: 1024-29999,32768-65535 (tcp, udp, sctp)"), true, out);
});
