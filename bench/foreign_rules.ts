/** A nat table as kube-proxy fills it, so that costs are those of a node with many services. */

/** Rules that each service has in {@linkcode foreignRules}. */
const RULES_PER_SERVICE = 5;

/**
 * Input for `iptables-restore --noflush` with about `count` rules: for each service a chain of its own and one for its
 * endpoint, reached from PREROUTING and OUTPUT.
 */
export function foreignRules(count: number): string {
  const services = Array.from({ length: Math.floor(count / RULES_PER_SERVICE) }, (_, index) => {
    const number = String(index).padStart(8, "0");
    return {
      service: `KUBE-SVC-${number}`,
      endpoint: `KUBE-SEP-${number}`,
      address: `10.${index >> 16 & 255}.${index >> 8 & 255}.${index & 255}`,
      comment: `-m comment --comment "namespace/service${index}"`,
    };
  });
  return [
    "*nat",
    ":KUBE-SERVICES - [0:0]",
    ":KUBE-POSTROUTING - [0:0]",
    ":KUBE-MARK-MASQ - [0:0]",
    ...services.flatMap(({ service, endpoint }) => [`:${service} - [0:0]`, `:${endpoint} - [0:0]`]),
    '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
    '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
    ...services.flatMap(({ service, endpoint, address, comment }) => [
      `-A KUBE-SERVICES -d ${address}/32 -p tcp ${comment} -m tcp --dport 80 -j ${service}`,
      `-A ${service} ! -s 10.244.0.0/16 -d ${address}/32 -p tcp ${comment} -m tcp --dport 80 -j KUBE-MARK-MASQ`,
      `-A ${service} ${comment} -j ${endpoint}`,
      `-A ${endpoint} -s ${address}/32 ${comment} -j KUBE-MARK-MASQ`,
      `-A ${endpoint} -p tcp ${comment} -m tcp -j DNAT --to-destination ${address}:8080`,
    ]),
    "COMMIT",
    "",
  ].join("\n");
}
