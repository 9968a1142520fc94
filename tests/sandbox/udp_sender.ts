/**
 * Sends UDP packets, each of a flow of its own, as fast as it can, and prints as JSON how many in how many
 * milliseconds. Destinations are in 198.18.0.0/15, the range for benchmarks (RFC 2544): the upper half of each /29,
 * in an order that is not theirs. Sends with sendmmsg(2) through the C library that every machine has: Deno's own
 * sockets would be the bottleneck.
 *
 * usage: udp_sender.ts SOURCE_PORT MOST_FLOWS MOST_MILLISECONDS [FLOWS_PER_MILLISECOND]
 *
 * @module
 */
const [sourcePort = 0, mostFlows = 0, mostMilliseconds = 0, pace] = Deno.args.map(Number);
const BATCH = pace ?? 64;
const SIZES = { address: 16, iovec: 16, mmsghdr: 64 } as const;
const [AF_INET, SOCK_DGRAM] = [2, 2];

const libc = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
});

const addressOf = (buffer: Uint8Array) =>
  BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer as BufferSource)));

/** Writes a struct sockaddr_in. */
function writeAddress(view: DataView, at: number, port: number, address: number): void {
  view.setUint16(at, AF_INET, true);
  view.setUint16(at + 2, port);
  view.setUint32(at + 4, address);
}

const payload = new Uint8Array(8);
const iovec = new Uint8Array(SIZES.iovec);
new DataView(iovec.buffer).setBigUint64(0, addressOf(payload), true);
new DataView(iovec.buffer).setBigUint64(8, BigInt(payload.length), true);
const addresses = new Uint8Array(BATCH * SIZES.address);
const messages = new Uint8Array(BATCH * SIZES.mmsghdr);
const addressView = new DataView(addresses.buffer);
const messageView = new DataView(messages.buffer);
for (let index = 0; index < BATCH; index++) {
  // struct msghdr: name, length of name, iovec, number of iovecs; the rest is zero.
  const at = index * SIZES.mmsghdr;
  messageView.setBigUint64(at, addressOf(addresses) + BigInt(index * SIZES.address), true);
  messageView.setUint32(at + 8, SIZES.address, true);
  messageView.setBigUint64(at + 16, addressOf(iovec), true);
  messageView.setBigUint64(at + 24, 1n, true);
}

const socket = libc.symbols.socket(AF_INET, SOCK_DGRAM, 0);
const own = new Uint8Array(SIZES.address);
writeAddress(new DataView(own.buffer), 0, sourcePort, 0);
if (socket < 0 || libc.symbols.bind(socket, own, SIZES.address) < 0) {
  throw new Error("Cannot bind a UDP socket");
}

const pause = new Int32Array(new SharedArrayBuffer(4));
let sent = 0;
const start = performance.now();
while (sent < mostFlows && performance.now() - start < mostMilliseconds) {
  for (let index = 0; index < BATCH; index++) {
    const flow = sent + index;
    const block = (flow >> 8) * 4_099 % 0x4000;
    writeAddress(
      addressView,
      index * SIZES.address,
      1024 + flow % 256,
      0xc6120000 + block * 8 + 4 + (flow >> 8) % 4,
    );
  }
  const now = libc.symbols.sendmmsg(socket, messages, BATCH, 0);
  if (now <= 0) throw new Error("Cannot send");
  sent += now;
  if (pace !== undefined) Atomics.wait(pause, 0, 0, Math.max(0, sent / pace - (performance.now() - start)));
}
Deno.stdout.writeSync(
  new TextEncoder().encode(JSON.stringify({ sent, milliseconds: performance.now() - start })),
);
