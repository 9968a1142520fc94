import DenoNamespace = Deno;
export { DenoNamespace as Deno };
export declare const dntGlobalThis: typeof globalThis;
