/**
 * `--backend=auto`: what was found out about a host -> the backend to use, or what to find out next. Other programs
 * decide which iptables matters: rules that stand in the other variant's tables would be evaluated apart from theirs.
 */
import type { BackendName } from "./backend_name.ts";

/** Who uses one variant of iptables. */
export interface IptablesUsage {
  /** The kubelet's chains in mangle: KUBE-IPTABLES-HINT says which variant to use, the canary that it is used. */
  readonly hasHint: boolean;
  readonly hasCanary: boolean;
  /** How many rules of others were seen. */
  readonly rules: number;
}

/** What a trial of one iptables program told: whether it can read what stands, and would take our rules. */
export type IptablesFinding =
  /** `said` is why: the tool's message; incompatible where nft wrote what stands. */
  | { readonly state: "missing" | "broken" | "incompatible"; readonly said: string }
  /** The nft variant says, too, whether the legacy one has any table. */
  | { readonly state: "works"; readonly usage: IptablesUsage; readonly seesLegacyTables: boolean };

/** What is known so far; undefined is not asked yet. */
export interface Findings {
  /** iptables-nft; its usage is that of mangle and of nat's POSTROUTING. */
  readonly nft?: IptablesFinding;
  /** iptables-legacy; tried only before it is chosen. */
  readonly legacy?: IptablesFinding;
  /** The usage of all tables that iptables-legacy has; asked only where it has any. */
  readonly legacyUsage?: IptablesUsage;
  /** All rules of mangle, nat and filter in the nft variant. */
  readonly nftRules?: number;
  /** Which variant `iptables` is; `unknown` where there is none. */
  readonly plainVariant?: "nft" | "legacy" | "unknown";
  /** `iptables`, tried only where neither variant is there by name. */
  readonly plain?: IptablesFinding;
  /** Empty where nft would take our table, else why not. */
  readonly nftablesProblem?: string;
}

/** A decision, or the finding that is missing for one. */
export type Detection =
  | { readonly kind: "choice"; readonly backend: BackendName; readonly reason: string }
  | { readonly kind: "ask"; readonly finding: keyof Findings }
  | { readonly kind: "failure"; readonly message: string };

/** Decides from what is known, or says what to find out next. At most five findings are asked for. */
export function detect(findings: Findings): Detection {
  const { nft, legacy, legacyUsage, nftablesProblem } = findings;
  if (nft === undefined) return ask("nft");
  // The host has its nat rules in nft's own language, and the other variant's would stand apart from them.
  if (nft.state === "incompatible" && nftablesProblem === undefined) return ask("nftablesProblem");
  if (nft.state === "incompatible" && nftablesProblem === "") {
    return choice("nftables", `iptables-nft ${explain(nft)}`);
  }
  if (nft.state !== "works") {
    if (legacy === undefined) return ask("legacy");
    return legacy.state === "works"
      ? choice("iptables-legacy", `iptables-nft ${explain(nft)}`)
      : chooseWithoutVariants(nft, legacy, findings);
  }
  if (nft.usage.hasHint) return choice("iptables-nft", explainKubelet(nft.usage));
  // Without tables legacy has no rules, and to look into them would make them.
  if (!nft.seesLegacyTables) return chooseUnused(nft.usage, findings);
  return legacyUsage === undefined ? ask("legacyUsage") : chooseBetween(nft.usage, legacyUsage, findings);
}

/** Both variants have tables. */
function chooseBetween(nft: IptablesUsage, legacy: IptablesUsage, findings: Findings): Detection {
  if (legacy.hasHint) return chooseLegacy(explainKubelet(legacy), findings);
  if (nft.hasCanary !== legacy.hasCanary) {
    return nft.hasCanary
      ? choice("iptables-nft", explainKubelet(nft))
      : chooseLegacy(explainKubelet(legacy), findings);
  }
  const { nftRules } = findings;
  if (nftRules === undefined) return ask("nftRules");
  if (nftRules > legacy.rules) {
    return choice("iptables-nft", `it has more rules than iptables-legacy: ${nftRules}, not ${legacy.rules}`);
  }
  if (legacy.rules > nftRules) {
    return chooseLegacy(`it has more rules than iptables-nft: ${legacy.rules}, not ${nftRules}`, findings);
  }
  const { plainVariant } = findings;
  if (plainVariant === undefined) return ask("plainVariant");
  if (plainVariant === "unknown") {
    return choice("iptables-nft", "neither variant has more rules, and it is the newer one");
  }
  return plainVariant === "nft" ? choice("iptables-nft", BY_NAME) : chooseLegacy(BY_NAME, findings);
}

const BY_NAME = "neither variant has more rules, and it is what iptables is here";

/** Whoever else uses it, it has to be seen to take our rules. */
function chooseLegacy(reason: string, { legacy }: Findings): Detection {
  if (legacy === undefined) return ask("legacy");
  return legacy.state === "works"
    ? choice("iptables-legacy", reason)
    : choice("iptables-nft", `iptables-legacy ${explain(legacy)}`);
}

/** The nft variant works, and legacy has no tables: only where iptables is legacy, there is a question. */
function chooseUnused(nft: IptablesUsage, findings: Findings): Detection {
  const { nftRules, plainVariant } = findings;
  if (nft.hasCanary) return choice("iptables-nft", explainKubelet(nft));
  if (nft.rules > 0) return choice("iptables-nft", "it has rules, iptables-legacy none");
  if (plainVariant === undefined) return ask("plainVariant");
  if (plainVariant === "nft") {
    return choice("iptables-nft", "it is what iptables is here, and iptables-legacy has no rules");
  }
  if (plainVariant === "unknown") return choice("iptables-nft", "iptables-legacy has no rules");
  if (nftRules === undefined) return ask("nftRules");
  if (nftRules > 0) return choice("iptables-nft", "it has rules, iptables-legacy none");
  return chooseLegacy(BY_NAME, findings);
}

/** Neither iptables-nft nor iptables-legacy works. */
function chooseWithoutVariants(
  nft: IptablesFinding,
  legacy: IptablesFinding,
  { plain, nftablesProblem }: Findings,
): Detection {
  const areMissing = nft.state === "missing" && legacy.state === "missing";
  if (areMissing && plain === undefined) return ask("plain");
  if (plain?.state === "works") return choice("iptables", "it is the only iptables here");
  const programs = areMissing
    ? [["iptables", plain!] as const]
    : [["iptables-nft", nft] as const, ["iptables-legacy", legacy] as const];
  const problems = programs.map(([name, finding]) => `${name} ${explain(finding)}`).join("; ");
  if (nftablesProblem === undefined) return ask("nftablesProblem");
  if (nftablesProblem === "") return choice("nftables", problems);
  const tried = `No backend works here: ${problems}; nftables cannot work: ${nftablesProblem}`;
  const isForbidden = /permission denied|operation not permitted|must be root/i.test(tried);
  return { kind: "failure", message: `${tried}: ${isForbidden ? BE_ROOT : INSTALL_OR_LOAD}` };
}

const BE_ROOT = "run the agent as root, or with the capabilities NET_ADMIN and NET_RAW";
const INSTALL_OR_LOAD = 'install the package "nftables" or "iptables", and load the kernel\'s NAT modules: ' +
  "modprobe nft_chain_nat nft_masq nft_fib_ipv4, or iptable_nat xt_MASQUERADE xt_addrtype";

function explainKubelet({ hasHint }: IptablesUsage): string {
  return `the kubelet uses it: ${
    hasHint ? "KUBE-IPTABLES-HINT" : "KUBE-KUBELET-CANARY"
  } is in its mangle table`;
}

function explain(finding: IptablesFinding): string {
  if (finding.state === "works") return "works";
  return finding.state === "missing" ? "is not installed" : `cannot work: ${finding.said}`;
}

function choice(backend: BackendName, reason: string): Detection {
  return { kind: "choice", backend, reason };
}

function ask(finding: keyof Findings): Detection {
  return { kind: "ask", finding };
}
