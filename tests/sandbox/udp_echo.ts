/**
 * Both ends of long-lived UDP flows. `serve` listens on each address and tells every client the address that it is seen
 * with. `send` sends to each, by one socket of each family, whenever it reads a line, and prints as JSON what the servers
 * saw; silence is null. Ends when standard input does.
 *
 * usage: udp_echo.ts serve|send PORT ADDRESS…
 *
 * @module
 */
import { createSocket, type Socket } from "node:dgram";

const [role, port = "", ...addresses] = Deno.args;
const typeOf = (address: string) => address.includes(":") ? "udp6" : "udp4";
const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));

/** Has a socket for each address, which answers. */
async function serve(): Promise<void> {
  await Promise.all(addresses.map((own) =>
    new Promise<void>((resolve) => {
      const socket = createSocket(typeOf(own));
      socket.on("message", (_, { address, port }) => socket.send(address, port, address));
      socket.bind(Number(port), own, () => resolve());
    })
  ));
  print("listening");
  for await (const _ of Deno.stdin.readable) { /* Nothing is expected. */ }
}

/** Sends once a line. */
async function send(): Promise<void> {
  const seen: Record<string, string | null> = {};
  const socketOf = (type: "udp4" | "udp6"): Socket =>
    createSocket(type).on("message", (message, { address }) => seen[address] = message.toString());
  const sockets = { udp4: socketOf("udp4"), udp6: socketOf("udp6") };
  for await (const _ of Deno.stdin.readable) {
    for (const address of addresses) {
      seen[address] = null;
      sockets[typeOf(address)].send("?", Number(port), address);
    }
    const start = performance.now();
    while (Object.values(seen).includes(null) && performance.now() - start < 500) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    print(JSON.stringify(seen));
  }
}

await (role === "serve" ? serve() : send());
Deno.exit();
