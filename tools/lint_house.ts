/**
 * Lint rules of this house, as docs/architecture.md draws it: pure rooms use neither the machine nor chance, and no
 * room imports one above it.
 *
 * @module
 */

/** Who may import whom, beside itself; `type` marks rooms from which only types may come. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  config: [],
  rules: ["config"],
  backends: ["config", "rules", "system (types)"],
  agent: ["config", "rules", "backends", "system (types)"],
  cli: ["config", "rules", "backends", "agent", "system (types)"],
  system: ["config (types)"],
};

/** All rooms but the one whose purpose it is to touch the machine. */
const PURE = Object.keys(LAYERS).filter((room) => room !== "system");

function roomOf(path: string): string | undefined {
  return /\/lib\/([a-z]+)\//.exec(path)?.[1];
}

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "pure-room": {
      create(context) {
        const room = roomOf(context.filename);
        if (room === undefined || !PURE.includes(room)) return {};
        return {
          Identifier(node) {
            if (node.name === "Deno") {
              context.report({ node, message: `lib/${room} is pure: put what needs Deno.* into lib/system` });
            }
          },
          "MemberExpression[object.name='Math'][property.name='random']"(node) {
            context.report({ node, message: `lib/${room} is pure: no randomness` });
          },
          "MemberExpression[object.name='Date'][property.name='now']"(node) {
            context.report({ node, message: `lib/${room} is pure: take a Clock` });
          },
        };
      },
    },
    "layers": {
      create(context) {
        const room = roomOf(context.filename);
        if (room === undefined) return {};
        const check = (node: Deno.lint.Node, source: string, onlyTypes: boolean) => {
          const target = roomOf(new URL(source, `file://${context.filename}`).pathname);
          if (!source.startsWith(".") || target === undefined || target === room) return;
          const allowed = LAYERS[room] ?? [];
          if (allowed.includes(target) || onlyTypes && allowed.includes(`${target} (types)`)) return;
          context.report({
            node,
            message: `lib/${room} may not import ${onlyTypes ? "types " : ""}from lib/${target}`,
          });
        };
        return {
          ImportDeclaration(node) {
            const onlyTypes = node.importKind === "type" ||
              node.specifiers.every((it) => it.type === "ImportSpecifier" && it.importKind === "type");
            check(node, node.source.value, onlyTypes);
          },
          ImportExpression(node) {
            if (node.source.type === "Literal" && typeof node.source.value === "string") {
              check(node, node.source.value, false);
            } else {context.report({
                node,
                message: "Import by a literal path, which deno compile can follow",
              });}
          },
        };
      },
    },
  },
};

export default plugin;
