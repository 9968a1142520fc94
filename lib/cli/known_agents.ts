/** Other agents with the same chain: what each knows and writes, as far as it differs from this one. */

/** One of them, as `--from` names it. */
export type KnownAgentName = "upstream" | "gke" | "azure" | "tke" | "cce";

/** What there is to know about one. */
export interface KnownAgent {
  readonly name: KnownAgentName;
  /** As a sentence names it. */
  readonly title: string;
  /** The keys of its config. It ignores all others, so they must not begin to act here. */
  readonly keys: readonly string[];
  /**
   * Whether it reads every `ip-masq*` file of its folder. Where there is one, and none lists anything, it exempts nothing;
   * and its limit of 64 entries is each file's.
   */
  readonly mergesFiles: boolean;
  /** Whether its MASQUERADE rules have `--random-fully`: as the flag says, or never. */
  readonly randomFully: "flag" | "never";
  /** Whether the comment of its jump has quotes in it. */
  readonly quotesComment: boolean;
  /** Whether its source is public, so that one knows each byte of its rules. */
  readonly isPublic: boolean;
  /** What else may differ in the kernel, in words. */
  readonly changes: readonly string[];
  /** Which manifest of deploy/kubernetes mounts the ConfigMap that it has. */
  readonly manifest: string;
}

const UPSTREAM_KEYS = ["nonMasqueradeCIDRs", "masqLinkLocal", "masqLinkLocalIPv6", "resyncInterval"];

const SECOND_JUMP = "a second jump, which releases 2.9 to 2.12.1 left with quotes in its comment, is removed";

/** All of them. */
export const KNOWN_AGENTS: readonly KnownAgent[] = [
  {
    name: "upstream",
    title: "kubernetes-sigs/ip-masq-agent",
    // snatTarget was there for some time only.
    keys: [...UPSTREAM_KEYS, "cidrLimit", "snatTarget"],
    mergesFiles: false,
    randomFully: "flag",
    quotesComment: false,
    isPublic: true,
    changes: [SECOND_JUMP],
    manifest: "deploy/kubernetes",
  },
  {
    name: "gke",
    title: "GKE's ip-masq-agent",
    keys: [...UPSTREAM_KEYS, "cidrLimit"],
    mergesFiles: false,
    randomFully: "flag",
    quotesComment: false,
    isPublic: true,
    changes: [SECOND_JUMP],
    manifest: "deploy/kubernetes",
  },
  {
    name: "azure",
    title: "Azure's ip-masq-agent-v2",
    keys: UPSTREAM_KEYS.filter((key) => key !== "resyncInterval"),
    mergesFiles: true,
    randomFully: "never",
    quotesComment: true,
    isPublic: true,
    changes: ["exempt ranges stand in the order of the files: Azure's shuffles them, which decides nothing"],
    manifest: "deploy/kubernetes/overlays/azure",
  },
  {
    name: "tke",
    title: "Tencent TKE's ip-masq-agent",
    keys: [...UPSTREAM_KEYS, "nonMasqueradeSrcCIDRs"],
    mergesFiles: false,
    randomFully: "flag",
    quotesComment: false,
    isPublic: false,
    changes: [
      "its source is not public: rules whose comment or --random-fully differ are written anew, `diff` on a node tells",
    ],
    manifest: "deploy/kubernetes/overlays/tke",
  },
  {
    name: "cce",
    title: "Baidu CCE's cce-ip-masq-agent",
    keys: [...UPSTREAM_KEYS, "cidrLimit", "masqueradeCIDRs", "masqOutBound", "masqOutBoundIPv6"],
    mergesFiles: false,
    randomFully: "flag",
    quotesComment: false,
    isPublic: true,
    changes: [],
    manifest: "deploy/kubernetes/overlays/cce",
  },
];

/** What tells one from another. */
export interface Traces {
  /** Names of the flags that its container has. */
  readonly flags: readonly string[];
  /** The value of `--masq-chain`. */
  readonly chain: string;
  /** Keys of all its configs. */
  readonly keys: readonly string[];
  /** Each ConfigMap's name with the key of the config in it, as `NAME/KEY`. */
  readonly configMaps: readonly string[];
  /** How many files its config has. */
  readonly files: number;
}

/** Guesses which agent somebody has, and says by what. */
export function guessAgent({ flags, chain, keys, configMaps, files }: Traces): [KnownAgentName, string] {
  const has = (name: string) => keys.find((key) => key.toLowerCase() === name.toLowerCase());
  const folder = configMaps.find((name) => name.includes("/ip-masq"));
  if (flags.includes("resync-interval")) return ["azure", "it has --resync-interval"];
  if (folder !== undefined) return ["azure", `its ConfigMap has the key ${folder.split("/")[1]}`];
  if (files > 1) return ["azure", "its config has several files"];
  const source = has("nonMasqueradeSrcCIDRs");
  if (source !== undefined) return ["tke", `its config has ${source}`];
  if (configMaps.includes("ip-masq-agent-config/config")) {
    return ["tke", "its ConfigMap is ip-masq-agent-config"];
  }
  for (const name of ["masqueradeCIDRs", "masqOutBound", "masqOutBoundIPv6"]) {
    const key = has(name);
    if (key !== undefined) return ["cce", `its config has ${key}`];
  }
  if (chain === "IP-MASQ" && flags.includes("nomasq-all-reserved-ranges")) {
    return ["gke", "it has --masq-chain=IP-MASQ and --nomasq-all-reserved-ranges"];
  }
  return ["upstream", "nothing points to another agent"];
}
