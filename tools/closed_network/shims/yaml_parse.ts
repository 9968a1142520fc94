// @ts-types="./deps/modules/@std/yaml/1.1.0/parse.d.ts"
export * from "./deps/modules/@std/yaml/1.1.0/parse.js";
