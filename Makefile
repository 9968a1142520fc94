# The commands that a person types; the tasks themselves stand in deno.json.
.PHONY: run test test-hosts fuzz policies mutants bench bench-flows check build install uninstall deb test-delivery image test-image manifests release fmt setup clean

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

# What is delivered beside the executable: package, man page, completions, alerts, dashboard.
test-delivery: deb
	@tools/packages
	@tools/host_roots checkers
	@$(DENO) task --quiet test:delivery

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

# The man page, the completions and the documents, as they are installed.
dist/papers: $(SOURCES) $(shell find docs deploy -type f) README.md CHANGELOG.md SECURITY.md tools/papers.ts tools/man_page.ts
	@tools/setup
	@rm -rf dist/papers
	@$(DENO) task --quiet papers "$$(git log -1 --format=%cs 2>/dev/null || date --utc +%F)"
	@touch dist/papers

# The executable, its systemd unit and its papers, below DESTDIR; a config only where there is none.
DESTDIR :=
PREFIX := /usr/local
BIN = $(DESTDIR)$(PREFIX)/sbin
UNITS = $(patsubst %,$(DESTDIR)$(PREFIX)/lib/systemd/system/%.service,ip-masq-agent ip-masq-agent-check)
SHARE = $(DESTDIR)$(PREFIX)/share
COMPLETIONS = $(SHARE)/bash-completion/completions/ip-masq-agent $(SHARE)/zsh/site-functions/_ip-masq-agent \
  $(SHARE)/fish/vendor_completions.d/ip-masq-agent.fish
install: dist/ip-masq-agent dist/papers
	install -D -m 755 dist/ip-masq-agent $(BIN)/ip-masq-agent
	install -d $(SHARE)/doc $(dir $(COMPLETIONS))
	rm -rf $(SHARE)/doc/ip-masq-agent
	cp -r dist/papers/doc $(SHARE)/doc/ip-masq-agent
	chmod -R u=rwX,go=rX $(SHARE)/doc/ip-masq-agent
	install -m 644 -t $(SHARE)/doc/ip-masq-agent LICENSE deploy/image/deno-license
	install -D -m 644 -t $(SHARE)/man/man8 dist/papers/ip-masq-agent.8
	install -m 644 dist/papers/completion.bash $(word 1,$(COMPLETIONS))
	install -m 644 dist/papers/completion.zsh $(word 2,$(COMPLETIONS))
	install -m 644 dist/papers/completion.fish $(word 3,$(COMPLETIONS))
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)/etc/ip-masq-agent
	for unit in $(UNITS); do \
	  sed 's|/usr/local/|$(PREFIX)/|' deploy/systemd/$${unit##*/} | install -m 644 /dev/stdin $$unit || exit; \
	done
	[ -n "$$(ls $(DESTDIR)/etc/ip-masq-agent)" ] || \
	  install -m 644 deploy/config/ip-masq-agent.yaml $(DESTDIR)/etc/ip-masq-agent/ip-masq-agent.yaml

# What `make install` brought, but the config. It stops nothing and removes no rules: docs/install.md tells how.
uninstall:
	rm -rf $(BIN)/ip-masq-agent $(UNITS) $(COMPLETIONS) \
	  $(SHARE)/man/man8/ip-masq-agent.8 $(SHARE)/doc/ip-masq-agent

# The package for Debian and its relatives, for this machine's architecture, in dist.
deb: dist/ip-masq-agent dist/papers
	@tools/deb dist

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
