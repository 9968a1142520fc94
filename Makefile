# The commands that a person types; the tasks themselves stand in deno.json.
.PHONY: run test test-hosts fuzz policies mutants bench bench-flows check build install image test-image manifests release fmt setup clean

VERSION = $(shell node -p 'require("./deno.json").version')

DENO := tools/deno
SOURCES := main.ts deno.json $(shell find lib -name '*.ts')

# Show the agent at work in throwaway network namespaces.
run: dist/ip-masq-agent
	@tools/packages
	@$(DENO) task --quiet demo

# All tests: pure, kernel, end to end.
test: dist/ip-masq-agent
	@tools/packages deploy
	@$(DENO) task --quiet test

# The executable beside the iptables and nft of four suites of Debian, alone and in pairs.
test-hosts: dist/ip-masq-agent
	@tools/packages
	@tools/host_roots
	@$(DENO) task --quiet test:hosts

# A million random configs, always the same ones: FUZZ="COUNT SEED" for others.
fuzz: setup
	@$(DENO) task --quiet fuzz $(FUZZ)

# 5,000 random policies and what every backend does with real packets: POLICIES="COUNT SEED" for others.
policies: setup
	@tools/packages
	@POLICIES="$(or $(POLICIES),5000 7)" $(DENO) task --quiet policies

# 200 faults in lib, one at a time, and whether the tests see them: MUTANTS="COUNT SEED PATH…" for others.
mutants: setup
	@$(DENO) task --quiet mutants $(MUTANTS)

# What the agent costs: a check, the start, a reload, memory. PEER=/path/to/agent measures another one beside it.
bench: dist/ip-masq-agent
	@tools/packages
	@$(DENO) task --quiet bench

# What a new connection costs with each backend, and what 100,000 CIDRs cost the agent.
bench-flows: dist/ip-masq-agent
	@tools/packages
	@$(DENO) task --quiet bench:flows

# Format, lint and types, changing nothing.
check: setup
	@$(DENO) task --quiet check

# The executable for this machine.
build: dist/ip-masq-agent

dist/ip-masq-agent: $(SOURCES) dist/commit tools/permissions tools/setup tools/deno tools/closed_network/fetch
	@tools/setup
	@mkdir -p dist
	@$(DENO) task --quiet compile

# The executable, its systemd unit and its papers, below DESTDIR; a config only where there is none.
DESTDIR :=
PREFIX := /usr/local
install: dist/ip-masq-agent
	install -D -m 755 dist/ip-masq-agent $(DESTDIR)$(PREFIX)/sbin/ip-masq-agent
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/ip-masq-agent LICENSE README.md CHANGELOG.md deploy/image/deno-license
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)/etc/ip-masq-agent
	sed 's|/usr/local/|$(PREFIX)/|' deploy/systemd/ip-masq-agent.service \
	  >$(DESTDIR)$(PREFIX)/lib/systemd/system/ip-masq-agent.service
	[ -n "$$(ls $(DESTDIR)/etc/ip-masq-agent)" ] || \
	  install -m 644 deploy/config/ip-masq-agent.yaml $(DESTDIR)/etc/ip-masq-agent/ip-masq-agent.yaml

# The container image, as localhost/ip-masq-agent:VERSION, in the store of buildah and podman.
image: setup
	@tools/image localhost/ip-masq-agent:$(VERSION)

# Build the image and a release, and run them for real: in throwaway namespaces, on a host with systemd and cloud-init.
test-image: setup
	@tools/image localhost/ip-masq-agent:test
	@tools/test_host localhost/ip-masq-agent-host:test
	@tools/release
	@$(DENO) task --quiet test:image

# The one-file manifest, and the version in the DaemonSet.
manifests: setup
	@$(DENO) task --quiet manifests

# Binaries, archives, sums, manifest and SBOM, in dist/release.
release: setup
	@tools/release

# Looked at every time, written only where the commit is another one.
dist/commit: FORCE
	@tools/write_commit

FORCE:

fmt: setup
	@$(DENO) fmt

setup:
	@tools/setup

# Forget what was fetched and built.
clean:
	rm -rf .cache dist
