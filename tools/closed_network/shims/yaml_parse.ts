// @ts-types="./deps/jsr.io/@std/yaml/1.1.0/parse.d.ts"
export * from "./deps/jsr.io/@std/yaml/1.1.0/parse.js";
