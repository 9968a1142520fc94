/**
 * Shows the agent at work: three hosts in throwaway namespaces, the compiled agent run once on the example config,
 * and real connections. Touches nothing of the machine's own network.
 *
 * @module
 */
import { fromFileUrl } from "@std/path";
import { ADDRESSES, DESTINATIONS, Network } from "../tests/sandbox/network.ts";
import { Sandbox } from "../tests/sandbox/sandbox.ts";

const CONFIG = "deploy/config/ip-masq-agent.yaml";

function say(text = ""): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** What a line of `iptables -S` does, in words. */
function explainRule(line: string): string {
  const destination = /-d (\S+)/.exec(line)?.[1] ?? "anywhere else";
  if (line.startsWith("-A POSTROUTING")) return "traffic that leaves for another host goes through our chain";
  return line.includes("-j RETURN")
    ? `to ${destination}: keeps its source address`
    : `to ${destination}: masqueraded`;
}

async function demonstrate(): Promise<boolean> {
  await using sandbox = await Sandbox.create();
  await using network = await Network.create(sandbox);
  const destinations = [DESTINATIONS.private10, DESTINATIONS.private192, DESTINATIONS.public];

  const before = await network.sourceAddresses(DESTINATIONS.public);
  say(`A pod (${ADDRESSES.IPv4.pod}) behind a node (${ADDRESSES.IPv4.node}), in namespaces of their own.`);
  say(`Before: ${DESTINATIONS.public} sees ${before[DESTINATIONS.public]}, the pod itself.`);
  say();
  say(`$ ip-masq-agent --once     # with ${CONFIG}`);
  await sandbox.writeConfig(await Deno.readTextFile(fromFileUrl(new URL(`../${CONFIG}`, import.meta.url))));
  const { code, stderr } = await sandbox.agent("--once", "--skip_headers");
  say(stderr.trimEnd());
  if (code !== 0) return false;
  say();
  say("What stands in table nat now, and why:");
  const listing = await sandbox.sh("iptables -t nat -S POSTROUTING; iptables -t nat -S IP-MASQ-AGENT");
  for (const line of listing.split("\n").filter((it) => it.startsWith("-A "))) {
    say(`  ${line.replace(/ -m comment --comment ".*?"/, "").padEnd(72)} # ${explainRule(line)}`);
  }
  say();
  say("Which source address do these destinations see when the pod connects?");
  let good = before[DESTINATIONS.public] === ADDRESSES.IPv4.pod;
  for (const [destination, source] of Object.entries(await network.sourceAddresses(...destinations))) {
    const expected = destination === DESTINATIONS.public ? "node" : "pod";
    const seen = Object.entries(ADDRESSES.IPv4).find(([, address]) => address === source)?.[0] ?? "nobody";
    good &&= seen === expected;
    say(
      `  ${destination.padEnd(14)} sees ${source.padEnd(11)} the ${seen}${
        seen === expected ? "" : `, NOT the ${expected}`
      }`,
    );
  }
  return good;
}

const good = await demonstrate();
say();
say(good ? "Done: all as it should be, and the namespaces are gone." : "FAILED: see above.");
Deno.exitCode = good ? 0 : 1;
