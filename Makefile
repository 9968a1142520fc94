# The commands that a person types; the tasks themselves stand in deno.json.
.PHONY: run test fuzz bench-flows check build fmt setup clean

DENO := tools/deno
SOURCES := main.ts deno.json $(shell find lib -name '*.ts')

# Show the agent at work in throwaway network namespaces.
run: dist/ip-masq-agent
	@tools/packages
	@$(DENO) task --quiet demo

# All tests: pure, kernel, end to end.
test: dist/ip-masq-agent
	@tools/packages
	@$(DENO) task --quiet test

# A million random configs, always the same ones: FUZZ="COUNT SEED" for others.
fuzz: setup
	@$(DENO) task --quiet fuzz $(FUZZ)

# What a new connection costs with each backend, and what 100,000 CIDRs cost the agent.
bench-flows: dist/ip-masq-agent
	@tools/packages
	@$(DENO) task --quiet bench:flows

# Format, lint and types, changing nothing.
check: setup
	@$(DENO) task --quiet check

# The executable for this machine.
build: dist/ip-masq-agent

dist/ip-masq-agent: $(SOURCES) tools/permissions tools/setup tools/deno tools/closed_network/fetch
	@tools/setup
	@mkdir -p dist
	@$(DENO) task --quiet compile

fmt: setup
	@$(DENO) fmt

setup:
	@tools/setup

# Forget what was fetched and built.
clean:
	rm -rf .cache dist
