/** The nft processes of a sandbox, or of a host that has no pgrep. */

/** A script that runs `command` for each of them; `$folder` is its folder in /proc. */
export function forEachNft(command: string): string {
  return `for folder in /proc/[0-9]*; do
    [ "$(readlink $folder/ns/net)" = "$(readlink /proc/self/ns/net)" ] && grep -qx nft $folder/comm &&
      { ${command}; } || true
  done 2>/dev/null`;
}

/** Their command lines, sorted. */
export async function nftProcesses(host: { sh(script: string): Promise<string> }): Promise<string[]> {
  const output = await host.sh(forEachNft(`tr "\\0" " " <$folder/cmdline && echo`));
  return output.split("\n").filter((line) => line !== "").sort();
}
