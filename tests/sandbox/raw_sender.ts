/**
 * Sends packets as they are given, from several network namespaces. Each line of standard input is a JSON array of
 * [namespace, destination, packet], bytes in hexadecimal; once they are sent it prints a line. Raw sockets need the C
 * library that every machine has.
 *
 * usage: raw_sender.ts NAMESPACE...
 *
 * @module
 */
const libc = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "i64" },
});

const [AF_INET, AF_INET6, SOCK_RAW, IPPROTO_RAW] = [2, 10, 3, 255];
const encode = (text: string) => new TextEncoder().encode(text);

function check(result: number | bigint, what: string): number {
  if (result < 0) throw new Error(`Cannot ${what}`);
  return Number(result);
}

function enter(path: string): void {
  const fd = check(libc.symbols.open(encode(`${path}\0`), 0), `open ${path}`);
  check(libc.symbols.setns(fd, 0), `enter ${path}`);
}

const openSockets = () =>
  [AF_INET, AF_INET6].map((family) =>
    check(libc.symbols.socket(family, SOCK_RAW, IPPROTO_RAW), "open a raw socket")
  );
// A socket stays in the namespace in which it was opened.
const sockets = new Map([["", openSockets()]]);
for (const name of Deno.args) {
  enter(`/run/netns/${name}`);
  sockets.set(name, openSockets());
}

function send(netns: string, destination: Uint8Array, packet: Uint8Array<ArrayBuffer>): void {
  const isIpv6 = destination.length === 16;
  const address = new Uint8Array(isIpv6 ? 28 : 16);
  new DataView(address.buffer).setUint16(0, isIpv6 ? AF_INET6 : AF_INET, true);
  address.set(destination, isIpv6 ? 8 : 4);
  const socket = sockets.get(netns)![isIpv6 ? 1 : 0]!;
  // What the own host drops fails. That nobody sees a packet is found out where it was to arrive.
  libc.symbols.sendto(socket, packet, BigInt(packet.length), 0, address, address.length);
}

const bytes = (hex: string) => new Uint8Array(hex.match(/../g)!.map((it) => parseInt(it, 16)));
const say = (text: string) => Deno.stdout.writeSync(encode(`${text}\n`));
say("ready");
let rest = "";
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (rest + text).split("\n");
  rest = lines.pop()!;
  for (const line of lines) {
    for (const [netns, destination, packet] of JSON.parse(line)) {
      send(netns, bytes(destination), bytes(packet));
    }
    say("sent");
  }
}
