// @ts-types="./deps/jsr.io/@std/path/1.1.4/posix/dirname.d.ts"
export * from "./deps/jsr.io/@std/path/1.1.4/posix/dirname.js";
