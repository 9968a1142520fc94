// Stands in for @std/cli/parse-args: mri takes the same options for what lib/cli uses of it.
// @ts-types="./mri.d.mts"
export { default as parseArgs } from "./mri.mjs";
