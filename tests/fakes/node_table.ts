/**
 * The nat table of a node as kube-proxy, a CNI and an administrator leave it, as `iptables -t nat -S` prints it.
 *
 * @module
 */
/** The comment of a jump without the name of its chain. */
export const JUMP =
  "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom";
/** The comment of a rule that keeps the source address. */
export const LOCAL = '-m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE"';

/** A node as kube-proxy, a CNI and an administrator leave it. */
export const NODE = `-P PREROUTING ACCEPT
-P POSTROUTING ACCEPT
-N CNI-POSTROUTING
-N IP-MASQ-AGENT
-N KUBE-POSTROUTING
-N LOOP
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -j LOOP
-A POSTROUTING -g CNI-POSTROUTING
-A POSTROUTING -m comment --comment "counts" -m addrtype --dst-type LOCAL
-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.7
-A POSTROUTING -m comment --comment "${JUMP} IP-MASQ-AGENT chain" -m addrtype ! --dst-type LOCAL -j IP-MASQ-AGENT
-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
-A CNI-POSTROUTING -d 10.0.0.0/8 -j RETURN
-A CNI-POSTROUTING -j MASQUERADE --random-fully
-A IP-MASQ-AGENT -d 10.0.0.0/8 ${LOCAL} -j RETURN
-A IP-MASQ-AGENT -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE
-A LOOP -j LOOP
`;
