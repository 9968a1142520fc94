/**
 * Connects to a port of each given address and prints, as JSON, what the servers saw.
 *
 * @module
 */
const [port, ...addresses] = Deno.args;
const seen: Record<string, unknown> = {};
for (const hostname of addresses) {
  const connection = await Deno.connect({ hostname, port: Number(port), signal: AbortSignal.timeout(5_000) });
  seen[hostname] = JSON.parse(await new Response(connection.readable).text());
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(seen)));
