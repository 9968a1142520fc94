/**
 * The program on a machine whose clock fails in a way that nobody foresaw.
 *
 * usage: broken_machine.ts HOW [ARGUMENT…]
 *
 * @module
 */
const [how, ...args] = Deno.args;
const error = new Error("nobody foresaw this");
Object.defineProperty(Deno, "args", { value: args });
Date.now = () => 0;
Deno.stat = () => {
  if (how === "throws in a timer") {
    setTimeout(() => {
      throw error;
    });
  } else if (how === "rejects") void Promise.reject(error);
  else if (how === "rejects with a word") void Promise.reject("a word");
  return new Promise(() => {});
};
if (how === "throws") {
  performance.now = () => {
    throw error;
  };
}
await import("../../main.ts");
