/**
 * Hosts as other programs leave them, in the words of their public documentation, with the addresses of
 * tests/sandbox/crossroads.ts. `@ours` is the jump to our chain.
 *
 * @module
 */
import type { BackendName } from "../../lib/backends/backend_name.ts";

/** One host. */
export interface HostRules {
  readonly name: string;
  /** Which backend's rules are ours; iptables-nft where left out. */
  readonly backend?: BackendName;
  /** The nat tables, as iptables-restore reads them, without `*nat` and `COMMIT`. */
  readonly nft?: string;
  readonly nft6?: string;
  readonly legacy?: string;
  /** Native tables, as `nft -f` reads them. */
  readonly tables?: string;
  /** The mark of packets to port 9999; none where left out. */
  readonly mark?: number;
}

const OURS = ":IP-MASQ-AGENT - [0:0]\n@ours";

const KUBE_PROXY = `
:KUBE-POSTROUTING - [0:0]
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully`;

/** A CNI plugin's chain for one pod. */
function podChain(name: string, address: string, network: string, multicast: string): string {
  return `
:CNI-${name} - [0:0]
-A POSTROUTING -s ${address} -m comment --comment "name: \\"net\\" id: \\"${name}\\"" -j CNI-${name}
-A CNI-${name} -d ${network} -m comment --comment "name: \\"net\\" id: \\"${name}\\"" -j ACCEPT
-A CNI-${name} ! -d ${multicast} -m comment --comment "name: \\"net\\" id: \\"${name}\\"" -j MASQUERADE`;
}

const PODS = podChain("0123456789abcdef01234567", "10.244.1.2/32", "10.244.0.0/16", "224.0.0.0/4") +
  podChain("89abcdef0123456701234567", "10.244.2.2/32", "10.99.0.0/17", "224.0.0.0/4");

const FIREWALLD = `
table inet firewalld {
  chain nat_POST_public_allow {
    oifname != "lo" masquerade
  }
  chain nat_POST_public_log { }
  chain nat_POST_public_deny { }
  chain nat_POST_public {
    jump nat_POST_public_log
    jump nat_POST_public_deny
    jump nat_POST_public_allow
  }
  chain nat_POST_trusted { }
  chain nat_POSTROUTING_ZONES {
    oifname "eth0" goto nat_POST_public
    oifname "wlan1" goto nat_POST_trusted
    goto nat_POST_public
  }
  chain nat_POSTROUTING {
    type nat hook postrouting priority srcnat + 10; policy accept;
    jump nat_POSTROUTING_ZONES
  }
}`;

/** Rules as programs make them. */
export const HOSTS: readonly HostRules[] = [
  { name: "nothing but ours", nft: OURS, nft6: OURS },
  { name: "docker, before ours", nft: `-A POSTROUTING -s 10.244.1.0/24 ! -o docker0 -j MASQUERADE\n${OURS}` },
  { name: "docker, behind ours", nft: `${OURS}\n-A POSTROUTING -s 10.244.1.0/24 ! -o docker0 -j MASQUERADE` },
  {
    name: "docker's bridge is where it leaves by",
    nft: `-A POSTROUTING -s 10.244.0.0/16 ! -o wlan1 -j MASQUERADE\n${OURS}`,
    nft6: `-A POSTROUTING -s fd00:244::/32 ! -o wlan1 -j MASQUERADE\n${OURS}`,
  },
  {
    name: "docker with a published port",
    nft: `${OURS}
:DOCKER - [0:0]
-A POSTROUTING -s 10.244.1.2/32 -d 10.244.1.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A POSTROUTING -d 10.99.0.7/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN`,
  },
  {
    name: "podman (netavark)",
    mark: 0x2000,
    nft: `
:NETAVARK-1D8721804F16F - [0:0]
:NETAVARK-HOSTPORT-MASQ - [0:0]
-A POSTROUTING -j NETAVARK-HOSTPORT-MASQ
-A POSTROUTING -s 10.244.1.0/24 -j NETAVARK-1D8721804F16F
-A NETAVARK-1D8721804F16F -d 10.244.0.0/16 -j ACCEPT
-A NETAVARK-1D8721804F16F ! -d 224.0.0.0/4 -j MASQUERADE
-A NETAVARK-HOSTPORT-MASQ -m comment --comment "netavark portfw masq mark" -m mark --mark 0x2000/0x2000 -j MASQUERADE
${OURS}`,
  },
  {
    name: "kube-proxy (iptables)",
    mark: 0x4000,
    nft: KUBE_PROXY + "\n" + OURS,
    nft6: KUBE_PROXY + "\n" + OURS,
  },
  { name: "kube-proxy behind ours", mark: 0x4000, nft: OURS + KUBE_PROXY },
  {
    name: "an old kube-proxy, which only asks for the mark",
    mark: 0xc000,
    nft: `
:KUBE-POSTROUTING - [0:0]
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
${OURS}`,
  },
  {
    name: "kube-proxy (nftables), ours in iptables",
    mark: 0x4000,
    nft: OURS,
    nft6: OURS,
    tables: ["ip", "ip6"].map((family) => `
table ${family} kube-proxy {
  chain masquerading {
    mark and 0x4000 == 0 return
    meta mark set meta mark xor 0x4000
    masquerade fully-random
  }
  chain nat-postrouting {
    type nat hook postrouting priority srcnat;
    jump masquerading
  }
}`).join("\n"),
  },
  {
    name: "kube-proxy (nftables), ours too",
    mark: 0x4000,
    backend: "nftables",
    tables: `
table ip kube-proxy {
  chain masquerading {
    mark and 0x4000 == 0 return
    mark set mark xor 0x4000
    masquerade fully-random
  }
  chain nat-postrouting {
    type nat hook postrouting priority srcnat;
    jump masquerading
  }
}`,
  },
  {
    name: "kubenet",
    nft: `${OURS}
-A POSTROUTING ! -d 10.0.0.0/8 -m comment --comment "kubenet: SNAT for outbound traffic from cluster" -m addrtype ! --dst-type LOCAL -j MASQUERADE
-A POSTROUTING -s 10.244.2.0/24 -o wlan1 -j MASQUERADE`,
  },
  {
    name: "flannel",
    nft: `
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.1.0/24 -d 10.99.0.0/17 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.99.0.0/17 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s 10.200.0.0/16 -d 10.244.1.0/24 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s 10.244.0.0/16 ! -d 224.0.0.0/4 -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
${OURS}`,
    mark: 0x4000,
  },
  {
    name: "flannel as it was, behind ours",
    nft: `${OURS}
-A POSTROUTING -s 10.244.0.0/16 -d 10.99.0.0/16 -j RETURN
-A POSTROUTING -s 10.244.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE
-A POSTROUTING ! -s 10.244.0.0/16 -d 10.99.0.0/17 -j RETURN
-A POSTROUTING ! -s 10.244.0.0/16 -d 10.99.0.0/16 -j MASQUERADE`,
    nft6: `${OURS}
-A POSTROUTING -s fd00:244::/32 -d fd00:99::/32 -j RETURN
-A POSTROUTING -s fd00:244::/32 ! -d ff00::/8 -j MASQUERADE`,
  },
  {
    name: "Calico",
    nft: `
:cali-POSTROUTING - [0:0]
:cali-fip-snat - [0:0]
:cali-nat-outgoing - [0:0]
-A POSTROUTING -m comment --comment "cali:O3lYWMrLQYEMJtB5" -j cali-POSTROUTING
-A cali-POSTROUTING -m comment --comment "cali:Z-c7XtVd2Bq7s_hA" -j cali-fip-snat
-A cali-POSTROUTING -m comment --comment "cali:nYKhEzDlr11Jccal" -j cali-nat-outgoing
-A cali-POSTROUTING -o tunl0 -m comment --comment "cali:SXWvdsbh4Mw7wOln" -m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE --random-fully
-A cali-fip-snat -s 10.244.2.2/32 -d 203.0.113.7/32 -j SNAT --to-source 198.51.100.20
-A cali-nat-outgoing -s 10.244.1.0/24 ! -d 10.99.0.0/16 -m comment --comment "cali:flqWnvo8yq4ULQLa" -j MASQUERADE --random-fully
${OURS}`,
  },
  {
    name: "Calico's nftables mode",
    backend: "nftables",
    tables: `
table ip calico {
  set all-pools {
    typeof ip daddr
    flags interval
    elements = { 10.244.0.0/16, 10.99.0.0/17 }
  }
  chain nat-cali-nat-outgoing {
    ip saddr 10.244.1.0/24 ip daddr != @all-pools counter masquerade fully-random
  }
  chain nat-cali-POSTROUTING {
    type nat hook postrouting priority srcnat - 5;
    counter jump nat-cali-nat-outgoing
  }
}`,
  },
  { name: "firewalld, ours in iptables", nft: OURS, nft6: OURS, tables: FIREWALLD },
  { name: "firewalld, ours in nftables", backend: "nftables", tables: FIREWALLD },
  {
    name: "firewalld that comes first",
    nft: OURS,
    tables: FIREWALLD.replace("srcnat + 10", "srcnat - 10"),
  },
  {
    name: "ufw with rules of an administrator",
    nft: `
-A POSTROUTING -s 10.244.2.0/24 -o eth0 -j MASQUERADE
-A POSTROUTING -s 10.200.0.9/32 -d 10.0.0.0/8 -o wlan1 -j SNAT --to-source 198.51.100.21
${OURS}`,
  },
  {
    name: "libvirt",
    nft: `
:LIBVIRT_PRT - [0:0]
-A POSTROUTING -j LIBVIRT_PRT
-A LIBVIRT_PRT -s 10.244.1.0/24 -d 224.0.0.0/24 -j RETURN
-A LIBVIRT_PRT -s 10.244.1.0/24 -d 255.255.255.255/32 -j RETURN
-A LIBVIRT_PRT -s 10.244.1.0/24 ! -d 10.244.1.0/24 -p tcp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 10.244.1.0/24 ! -d 10.244.1.0/24 -p udp -j MASQUERADE --to-ports 1024-65535
-A LIBVIRT_PRT -s 10.244.1.0/24 ! -d 10.244.1.0/24 -j MASQUERADE
${OURS}`,
  },
  {
    name: "libvirt's nftables",
    nft: OURS,
    tables: `
table ip libvirt_network {
  chain guest_nat {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 10.244.1.0/24 ip daddr 224.0.0.0/24 return
    meta l4proto tcp ip saddr 10.244.1.0/24 ip daddr != 10.244.1.0/24 masquerade to :1024-65535
    meta l4proto udp ip saddr 10.244.1.0/24 ip daddr != 10.244.1.0/24 masquerade to :1024-65535
  }
}`,
  },
  {
    name: "an old agent's chain, before ours",
    nft: `
:OLD-MASQ - [0:0]
-A POSTROUTING -m comment --comment "ip-masq-agent: ensure nat POSTROUTING directs all non-LOCAL destination traffic to our custom OTHER chain" -m addrtype ! --dst-type LOCAL -g OLD-MASQ
-A OLD-MASQ -d 10.99.0.0/17 -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN
-A OLD-MASQ -d 203.0.113.0/25 -m comment --comment "ip-masq-agent: local traffic is not subject to MASQUERADE" -j RETURN
-A OLD-MASQ -m comment --comment "ip-masq-agent: outbound traffic is subject to MASQUERADE (must be last in chain)" -j MASQUERADE
${OURS}`,
  },
  {
    name: "another agent behind ours",
    nft: `${OURS}
:AZURE - [0:0]
-A POSTROUTING -m addrtype ! --dst-type LOCAL -j AZURE
-A AZURE -d 10.99.0.0/17 -j RETURN
-A AZURE -j MASQUERADE`,
  },
  {
    name: "the other variant has rules",
    nft: OURS,
    legacy:
      "-A POSTROUTING -s 10.244.1.0/24 -o eth0 -j MASQUERADE\n-A POSTROUTING -d 10.99.128.0/17 -j SNAT --to-source 198.51.100.22",
  },
  {
    name: "ours in the legacy variant, others in the nft one",
    backend: "iptables-legacy",
    legacy: OURS,
    nft: "-A POSTROUTING -d 10.99.0.0/17 -j MASQUERADE",
  },
  { name: "CNI chains of pods before ours", nft: `${PODS}\n${OURS}` },
  { name: "CNI chains of pods behind ours", nft: `${OURS}${PODS}` },
  {
    name: "CNI chains of pods in IPv6",
    nft: OURS,
    nft6: podChain("0123456789abcdef01234567", "fd00:244:1::2/128", "fd00:99::/32", "ff00::/8") + "\n" + OURS,
  },
  {
    name: "ACCEPT before ours",
    nft: `-A POSTROUTING -d 203.0.113.0/25 -j ACCEPT\n${OURS}\n-A POSTROUTING -j MASQUERADE`,
  },
  {
    name: "RETURN before ours",
    nft: `-A POSTROUTING -o wlan1 -j RETURN\n${OURS}\n-A POSTROUTING -j MASQUERADE`,
  },
  {
    name: "ACCEPT two chains deep, and another table that goes on",
    nft: `
:A - [0:0]
:B - [0:0]
-A POSTROUTING -p tcp -j A
-A A -s 10.244.0.0/16 -g B
-A A -j MASQUERADE
-A B -o eth0 -j ACCEPT
${OURS}`,
    tables: `
table inet late {
  chain post {
    type nat hook postrouting priority 200;
    ip daddr 203.0.113.7 snat to 198.51.100.23
    ip6 daddr 2001:db8:a::7 masquerade
  }
}`,
  },
  {
    name: "SNAT behind ours",
    nft: `${OURS}\n-A POSTROUTING -o eth0 -j SNAT --to-source 198.51.100.24-198.51.100.25`,
  },
  {
    name: "ports, ranges and protocols",
    nft: `
-A POSTROUTING -p tcp -m multiport --dports 80,400:500 -j SNAT --to-source 198.51.100.26
-A POSTROUTING -p udp -m udp --dport 443 -j ACCEPT
-A POSTROUTING -p sctp -m sctp ! --dport 90 -j MASQUERADE
-A POSTROUTING -p icmp -m icmp --icmp-type 8 -d 10.0.0.0/8 -j MASQUERADE
-A POSTROUTING -m iprange --dst-range 10.99.0.0-10.99.127.255 -m iprange ! --src-range 10.244.1.1-10.244.1.3 -j MASQUERADE
${OURS}`,
    nft6:
      `-A POSTROUTING -p ipv6-icmp -d fd00::/8 -j MASQUERADE\n-A POSTROUTING -p tcp -m tcp --dport 81:443 -j ACCEPT\n${OURS}`,
  },
  {
    name: "marks that change on the way",
    mark: 0x11,
    nft: `
-A POSTROUTING -m mark --mark 0x1/0x1 -d 10.99.0.0/17 -j MARK --set-xmark 0x2/0xff
-A POSTROUTING -m mark --mark 0x2 -j MASQUERADE
-A POSTROUTING -m mark --mark 0x11 -o wlan1 -j MARK --set-xmark 0x10/0x0
-A POSTROUTING -m mark --mark 0x1 -j SNAT --to-source 198.51.100.27
${OURS}`,
  },
  {
    name: "a map of verdicts, sets and NETMAP",
    backend: "nftables",
    tables: `
table ip nets {
  set pods { typeof ip saddr; flags interval; elements = { 10.244.2.0/24 }; }
  chain everything { masquerade; }
  chain post {
    type nat hook postrouting priority 90;
    ip saddr @pods ip daddr vmap { 203.0.113.7 : goto everything, 10.99.0.7 : accept, 10.99.128.0/17 : jump everything }
    ip daddr { 10.99.0.0/17, 203.0.113.200-203.0.113.201 } th dport { 80, 90-443 } meta l4proto { udp, sctp } snat to 198.51.100.28
    oifname { "eth0", "eth1" } fib saddr type local tcp dport 443 masquerade
  }
}`,
  },
  {
    name: "iptables' table with expressions that only nft reads",
    backend: "nftables",
    tables: `
table ip nat {
  set inside { typeof ip daddr; flags interval; elements = { 10.0.0.0/8 }; }
  chain POSTROUTING {
    type nat hook postrouting priority srcnat + 1; policy accept;
    ip saddr 10.244.1.0/24 ip daddr @inside masquerade
  }
}`,
  },
  {
    name: "a chain that drops",
    nft: OURS,
    tables: `
table ip filtering {
  chain post {
    type nat hook postrouting priority 50; policy drop;
    ip saddr 10.244.0.0/16 accept
    tcp dport 80 return
    udp dport 80 drop
    oifname "wlan*" accept
  }
}`,
  },
  {
    name: "a condition that nobody here understands",
    nft:
      `${OURS}\n-A POSTROUTING -s 10.244.0.0/16 -d 10.0.0.0/8 -m conntrack --ctstate NEW -j SNAT --to-source 198.51.100.29`,
  },
];
