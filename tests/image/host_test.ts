/** The agent on a machine with systemd: installed by `make install`, and by cloud-init from the files of a release. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { VARIANTS } from "../sandbox/sandbox.ts";
import { Host } from "./host.ts";

const CHAIN = "iptables -t nat -S IP-MASQ-AGENT";

/** A config is read at once when asked, and every 60 s otherwise. */
const SOONER_THAN_INTERVAL_MS = 30_000;

/** A folder for the length of a test. */
async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

for (const variant of VARIANTS) {
  Deno.test(`systemd with iptables-${variant}: the service starts, reloads, restarts and leaves its rules`, async (t) => {
    await using tree = await temporaryFolder();
    const { success, stderr } = await new Deno.Command("make", {
      args: ["--silent", "--old-file=dist/ip-masq-agent", "install", `DESTDIR=${tree.path}`],
    }).output();
    assertEquals(success, true, new TextDecoder().decode(stderr));
    await using host = await Host.boot({ "/install": tree.path });
    await host.until("systemctl is-active multi-user.target");
    await host.sh(`
      cp -a /install/. /
      update-alternatives --set iptables /usr/sbin/iptables-${variant}
      update-alternatives --set ip6tables /usr/sbin/ip6tables-${variant}
      echo IP_MASQ_AGENT_FLAGS=--enable-ipv6 >/etc/default/ip-masq-agent
      systemctl daemon-reload
      systemctl enable --now ip-masq-agent
    `);
    const pid = async () => (await host.sh("systemctl show --property MainPID --value ip-masq-agent")).trim();

    await t.step("both families have their rules", async () => {
      assertStringIncludes(
        await host.until(`${CHAIN} | grep -- '-d 192.168.0.0/16' && ${CHAIN}`),
        "-j MASQUERADE",
      );
      await host.until(`ip6${CHAIN.slice(2)} | grep MASQUERADE`);
    });

    await t.step("it has the two capabilities and no way to more", async () => {
      const status = await host.sh(`cat /proc/${await pid()}/status`);
      assertMatch(status, /^NoNewPrivs:\t1$/m);
      // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13: linux/capability.h.
      assertMatch(status, /^CapBnd:\t0000000000003000$/m);
      assertMatch(status, /^Seccomp:\t2$/m);
    });

    await t.step("systemctl reload syncs now", async () => {
      await host.sh(`
        echo 'nonMasqueradeCIDRs: [10.9.0.0/16]' >/etc/ip-masq-agent/ip-masq-agent.yaml
        systemctl reload ip-masq-agent
      `);
      await host.until(`${CHAIN} | grep -- '-d 10.9.0.0/16'`, SOONER_THAN_INTERVAL_MS);
      await host.until(
        "journalctl --unit ip-masq-agent | grep 'SIGHUP: syncing now'",
        SOONER_THAN_INTERVAL_MS,
      );
    });

    await t.step("a reload with a bad config fails, says why, and heals with the last good one", async () => {
      await host.sh(`
        cp /etc/ip-masq-agent/ip-masq-agent.yaml /run/good.yaml
        echo 'masqLinkLocal: 7' >/etc/ip-masq-agent/ip-masq-agent.yaml
        iptables -t nat -F IP-MASQ-AGENT
        if systemctl reload ip-masq-agent; then exit 1; fi
      `);
      await host.until(`${CHAIN} | grep -- '-d 10.9.0.0/16'`, SOONER_THAN_INTERVAL_MS);
      await host.until("journalctl --unit ip-masq-agent | grep -F ip-masq-agent.yaml:1:1:");
      await host.sh(
        "cp /run/good.yaml /etc/ip-masq-agent/ip-masq-agent.yaml; systemctl reload ip-masq-agent",
      );
    });

    await t.step("journalctl --priority tells warnings from the rest", async () => {
      const ours = "journalctl --unit ip-masq-agent --output=cat _COMM=ip-masq-agent";
      const warnings = await host.until(`${ours} --priority=warning | grep .`);
      assertStringIncludes(warnings, "IPv4: repaired drift");
      assertEquals(warnings.includes("SIGHUP"), false);
      assertStringIncludes(await host.sh(ours), "\nSIGHUP: syncing now\n");
    });

    await t.step("a restart or reload of a firewall causes a check at once", async () => {
      const firewalldBackend = variant === "nft" ? "nftables" : "iptables";
      await host.sh(`echo FirewallBackend=${firewalldBackend} >/etc/firewalld/firewalld.conf`);
      for (const unit of ["nftables", "firewalld"]) {
        for (const action of ["restart", "reload"]) {
          // nftables and firewalld remove the rules of some backends only: this is for all of them.
          await host.sh(`iptables -w 10 -t nat -F IP-MASQ-AGENT; systemctl ${action} ${unit}`);
          await host.until(`${CHAIN} | grep -- '-d 10.9.0.0/16'`, SOONER_THAN_INTERVAL_MS);
        }
        await host.sh(`systemctl stop ${unit}; systemctl is-active ip-masq-agent`);
        // Nothing tells of a stop.
        await host.sh("systemctl reload ip-masq-agent");
        await host.until(`${CHAIN} | grep -- '-d 10.9.0.0/16'`, SOONER_THAN_INTERVAL_MS);
      }
    });

    await t.step("units that are ordered after it start with the rules", async () => {
      await host.sh(`
        echo '[Unit]
        After=ip-masq-agent.service
        [Service]
        Type=oneshot
        ExecStart=/bin/sh -c "${CHAIN} >/run/seen"' >/etc/systemd/system/later.service
        systemctl stop ip-masq-agent
        ip-masq-agent cleanup
        conntrack -I -p udp -t 100 -s 10.244.1.2 -d 203.0.113.10 -r 203.0.113.10 -q 10.244.1.2 \\
          --sport 5000 --dport 53 --reply-port-src 53 --reply-port-dst 5000
        echo 'IP_MASQ_AGENT_FLAGS=--enable-ipv6 --flush-flows' >/etc/default/ip-masq-agent
        systemctl daemon-reload
        systemctl start ip-masq-agent later
      `);
      assertStringIncludes(await host.sh("cat /run/seen"), "-d 10.9.0.0/16");
      await host.until("journalctl --unit ip-masq-agent | grep 'IPv4: forgot 1 UDP flow'");
    });

    await t.step("a tool that hangs holds up a start for 10 seconds only", async () => {
      const tool = "/usr/local/sbin/iptables-restore";
      await host.sh(`
        systemctl stop ip-masq-agent
        mkdir -p /usr/local/sbin
        printf '#!/bin/sh\\nexec sleep 1000\\n' >${tool}
        chmod +x ${tool}
        echo IP_MASQ_AGENT_FLAGS=--backend=iptables >/etc/default/ip-masq-agent
        timeout 60 systemctl start ip-masq-agent
        systemctl is-active ip-masq-agent
        rm ${tool}
        echo IP_MASQ_AGENT_FLAGS=--enable-ipv6 >/etc/default/ip-masq-agent
        systemctl restart ip-masq-agent
      `);
    });

    await t.step("a crash is followed by a restart", async () => {
      const before = await pid();
      await host.sh("systemctl kill --signal=KILL ip-masq-agent");
      await host.until(`[ "$(systemctl show --property MainPID --value ip-masq-agent)" -gt 0 ]`);
      assertEquals(await pid() === before, false);
    });

    await t.step("systemctl stop ends it cleanly and leaves the rules", async () => {
      await host.until("systemctl is-active ip-masq-agent");
      await host.sh("sleep 1; systemctl stop ip-masq-agent");
      assertEquals(
        (await host.sh("systemctl show --property Result --value ip-masq-agent")).trim(),
        "success",
      );
      assertStringIncludes(await host.sh(CHAIN), "-d 10.9.0.0/16");
    });

    await t.step("bad flags are not tried again", async () => {
      await host.sh(`
        echo IP_MASQ_AGENT_FLAGS=--enable-ipv7 >/etc/default/ip-masq-agent
        systemctl start ip-masq-agent
      `);
      await host.until("systemctl is-failed ip-masq-agent");
      assertEquals((await host.sh("systemctl show --property NRestarts --value ip-masq-agent")).trim(), "0");
      assertStringIncludes(await host.sh("journalctl --unit ip-masq-agent"), "Unknown flag");
    });
  });
}

/** The files that `make release` wrote. */
const RELEASE = fromFileUrl(new URL("../../dist/release", import.meta.url));

Deno.test("the Debian package installs, upgrades, and takes its rules with it", async (t) => {
  await using host = await Host.boot({ "/release": RELEASE });
  await host.until("systemctl is-active multi-user.target");
  const show = async (property: string) =>
    (await host.sh(`systemctl show --property ${property} --value ip-masq-agent`)).trim();

  await t.step("an installation enables and starts the service", async () => {
    await host.sh("dpkg --install /release/ip-masq-agent_*_amd64.deb");
    await host.until(`${CHAIN} | grep MASQUERADE`);
    assertEquals([await show("ActiveState"), await show("UnitFileState")], ["active", "enabled"]);
    assertEquals(await host.sh("dpkg --verify ip-masq-agent; dpkg --audit"), "");
  });

  await t.step("an upgrade keeps the config and the rules, and starts the service anew", async () => {
    await host.sh(`
      echo 'nonMasqueradeCIDRs: [10.9.0.0/16]' >/etc/ip-masq-agent/ip-masq-agent.yaml
      systemctl reload ip-masq-agent
    `);
    await host.until(`${CHAIN} | grep -- '-d 10.9.0.0/16'`, SOONER_THAN_INTERVAL_MS);
    const before = await show("MainPID");
    const handles = "nft -a list chain ip nat IP-MASQ-AGENT | sed 's/packets [0-9]* bytes [0-9]*//'";
    const rules = await host.sh(handles);
    await host.sh(`
      dpkg-deb --raw-extract /release/ip-masq-agent_*_amd64.deb /tmp/next
      sed -i 's/^Version: .*/Version: 99/' /tmp/next/DEBIAN/control
      echo '# of the next version' >>/tmp/next/etc/ip-masq-agent/ip-masq-agent.yaml
      dpkg-deb --root-owner-group -Znone --build /tmp/next /tmp/next.deb
      dpkg --force-confold --install /tmp/next.deb
    `);
    await host.until("systemctl is-active ip-masq-agent");
    assertEquals(await show("MainPID") === before, false);
    assertEquals(await host.sh(handles), rules);
    assertStringIncludes(await host.sh("cat /etc/ip-masq-agent/ip-masq-agent.yaml"), "10.9.0.0/16");
  });

  await t.step("a service that was disabled stays so", async () => {
    await host.sh("systemctl disable --now ip-masq-agent; dpkg --force-confold --install /tmp/next.deb");
    assertEquals([await show("ActiveState"), await show("UnitFileState")], ["inactive", "disabled"]);
    await host.sh("systemctl enable --now ip-masq-agent");
    await host.until("systemctl is-active ip-masq-agent");
  });

  await t.step("a removal stops the service and removes the rules, and keeps the config", async () => {
    await host.sh("dpkg --remove ip-masq-agent");
    assertEquals(await host.sh("nft list ruleset | grep -i masq-agent || true"), "");
    assertEquals([await show("ActiveState"), await show("LoadState")], ["inactive", "not-found"]);
    assertStringIncludes(await host.sh("cat /etc/ip-masq-agent/ip-masq-agent.yaml"), "10.9.0.0/16");
  });

  await t.step("a purge leaves nothing", async () => {
    await host.sh("dpkg --purge ip-masq-agent");
    assertEquals(
      await host.sh(
        "find /etc /usr /var -name '*ip-masq-agent*' -not -path '/var/lib/dpkg/*' -not -path '/var/log/*'",
      ),
      "",
    );
  });

  await t.step("a service that was masked before is installed without a start", async () => {
    await host.sh("systemctl mask ip-masq-agent; dpkg --install /release/ip-masq-agent_*_amd64.deb");
    assertEquals([await show("ActiveState"), await show("UnitFileState")], ["inactive", "masked"]);
    assertEquals(await host.sh("nft list ruleset | grep -i masq-agent || true"), "");
    await host.sh("systemctl unmask ip-masq-agent; systemctl enable --now ip-masq-agent");
    await host.until(`${CHAIN} | grep MASQUERADE`);
  });
});

Deno.test("docs/install.md: the commands for a host with systemd work as written", async () => {
  const text = await Deno.readTextFile("docs/install.md");
  const section = text.slice(text.indexOf("## A host with systemd"), text.indexOf("## cloud-init"));
  const [install, fromClone, afterwards] = [...section.matchAll(/```sh\n([^]*?)```/g)].map((match) =>
    match[1]!
  );
  assertEquals(fromClone, "make install\n");
  await using host = await Host.boot({ "/release": RELEASE });
  await host.until("systemctl is-active multi-user.target");
  await host.sh(`cd /release\n${install}`);
  await host.until(`${CHAIN} | grep MASQUERADE`);
  await host.sh(afterwards!);
  await host.until("systemctl is-active ip-masq-agent");
});

Deno.test("cloud-init: the example is valid, and a machine that boots with it has the agent", async (t) => {
  await using seed = await temporaryFolder();
  const example = await Deno.readTextFile("deploy/cloud-init/user-data.yaml");
  const archive = /archive=(\S+-linux-amd64\.tar\.gz)/.exec(example)![1]!;
  const sums = await Deno.readTextFile(`${RELEASE}/SHA256SUMS`);
  const sum = sums.split("\n").find((line) => line.endsWith(` ${archive}`))!.split(" ")[0]!;
  // What the example says that its reader has to put in.
  const userData = example.replace(/from=\S+/, "from=file:///release").replace(
    "SHA256_OF_THE_AMD64_ARCHIVE",
    sum,
  );
  await Deno.writeTextFile(`${seed.path}/user-data`, userData);
  await Deno.writeTextFile(`${seed.path}/meta-data`, "instance-id: test\n");

  await using host = await Host.boot({ "/var/lib/cloud/seed/nocloud": seed.path, "/release": RELEASE });
  await t.step("cloud-init schema", async () => {
    const said = await host.sh("cloud-init schema --config-file /var/lib/cloud/seed/nocloud/user-data 2>&1");
    assertMatch(said, /^Valid (?:cloud-config|schema)/m);
  });
  await t.step("cloud-init runs to its end without an error", async () => {
    const status = await host.until("cloud-init status --wait --long", 60_000);
    assertMatch(status, /status: done$/m);
    const calls = await host.sh("grep ' install ' /run/apt-get-calls");
    for (const name of ["curl", "iptables", "nftables"]) assertStringIncludes(calls, ` ${name}`);
  });
  await t.step("the rules stood before the service, which runs now and at every boot", async () => {
    const log = await host.sh("cat /var/log/cloud-init-output.log");
    // The families run side by side: either may be first.
    assertStringIncludes(log, "IPv4: installed 5 rules");
    assertStringIncludes(log, "IPv6: installed 2 rules");
    assertEquals(
      await host.sh("systemctl is-active ip-masq-agent; systemctl is-enabled ip-masq-agent"),
      "active\nenabled\n",
    );
    assertStringIncludes(await host.sh(CHAIN), "-d 192.168.0.0/16");
    assertStringIncludes(
      await host.until("journalctl --unit ip-masq-agent | grep 'are up to date'"),
      "IPv4",
    );
  });
});
