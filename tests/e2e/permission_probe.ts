/**
 * Tries what the agent must not be able to do, and prints as JSON how each attempt ended. It is compiled with the
 * agent's permissions by permissions_test.ts.
 *
 * @module
 */
const attempts: Record<string, () => unknown> = {
  "read /etc/passwd": () => Deno.readTextFileSync("/etc/passwd"),
  "read /etc/config/../passwd": () => Deno.readTextFileSync("/etc/config/../passwd"),
  "read /etc/config2": () => Deno.readTextFileSync("/etc/config2"),
  "list /": () => [...Deno.readDirSync("/")],
  "read /proc/self/environ": () => Deno.readTextFileSync("/proc/self/environ"),
  "write /etc/config/x": () => Deno.writeTextFileSync("/etc/config/x", ""),
  "write /tmp/x": () => Deno.writeTextFileSync("/tmp/x", ""),
  "temporary file": () => Deno.makeTempFileSync(),
  "remove a config": () => Deno.removeSync("/etc/config/x"),
  "environment": () => Deno.env.toObject(),
  "one variable": () => Deno.env.get("PATH"),
  "connect": () => Deno.connect({ hostname: "127.0.0.1", port: 80 }),
  "listen on another port": () => Deno.listen({ hostname: "127.0.0.1", port: 10265 }),
  "fetch": () => fetch("http://127.0.0.1/"),
  "resolve a name": () => Deno.resolveDns("example.org", "A"),
  "host name": () => Deno.hostname(),
  "network interfaces": () => Deno.networkInterfaces(),
  "load a library": () => Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {}),
  "run /bin/sh": () => new Deno.Command("/bin/sh", { args: ["-c", "true"] }).outputSync(),
  "run iptables": () => new Deno.Command("/usr/sbin/iptables", { args: ["-V"] }).outputSync(),
  "run ip": () => new Deno.Command("ip", { args: ["-V"] }).outputSync(),
  "run by name": () => new Deno.Command("sleep", { args: ["0"] }).outputSync(),
  "connect as Node does": async () => {
    const socket = (await import("node:net")).connect(80, "127.0.0.1");
    await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  },
  "file mode mask": () => Deno.umask(),
  "kill a process": () => Deno.kill(1, "SIGCONT"),
  // The name is put together so that the compiler does not fetch it when it builds the probe.
  "import from the network": () =>
    import("https://" + ["raw.githubusercontent.com", "x", "module.ts"].join("/")),
};

const outcomes: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    await attempt();
    outcomes[name] = "allowed";
  } catch (error) {
    outcomes[name] = error instanceof Error ? error.name : String(error);
  }
}

for (
  const [name, attempt] of Object.entries({
    "read /etc/config/x": () => Deno.readTextFileSync("/etc/config/x"),
    "read /etc/ip-masq-agent/x": () => Deno.readTextFileSync("/etc/ip-masq-agent/x"),
    "run iptables-restore": () =>
      new Deno.Command("/usr/sbin/iptables-restore", { args: ["--version"], clearEnv: true }).outputSync(),
  })
) {
  try {
    attempt();
    outcomes[name] = "allowed";
  } catch (error) {
    outcomes[name] = String(error);
  }
}
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(outcomes)));
