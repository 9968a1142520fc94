/** What docs/boot.md promises of a node whose rules are to be there before the kubelet. */
import { assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import boot from "../../docs/boot.md" with { type: "text" };
import { Host } from "./host.ts";

const UNIT = /```ini\n([^`]+)```/.exec(boot)![1]!;

/** Stands for the kubelet: remembers which rules were there when it started. */
const KUBELET = `[Service]
ExecStart=/bin/sh -c "iptables -t nat -S >/run/at-start; exec sleep infinity"
[Install]
WantedBy=multi-user.target
`;

Deno.test("the unit of docs/boot.md: rules are there before the kubelet, which starts also where they can't be", async (t) => {
  const dist = fromFileUrl(new URL("../../dist", import.meta.url));
  await using host = await Host.boot({ "/dist": dist });
  await host.until("systemctl is-active multi-user.target");
  await host.sh(`
    install -D /dist/ip-masq-agent /usr/local/sbin/ip-masq-agent
    cat >/etc/systemd/system/ip-masq-agent-boot.service <<'END'\n${UNIT}END
    cat >/etc/systemd/system/kubelet.service <<'END'\n${KUBELET}END
    mkdir -p /etc/ip-masq-agent
    systemctl daemon-reload
    systemctl enable ip-masq-agent-boot kubelet
  `);
  const startKubelet = async () => {
    await host.sh("systemctl start kubelet");
    return await host.until("test -s /run/at-start && cat /run/at-start");
  };
  await t.step("a config that is good", async () => {
    await host.sh("echo 'nonMasqueradeCIDRs: [10.9.0.0/16]' >/etc/ip-masq-agent/ip-masq-agent.yaml");
    assertMatch(await startKubelet(), /^-A IP-MASQ-AGENT -d 10\.9\.0\.0\/16/m);
  });
  await t.step("a bad config", async () => {
    await host.sh(`
      systemctl stop kubelet ip-masq-agent-boot
      iptables -t nat -F
      rm /run/at-start
      echo 'nonMasqueradeCIDRs: 7' >/etc/ip-masq-agent/ip-masq-agent.yaml
    `);
    assertMatch(await startKubelet(), /^-P POSTROUTING ACCEPT$/m);
    await host.sh("systemctl is-active kubelet; systemctl is-failed ip-masq-agent-boot");
  });
});
