// @ts-types="./deps/jsr.io/@std/log/0.224.14/base_handler.d.ts"
export * from "./deps/jsr.io/@std/log/0.224.14/base_handler.js";
