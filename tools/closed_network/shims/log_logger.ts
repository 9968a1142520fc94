// @ts-types="./deps/jsr.io/@std/log/0.224.14/logger.d.ts"
export * from "./deps/jsr.io/@std/log/0.224.14/logger.js";
