// @ts-types="./deps/modules/@std/log/0.224.14/base_handler.d.ts"
export * from "./deps/modules/@std/log/0.224.14/base_handler.js";
