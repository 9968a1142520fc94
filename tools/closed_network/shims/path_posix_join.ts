// @ts-types="./deps/modules/@std/path/1.1.4/posix/join.d.ts"
export * from "./deps/modules/@std/path/1.1.4/posix/join.js";
