// @ts-types="./deps/modules/@std/path/1.1.4/mod.d.ts"
export * from "./deps/modules/@std/path/1.1.4/mod.js";
