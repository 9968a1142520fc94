import { assertEquals } from "@std/assert";
import plugin from "../../tools/lint_house.ts";

interface Case {
  /** Where the text stands; a file of lib/rules by default. */
  readonly file?: string;
  readonly text: string;
  /** What each problem says, in order; none for a text that is right. */
  readonly says: readonly string[];
}

const CASES: readonly Case[] = [
  // What needs the machine, in a pure room.
  { text: "Deno.exit(1);", says: ["lib/rules is pure: put what needs Deno.* into lib/system"] },
  { text: "const { args } = Deno;", says: ["lib/rules is pure: put what needs Deno.* into lib/system"] },
  { text: "setTimeout(() => {}, 1);", says: ["lib/rules is pure: take a Clock"] },
  { text: "setInterval(() => {}, 1);", says: ["lib/rules is pure: take a Clock"] },
  { text: "performance.now();", says: ["lib/rules is pure: take a Clock"] },
  { text: "Date.now();", says: ["lib/rules is pure: take a Clock"] },
  { text: "new Date();", says: ["lib/rules is pure: take a Clock"] },
  { text: "Math.random();", says: ["lib/rules is pure: no randomness"] },
  { text: "crypto.randomUUID();", says: ["lib/rules is pure: no randomness"] },
  { text: "fetch(url);", says: ["lib/rules is pure: put what needs the network into lib/system"] },
  {
    text: "export const now = () => Deno.args.length + Math.random();",
    says: [
      "lib/rules is pure: put what needs Deno.* into lib/system",
      "lib/rules is pure: no randomness",
    ],
  },
  { text: "export const x = Math.max(1, 2) + clock.now();", says: [] },

  // Each room, and what is none.
  ...["config", "backends", "host", "agent", "cli"].map((room) => ({
    file: `lib/${room}/x.ts`,
    text: "Deno.exit(1);",
    says: [`lib/${room} is pure: put what needs Deno.* into lib/system`],
  })),
  {
    file: "lib/ports.ts",
    text: "Deno.exit(1);",
    says: ["lib/ports is pure: put what needs Deno.* into lib/system"],
  },
  {
    file: "lib/rules/deep/x.ts",
    text: "fetch(url);",
    says: ["lib/rules is pure: put what needs the network into lib/system"],
  },
  { file: "lib/system/x.ts", text: "Deno.exit(Date.now() + Math.random());", says: [] },
  { file: "main.ts", text: "Deno.exit(1);", says: [] },
  { file: "tests/rules/x_test.ts", text: "Deno.exit(1);", says: [] },

  // Re-exports.
  {
    text: 'export * from "./y.ts";',
    says: ["lib/rules is pure: no re-exports: import from where it is defined"],
  },
  {
    text: 'export { y } from "./y.ts";',
    says: ["lib/rules is pure: no re-exports: import from where it is defined"],
  },
  { text: "const y = 1;\nexport { y };", says: [] },

  // Who may know whom.
  { text: 'import { y } from "./y.ts";', says: [] },
  { text: 'import { y } from "@std/yaml/parse";', says: [] },
  { text: 'import { y } from "../config/y.ts";', says: [] },
  { text: 'import type { Clock } from "../ports.ts";', says: [] },
  { text: 'import { y } from "../backends/y.ts";', says: ["lib/rules may not import from lib/backends"] },
  { text: 'import type { Y } from "../system/y.ts";', says: ["lib/rules may not import from lib/system"] },
  { text: 'await import("../cli/y.ts");', says: ["lib/rules may not import from lib/cli"] },
  {
    file: "lib/rules/deep/x.ts",
    text: 'import { y } from "../../agent/y.ts";',
    says: ["lib/rules may not import from lib/agent"],
  },
  {
    file: "lib/config/x.ts",
    text: 'import { y } from "../rules/y.ts";',
    says: ["lib/config may not import from lib/rules"],
  },
  {
    file: "lib/ports.ts",
    text: 'import { y } from "./config/y.ts";',
    says: ["lib/ports may not import from lib/config"],
  },
  {
    file: "lib/backends/x.ts",
    text: 'import { y } from "../agent/y.ts";',
    says: ["lib/backends may not import from lib/agent"],
  },
  {
    file: "lib/agent/x.ts",
    text: 'import { y } from "../cli/y.ts";',
    says: ["lib/agent may not import from lib/cli"],
  },
  {
    file: "lib/cli/x.ts",
    text: 'import { y } from "../system/y.ts";',
    says: ["lib/cli may not import from lib/system"],
  },
  {
    file: "lib/cli/x.ts",
    text: 'import { y } from "../agent/y.ts";\nawait import("../backends/z.ts");',
    says: [],
  },
  {
    file: "lib/system/x.ts",
    text: 'import { y } from "../config/y.ts";',
    says: ["lib/system may not import from lib/config"],
  },
  { file: "lib/system/x.ts", text: 'import type { Clock } from "../ports.ts";', says: [] },
  { file: "main.ts", text: 'import { y } from "./lib/system/y.ts";', says: [] },

  // A path that the compiler can't follow.
  { text: "await import(path);", says: ["Import by a literal path, which deno compile can follow"] },
  {
    text: "await import(`./${name}.ts`);",
    says: ["Import by a literal path, which deno compile can follow"],
  },
  { file: "main.ts", text: "await import(path);", says: [] },
];

Deno.test("the house's lint rules refuse what they are to refuse, and nothing else", async (t) => {
  for (const { file = "lib/rules/x.ts", text, says } of CASES) {
    await t.step(`${file}: ${text}`, () => {
      const problems = Deno.lint.runPlugin(plugin, `/project/${file}`, text);
      assertEquals(problems.map(({ message }) => message), says);
    });
  }
});
