/**
 * Tells every TCP client the address and port that it is seen with. Ends when standard input does.
 *
 * @module
 */
const port = Number(Deno.args[0]);
for (const hostname of ["0.0.0.0", "::"]) {
  let listener: Deno.Listener;
  try {
    listener = Deno.listen({ hostname, port });
  } catch (error) {
    // On Linux a listener on :: takes IPv4 too unless told otherwise; one listener for all is fine.
    if (error instanceof Deno.errors.AddrInUse) continue;
    throw error;
  }
  serve(listener);
}
Deno.stdout.writeSync(new TextEncoder().encode("listening\n"));
for await (const _ of Deno.stdin.readable) { /* Nothing is expected. */ }
Deno.exit();

async function serve(listener: Deno.Listener): Promise<void> {
  for await (const connection of listener) {
    const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
    try {
      await connection.write(new TextEncoder().encode(JSON.stringify({ address: hostname, port })));
      connection.close();
    } catch {
      // The client went away: nothing to tell it.
    }
  }
}
