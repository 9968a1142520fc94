// @ts-types="./deps/jsr.io/@std/log/0.224.14/levels.d.ts"
export * from "./deps/jsr.io/@std/log/0.224.14/levels.js";
