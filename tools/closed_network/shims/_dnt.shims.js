// The modules were written for Node.js through shims; in Deno the real thing is there.
export const Deno = globalThis.Deno;
export const dntGlobalThis = globalThis;
