/**
 * The faults that tools/mutants.ts plants, found as a lint plugin finds its places: each report's message is a
 * {@linkcode Mutation} as JSON. Wording, types, imports and comments are left alone.
 *
 * @module
 */

/** One fault: the text from `start` to `end`, in UTF-16 units, becomes `replacement`. */
export interface Mutation {
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  "===": "!==",
  "!==": "===",
  "<": "<=",
  "<=": "<",
  ">": ">=",
  ">=": ">",
  "+": "-",
  "-": "+",
  "*": "/",
  "/": "*",
  "%": "*",
  "<<": ">>",
  ">>": "<<",
  "&&": "||",
  "||": "&&",
  "+=": "-=",
  "-=": "+=",
};

const METHODS: Readonly<Record<string, string>> = {
  some: "every",
  every: "some",
  startsWith: "endsWith",
  endsWith: "startsWith",
  indexOf: "lastIndexOf",
  lastIndexOf: "indexOf",
  find: "findLast",
  min: "max",
  max: "min",
  padStart: "padEnd",
};

/** Methods whose answer is of the type of what they are called on, so that the call can be dropped. */
const DROPPED_METHODS = [
  "filter",
  "sort",
  "toSorted",
  "reverse",
  "toReversed",
  "trim",
  "slice",
  "toLowerCase",
];

/** Methods whose text arguments are looked for, or stand between others, and are no wording. */
const KEY_METHODS = ["includes", "startsWith", "endsWith", "indexOf", "split", "join", "has", "get", "set"];

/** Beyond it a number is a limit or a time, and one more would be no fault. */
const COUNTED = 1_000;

const plugin: Deno.lint.Plugin = {
  name: "mutants",
  rules: {
    mutation: {
      create(context) {
        const text = (node: Deno.lint.Node) => context.sourceCode.text.slice(...node.range);
        const mutate = (node: Deno.lint.Node, replacement: string, [start, end] = node.range) =>
          context.report({ node, message: JSON.stringify({ start, end, replacement } satisfies Mutation) });

        /** Replaces the operator, which is the first text of its spelling between the two sides' own. */
        const swapOperator = (node: Deno.lint.Node, left: Deno.lint.Node, operator: string) => {
          const start = context.sourceCode.text.indexOf(operator, left.range[1]);
          const swapped = OPERATORS[operator];
          if (swapped !== undefined) mutate(node, swapped, [start, start + operator.length]);
        };
        /** Negates a condition, unless the swap of its operator does so. */
        const negate = (test: Deno.lint.Node) => {
          const isSwapped = test.type === "UnaryExpression" ||
            test.type === "BinaryExpression" && ["===", "!=="].includes(test.operator);
          if (!isSwapped) mutate(test, `!(${text(test)})`);
        };
        const dropJump = (node: Deno.lint.Node) => {
          if (isInIf(node)) mutate(node, ";");
        };
        return {
          BinaryExpression(node) {
            swapOperator(node, node.left, node.operator);
          },
          AssignmentExpression(node) {
            swapOperator(node, node.left, node.operator);
          },
          LogicalExpression(node) {
            if (node.operator === "??") mutate(node, text(node.left));
            else swapOperator(node, node.left, node.operator);
          },
          UnaryExpression(node) {
            if (node.operator === "!") mutate(node, `(${text(node.argument)})`);
          },
          IfStatement(node) {
            negate(node.test);
          },
          ConditionalExpression(node) {
            negate(node.test);
          },
          ExpressionStatement(node) {
            mutate(node, ";");
          },
          ReturnStatement(node) {
            dropJump(node);
            if (node.argument && text(node.argument) !== "undefined") mutate(node.argument, "undefined");
          },
          ThrowStatement: dropJump,
          BreakStatement: dropJump,
          ContinueStatement: dropJump,
          Literal(node) {
            if (isType(node)) return;
            if (typeof node.value === "boolean") mutate(node, String(!node.value));
            if (typeof node.value === "number") {
              const number = Number(text(node).replaceAll("_", ""));
              mutate(node, String(number < COUNTED ? number + 1 : number * 2));
            }
            if (typeof node.value === "bigint") mutate(node, `${node.value + 1n}n`);
            if (typeof node.value === "string" && node.value !== "" && isKey(node)) mutate(node, '""');
          },
          CallExpression(node) {
            const { callee } = node;
            if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
            const swapped = METHODS[callee.property.name];
            if (swapped !== undefined) mutate(callee.property, swapped);
            if (DROPPED_METHODS.includes(callee.property.name)) mutate(node, text(callee.object));
          },
        };
      },
    },
  },
};

/** The node around `node`: every node but the program has one. */
function parentOf(node: Deno.lint.Node): Deno.lint.Node | undefined {
  return (node as { readonly parent?: Deno.lint.Node }).parent;
}

function isInIf(node: Deno.lint.Node): boolean {
  const parent = parentOf(node)!;
  return (parent.type === "BlockStatement" ? parentOf(parent) : parent)?.type === "IfStatement";
}

function isType(node: Deno.lint.Node): boolean {
  return parentOf(node)?.type === "TSLiteralType";
}

/** Whether a text is compared, looked for, or names a field. */
function isKey(node: Deno.lint.Node): boolean {
  const parent = parentOf(node);
  switch (parent?.type) {
    case "BinaryExpression":
      return ["===", "!=="].includes(parent.operator);
    case "SwitchCase":
      return true;
    case "Property":
      return parent.key.range[0] === node.range[0];
    case "MemberExpression":
      return true;
    case "CallExpression":
      return parent.callee.type === "MemberExpression" && parent.callee.property.type === "Identifier" &&
        KEY_METHODS.includes(parent.callee.property.name);
    default:
      return false;
  }
}

export default plugin;
