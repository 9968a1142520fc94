// @ts-types="./deps/jsr.io/@std/path/1.1.4/mod.d.ts"
export * from "./deps/jsr.io/@std/path/1.1.4/mod.js";
