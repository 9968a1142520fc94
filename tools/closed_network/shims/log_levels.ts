// @ts-types="./deps/modules/@std/log/0.224.14/levels.d.ts"
export * from "./deps/modules/@std/log/0.224.14/levels.js";
