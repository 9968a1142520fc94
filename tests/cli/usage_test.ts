import { assertEquals, assertStringIncludes } from "@std/assert";
import type { CommandDefinition } from "../../lib/cli/command_definitions.ts";
import { commandUsage, usage } from "../../lib/cli/usage.ts";

const LONG = "x".repeat(39);

/** A command with flags of every kind, and with texts that just fit, or just don't. */
const DEFINITION: CommandDefinition = {
  name: "validate",
  summary: `${LONG}y ${LONG} ${LONG}y ${LONG}y`,
  operands: "[PATH]...",
  examples: ["ip-masq-agent validate a", "ip-masq-agent validate b"],
  flags: [
    { name: "strict", type: "boolean", defaultValue: "false", help: "fail" },
    { name: "output", alias: "o", type: "string", defaultValue: "text", help: "text or json" },
    { name: "v", type: "count", defaultValue: "0", help: `log ${"z".repeat(41)} a bc` },
    { name: "random", type: "boolean", defaultValue: "true", help: `log ${"z".repeat(42)} more` },
    { name: "to", type: "string", defaultValue: "", help: "ports" },
    { name: "help", alias: "h", type: "boolean", defaultValue: "false", help: "print this and exit" },
  ],
  exitCodes: `0 done, 1 ${"z".repeat(57)}`,
  execute: () => Promise.resolve(0),
};

Deno.test("commandUsage() has a line for each flag but --help, wrapped at 80 columns", () => {
  assertEquals(
    commandUsage(DEFINITION),
    `Usage: ip-masq-agent validate [FLAG]... [PATH]...

${LONG}y ${LONG}
${LONG}y
${LONG}y

Examples:
  ip-masq-agent validate a
  ip-masq-agent validate b

Flags:
  --strict           fail
  -o, --output=TEXT  text or json (default text)
  --v=N              log ${"z".repeat(41)} a bc (default
                     0)
  --random           log ${"z".repeat(42)} more
                     (default true)
  --to=TEXT          ports

Exit codes: 0 done, 1 ${"z".repeat(57)}.
`,
  );
  assertStringIncludes(commandUsage({ ...DEFINITION, operands: "" }), "validate [FLAG]...\n");
  assertEquals(commandUsage({ ...DEFINITION, flags: [] }).includes("Flags:"), false);
  assertStringIncludes(
    commandUsage({ ...DEFINITION, exitCodes: `0 done, 1 ${"z".repeat(58)}` }),
    "done, 1\nzz",
  );
});

Deno.test("usage() tells every command and flag, and which value a flag has where it is not given", () => {
  const text = usage();
  assertEquals(text.split("\n").filter((line) => line.length > 80), []);
  for (
    const part of [
      "\n  validate    Checks configs, and says what is wrong and how to fix it.\n",
      "\n  cleanup     Removes our rules.\n",
      "\n  --config-path=TEXT\n        config file, folder, or - for stdin (default /etc/config/ip-masq-agent\n        or /etc/ip-masq-agent)\n  --backend=TEXT\n",
      "\n  --once\n        sync once and exit\n",
      "\n  --random-fully\n        unguessable source ports (default true)\n",
      "\n  --to-ports=TEXT\n        source ports to use, such as 1024-29999,40000\n",
      "\n  --v=N\n        log more: 2 config and rules, 4 every sync (default 0)\n",
      "\n  -h, --help\n        print this and exit\n\nExit codes: 0 done, 1 failed, 2 bad usage or bad config.\n",
    ]
  ) assertStringIncludes(text, part);
});
