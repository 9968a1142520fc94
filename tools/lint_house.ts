/**
 * Lint rules of this house, as docs/architecture.md draws it: pure rooms use neither the machine nor time nor chance,
 * and no room imports one above it. Nothing is kept where no permission is asked.
 *
 * @module
 */

/** Who may import whom, beside itself and the ports, which import nothing. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  ports: [],
  config: [],
  rules: ["config"],
  backends: ["config", "rules"],
  host: ["config", "rules", "backends"],
  agent: ["config", "rules", "backends", "host"],
  cli: ["config", "rules", "backends", "host", "agent"],
  system: [],
};

/** All rooms but the one whose purpose it is to touch the machine. */
const PURE = Object.keys(LAYERS).filter((room) => room !== "system");

/** What the machine gives, and where to get it instead. */
const GLOBALS: Readonly<Record<string, string>> = {
  Deno: "put what needs Deno.* into lib/system",
  setTimeout: "take a Clock",
  setInterval: "take a Clock",
  performance: "take a Clock",
  crypto: "no randomness",
  fetch: "put what needs the network into lib/system",
};

function roomOf(path: string): string | undefined {
  return /\/lib\/([a-z]+)(?:\/|\.ts$)/.exec(path)?.[1];
}

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "pure-room": {
      create(context) {
        const room = roomOf(context.filename);
        if (room === undefined || !PURE.includes(room)) return {};
        const report = (node: Deno.lint.Node, why: string) =>
          context.report({ node, message: `lib/${room} is pure: ${why}` });
        return {
          Identifier(node) {
            const why = Object.hasOwn(GLOBALS, node.name) ? GLOBALS[node.name] : undefined;
            if (why !== undefined) report(node, why);
          },
          "MemberExpression[object.name='Math'][property.name='random']"(node) {
            report(node, "no randomness");
          },
          "MemberExpression[object.name='Date'][property.name='now']"(node) {
            report(node, "take a Clock");
          },
          "NewExpression[callee.name='Date']"(node) {
            report(node, "take a Clock");
          },
          ExportAllDeclaration(node) {
            report(node, "no re-exports: import from where it is defined");
          },
          ExportNamedDeclaration(node) {
            if (node.source !== null) report(node, "no re-exports: import from where it is defined");
          },
        };
      },
    },
    "no-storage": {
      create(context) {
        return {
          Identifier(node) {
            if (["localStorage", "caches"].includes(node.name)) {
              context.report({
                node,
                message: "Deno writes it to the home directory and asks for no permission",
              });
            }
          },
        };
      },
    },
    "no-heavy-timer": {
      create(context) {
        if (roomOf(context.filename) !== "system" && !context.filename.endsWith("/main.ts")) return {};
        return {
          Identifier(node) {
            if (["setTimeout", "setInterval"].includes(node.name)) {
              context.report({ node, message: "Deno loads 3 MB for it: use lib/system/timer.ts" });
            }
          },
        };
      },
    },
    "layers": {
      create(context) {
        const room = roomOf(context.filename);
        if (room === undefined) return {};
        const check = (node: Deno.lint.Node, source: string) => {
          if (!source.startsWith(".")) return;
          const target = roomOf(new URL(source, `file://${context.filename}`).pathname);
          if (target === undefined || target === room || target === "ports" && room !== "ports") return;
          if (LAYERS[room]?.includes(target)) return;
          context.report({ node, message: `lib/${room} may not import from lib/${target}` });
        };
        return {
          ImportDeclaration(node) {
            check(node, node.source.value);
          },
          ImportExpression(node) {
            const { source } = node;
            if (source.type === "Literal" && typeof source.value === "string") check(node, source.value);
            else context.report({ node, message: "Import by a literal path, which deno compile can follow" });
          },
        };
      },
    },
  },
};

export default plugin;
