// @ts-types="./deps/modules/@std/assert/1.0.19/mod.d.ts"
export * from "./deps/modules/@std/assert/1.0.19/mod.js";
