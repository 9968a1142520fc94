/**
 * The nat tables of a kernel without one: what iptables-nft-restore and -save of both families make of their input.
 * nft and the other variants of iptables are not installed.
 *
 * @module
 */
import type { IpFamily } from "../../lib/config/ip_address.ts";
import { type Command, CommandNotFoundError } from "../../lib/ports.ts";
import type { Reply } from "./command_runner.ts";

type Chains = Map<string, string[]>;

/** A kernel that iptables-nft writes to. */
export class NatKernel {
  readonly #tables: Record<IpFamily, Chains> = {
    IPv4: new Map([["POSTROUTING", []]]),
    IPv6: new Map([["POSTROUTING", []]]),
  };

  /** The rules of a chain as they were written; undefined where there is no such chain. */
  rules(chain = "IP-MASQ-AGENT", family: IpFamily = "IPv4"): string[] | undefined {
    return this.#tables[family].get(chain);
  }

  /** Runs a command, which changes everything that it was told to change, or nothing. */
  readonly run = ({ name, input = "" }: Command): Reply => {
    if (!name.includes("-nft-")) return new CommandNotFoundError(name, ["/usr/sbin"]);
    const family = name.startsWith("ip6") ? "IPv6" : "IPv4";
    if (name.endsWith("-save")) return { stdout: save(this.#tables[family]) };
    const chains: Chains = new Map([...this.#tables[family]].map(([chain, rules]) => [chain, [...rules]]));
    let stdout = "";
    for (const [index, line] of input.split("\n").entries()) {
      const listing = apply(chains, line);
      if (listing === undefined) return { code: 1, stdout, stderr: `${name}: line ${index + 1} failed\n` };
      stdout += listing;
    }
    this.#tables[family] = chains;
    return { stdout };
  };
}

/** Does what one line says. Returns what that prints; undefined where it can't be done. */
function apply(chains: Chains, line: string): string | undefined {
  const [, option, chain = "", rest = ""] = /^(:|-[A-Z] )(\S+) ?(.*)$/.exec(line) ?? [];
  if (option === undefined) return "";
  const rules = chains.get(chain);
  const isNew = option === ":" || option === "-N ";
  if (option === "-N " ? rules !== undefined : !isNew && rules === undefined) return undefined;
  switch (option) {
    case ":":
    case "-N ":
    case "-F ":
      chains.set(chain, []);
      return "";
    case "-X ":
      return chains.delete(chain) ? "" : undefined;
    case "-A ":
      rules!.push(rest);
      return "";
    case "-I ":
      rules!.splice(Number(rest.split(" ")[0]) - 1, 0, rest.replace(/^\d+ /, ""));
      return "";
    case "-D ":
      return rules!.includes(rest) && rules!.splice(rules!.indexOf(rest), 1) ? "" : undefined;
    case "-S ":
      return list(chain, rules!);
    default:
      return undefined;
  }
}

function list(chain: string, rules: readonly string[]): string {
  const first = chain === "POSTROUTING" ? "-P POSTROUTING ACCEPT" : `-N ${chain}`;
  return `${[first, ...rules.map((rule) => `-A ${chain} ${rule}`)].join("\n")}\n`;
}

function save(chains: Chains): string {
  const declared = [...chains.keys()].map((chain) =>
    chain === "POSTROUTING" ? ":POSTROUTING ACCEPT [0:0]" : `:${chain} - [0:0]`
  );
  const rules = [...chains].flatMap(([chain, those]) => those.map((rule) => `-A ${chain} ${rule}`));
  return `${["*nat", ...declared, ...rules, "COMMIT"].join("\n")}\n`;
}
