// @ts-types="./deps/jsr.io/@std/assert/1.0.19/mod.d.ts"
export * from "./deps/jsr.io/@std/assert/1.0.19/mod.js";
