/** A nat table as kube-proxy fills it, so that costs are those of a node with many services. */

/** Input for `iptables-restore --noflush` with about `count` rules: a chain with two rules, and a jump, for each service. */
export function foreignRules(count: number): string {
  const services = Array.from({ length: Math.floor(count / 3) }, (_, index) => ({
    chain: `KUBE-SVC-${String(index).padStart(8, "0")}`,
    address: `10.${index >> 16 & 255}.${index >> 8 & 255}.${index & 255}`,
    comment: `-m comment --comment "namespace/service${index} cluster IP"`,
  }));
  return [
    "*nat",
    ":KUBE-SERVICES - [0:0]",
    ...services.map(({ chain }) => `:${chain} - [0:0]`),
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    ...services.flatMap(({ chain, address, comment }) => [
      `-A KUBE-SERVICES -d ${address}/32 -p tcp ${comment} -m tcp --dport 80 -j ${chain}`,
      `-A ${chain} -s ${address}/32 ${comment} -j RETURN`,
      `-A ${chain} -p tcp ${comment} -m tcp -j DNAT --to-destination ${address}:8080`,
    ]),
    "COMMIT",
    "",
  ].join("\n");
}
