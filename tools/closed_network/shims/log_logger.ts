// @ts-types="./deps/modules/@std/log/0.224.14/logger.d.ts"
export * from "./deps/modules/@std/log/0.224.14/logger.js";
