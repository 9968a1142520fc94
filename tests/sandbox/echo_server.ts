/**
 * Tells every TCP client the address and port that it is seen with. Ends when standard input does.
 *
 * @module
 */
const port = Number(Deno.args[0]);
// A listener on :: takes IPv4 too, with addresses such as ::ffff:192.0.2.1.
serve(Deno.listen({ hostname: "::", port }));
Deno.stdout.writeSync(new TextEncoder().encode("listening\n"));
for await (const _ of Deno.stdin.readable) { /* Nothing is expected. */ }
Deno.exit();

async function serve(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
    try {
      await connection.write(
        new TextEncoder().encode(JSON.stringify({ address: hostname.replace(/^::ffff:/, ""), port })),
      );
      connection.close();
    } catch {
      // The client went away: nothing to tell it.
    }
  }
}
