import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import {
  detect,
  type Findings,
  type IptablesFinding,
  type IptablesUsage,
} from "../../lib/backends/detect.ts";

const NONE: IptablesUsage = { hasHint: false, hasCanary: false, rules: 0 };
const MISSING: IptablesFinding = { state: "missing", said: "Cannot find it" };
const BROKEN: IptablesFinding = { state: "broken", said: "no nat table" };
const INCOMPATIBLE: IptablesFinding = { state: "incompatible", said: "use 'nft' tool" };

const works = (usage: Partial<IptablesUsage> = {}, seesLegacyTables = false): IptablesFinding => ({
  state: "works",
  usage: { ...NONE, ...usage },
  seesLegacyTables,
});

Deno.test("detect() chooses the iptables that the host uses", async (t) => {
  const cases: [name: string, findings: Findings, backend: string, reason: string][] = [
    [
      "the kubelet's hint in nft",
      { nft: works({ hasHint: true }, true) },
      "iptables-nft",
      "KUBE-IPTABLES-HINT",
    ],
    [
      "the kubelet's hint in legacy beats the canary and the rules of nft",
      {
        nft: works({ hasCanary: true, rules: 100 }, true),
        legacyUsage: { ...NONE, hasHint: true },
        legacy: works(),
      },
      "iptables-legacy",
      "KUBE-IPTABLES-HINT",
    ],
    [
      "the kubelet's canary in nft",
      { nft: works({ hasCanary: true }) },
      "iptables-nft",
      "KUBE-KUBELET-CANARY",
    ],
    [
      "the canary in legacy only",
      {
        nft: works({ rules: 9 }, true),
        legacyUsage: { ...NONE, hasCanary: true },
        legacy: works(),
      },
      "iptables-legacy",
      "KUBE-KUBELET-CANARY",
    ],
    [
      "the canary in both: more rules",
      {
        nft: works({ hasCanary: true }, true),
        legacyUsage: { hasHint: false, hasCanary: true, rules: 30 },
        nftRules: 20,
        legacy: works(),
      },
      "iptables-legacy",
      "more rules than iptables-nft: 30, not 20",
    ],
    [
      "more rules in nft",
      {
        nft: works({}, true),
        legacyUsage: { ...NONE, rules: 3 },
        nftRules: 4,
      },
      "iptables-nft",
      "more rules than iptables-legacy: 4, not 3",
    ],
    [
      "as many rules: what iptables is",
      {
        nft: works({}, true),
        legacyUsage: { ...NONE, rules: 3 },
        nftRules: 3,
        plainVariant: "legacy",
        legacy: works(),
      },
      "iptables-legacy",
      "it is what iptables is here",
    ],
    [
      "rules in nft, and legacy has no tables",
      { nft: works({ rules: 1 }) },
      "iptables-nft",
      "iptables-legacy none",
    ],
    [
      "rules in chains of nft that the first look does not read",
      { nft: works(), plainVariant: "legacy", nftRules: 1 },
      "iptables-nft",
      "iptables-legacy none",
    ],
    [
      "no rules at all, iptables is nft",
      { nft: works(), plainVariant: "nft" },
      "iptables-nft",
      "what iptables is",
    ],
    [
      "no rules at all, iptables is legacy and works",
      {
        nft: works(),
        nftRules: 0,
        plainVariant: "legacy",
        legacy: works(),
      },
      "iptables-legacy",
      "what iptables is",
    ],
    [
      "no rules at all, iptables is legacy and can't work",
      {
        nft: works(),
        nftRules: 0,
        plainVariant: "legacy",
        legacy: BROKEN,
      },
      "iptables-nft",
      "iptables-legacy cannot work: no nat table",
    ],
    [
      "no rules at all, and no iptables",
      { nft: works(), plainVariant: "unknown" },
      "iptables-nft",
      "iptables-legacy has no rules",
    ],
    [
      "only legacy is installed",
      { nft: MISSING, legacy: works() },
      "iptables-legacy",
      "iptables-nft is not installed",
    ],
    [
      "only legacy can work",
      { nft: BROKEN, legacy: works() },
      "iptables-legacy",
      "iptables-nft cannot work: no nat",
    ],
    [
      "only an iptables without a variant's name",
      { nft: MISSING, legacy: MISSING, plain: works() },
      "iptables",
      "the only iptables",
    ],
    [
      "no iptables, nftables works",
      {
        nft: MISSING,
        legacy: MISSING,
        plain: MISSING,
        nftablesProblem: "",
      },
      "nftables",
      "iptables is not installed",
    ],
    [
      "legacy has the kubelet's rules and would not take ours",
      { nft: works({}, true), legacyUsage: { ...NONE, hasHint: true }, legacy: BROKEN },
      "iptables-nft",
      "iptables-legacy cannot work: no nat table",
    ],
    [
      "nft wrote what stands",
      { nft: INCOMPATIBLE, nftablesProblem: "" },
      "nftables",
      "iptables-nft cannot work: use 'nft' tool",
    ],
    [
      "nft wrote what stands, and would not take our rules",
      { nft: INCOMPATIBLE, nftablesProblem: "it crashed", legacy: works() },
      "iptables-legacy",
      "iptables-nft cannot work: use 'nft' tool",
    ],
    [
      "iptables can't work, nftables does",
      { nft: BROKEN, legacy: MISSING, nftablesProblem: "" },
      "nftables",
      "iptables-nft cannot work: no nat table; iptables-legacy is not installed",
    ],
  ];
  for (const [name, findings, backend, reason] of cases) {
    await t.step(name, () => {
      const detection = detect(findings);
      assert(detection.kind === "choice", JSON.stringify(detection));
      assertEquals(detection.backend, backend as typeof detection.backend);
      assertStringIncludes(detection.reason, reason);
    });
  }
});

Deno.test("detect() asks only for what it needs", async (t) => {
  const cases: [findings: Findings, finding: string][] = [
    [{}, "nft"],
    [{ nft: MISSING }, "legacy"],
    [{ nft: BROKEN }, "legacy"],
    [{ nft: works({ hasCanary: true }, true) }, "legacyUsage"],
    [{ nft: works({}, true), legacyUsage: NONE }, "nftRules"],
    [{ nft: works({}, true), legacyUsage: NONE, nftRules: 0 }, "plainVariant"],
    [{ nft: works() }, "plainVariant"],
    [{ nft: works(), plainVariant: "legacy" }, "nftRules"],
    [{ nft: works(), nftRules: 0, plainVariant: "legacy" }, "legacy"],
    [{ nft: works(), legacyUsage: { ...NONE, hasHint: true } }, "plainVariant"],
    [{ nft: works({}, true), legacyUsage: { ...NONE, hasHint: true } }, "legacy"],
    [{ nft: INCOMPATIBLE }, "nftablesProblem"],
    [{ nft: INCOMPATIBLE, nftablesProblem: "no" }, "legacy"],
    [{ nft: MISSING, legacy: MISSING }, "plain"],
    [{ nft: MISSING, legacy: BROKEN }, "nftablesProblem"],
    [{ nft: MISSING, legacy: MISSING, plain: BROKEN }, "nftablesProblem"],
  ];
  for (const [findings, finding] of cases) {
    await t.step(JSON.stringify(findings), () => {
      assertEquals(detect(findings), { kind: "ask", finding: finding as keyof Findings });
    });
  }
});

Deno.test("detect() says what was tried and what to do where nothing works", () => {
  const detection = detect({ nft: BROKEN, legacy: MISSING, nftablesProblem: "Cannot find nft" });
  assertEquals(detection, {
    kind: "failure",
    message:
      "No backend works here: iptables-nft cannot work: no nat table; iptables-legacy is not installed; nftables " +
      'cannot work: Cannot find nft: install the package "nftables" or "iptables", and load the kernel\'s NAT ' +
      "modules: modprobe nft_chain_nat nft_masq nft_fib_ipv4, or iptable_nat xt_MASQUERADE xt_addrtype",
  });
});

Deno.test("detect() tells somebody who is not root to be root", () => {
  const forbidden: IptablesFinding = { state: "broken", said: "Permission denied (you must be root)" };
  const detection = detect({ nft: forbidden, legacy: forbidden, nftablesProblem: "Operation not permitted" });
  assert(detection.kind === "failure");
  assertStringIncludes(
    detection.message,
    ": run the agent as root, or with the capabilities NET_ADMIN and NET_RAW",
  );
});

Deno.test("whatever the host is like, detect() decides, and needs at most five processes", () => {
  const usage = fc.record({ hasHint: fc.boolean(), hasCanary: fc.boolean(), rules: fc.nat(3) });
  const finding = fc.oneof(
    fc.constantFrom(MISSING, BROKEN, INCOMPATIBLE),
    fc.record({ state: fc.constant("works" as const), usage, seesLegacyTables: fc.boolean() }),
  );
  const host = fc.record({
    nft: finding,
    legacy: finding,
    legacyUsage: usage,
    nftRules: fc.nat(3),
    plainVariant: fc.constantFrom("nft" as const, "legacy" as const, "unknown" as const),
    plain: finding,
    nftablesProblem: fc.constantFrom("", "no nft"),
  });
  fc.assert(fc.property(host, (host) => {
    let findings: Findings = {};
    let processes = 0;
    for (let round = 0; round < 7; round++) {
      const detection = detect(findings);
      if (detection.kind !== "ask") {
        assert(processes <= 5, `${processes} processes`);
        return;
      }
      const { finding } = detection;
      assertEquals(findings[finding], undefined, "nothing is asked twice");
      const answer = host[finding];
      // A command that is not there costs no process.
      if (typeof answer !== "object" || !("state" in answer) || answer.state !== "missing") processes++;
      findings = { ...findings, [finding]: answer };
    }
    throw new Error("No decision");
  }));
});
