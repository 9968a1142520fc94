// @ts-types="./deps/modules/@std/path/1.1.4/posix/dirname.d.ts"
export * from "./deps/modules/@std/path/1.1.4/posix/dirname.js";
