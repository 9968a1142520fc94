interface ParseOptions {
  readonly string?: readonly string[];
  readonly boolean?: readonly string[];
}
declare function parseArgs(
  args: readonly string[],
  options?: ParseOptions,
): { _: string[]; [name: string]: unknown };
export default parseArgs;
