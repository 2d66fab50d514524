# `make help` lists what can be made. Everything happens in .venv; nothing is installed elsewhere.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
NODE_STAMP := tests/node/node_modules/.installed
# Which tests the short portable form runs: the rooms that ask the platform for something.
PORTABLE := tests/handoff tests/inbound tests/runs tests/workspaces
PYTEST := $(BIN)/python -m pytest
# Tests at a time: they wait more than they compute. A campaign of faults has two or more rounds at a time by itself.
AT_ONCE ?= 3
CAMPAIGNS_AT_ONCE ?= 2
CAMPAIGNS := tests/faults/test_campaigns.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Images of containers set this to keep small; here it would have every process of the tests compile all of them anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo node-tools test test-portable torture torture-long seeded soak simulate check format bench bundle clean-venv

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything into .venv (done by the others when needed)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "orchestrd needs Python 3.11 or newer as python3 (found: $$($(PYTHON) --version 2>&1 || true)); name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv; \
	  echo "setup: a virtual environment in .venv, with $$($(PYTHON) --version)"; \
	  $(PYTHON) -m venv .venv || { echo "python3 has no venv; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }; }
	@echo "setup: the dependencies of requirements.lock (about 100 MB the first time, Claude Code included)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo "setup: done"

demo: $(STAMP) ## the whole way of a plan, with the real Claude Code and a scripted model
	@$(BIN)/orchestrd demo

test: $(STAMP) node-tools ## all tests, the real Claude Code included, and the short portable form
	$(PYTEST) -n $(AT_ONCE) --ignore $(CAMPAIGNS)
	ORCHESTRD_PORTABLE=1 $(PYTEST) -n $(AT_ONCE) -m "not live and not slow" $(wildcard $(PORTABLE))
	$(PYTEST) -n $(CAMPAIGNS_AT_ONCE) $(CAMPAIGNS)

node-tools: $(NODE_STAMP) ## what the tests try beside ours: MCP's inspector, Desktop's bundle tool (needs npm; skipped without)

$(NODE_STAMP): tests/node/package.json tests/node/package-lock.json tests/node/.npmrc
	@if command -v npm >/dev/null; then \
	  echo "node-tools: into tests/node/node_modules (about 55 MB)"; \
	  { npm --prefix tests/node ci --silent && touch $@; } || echo "node-tools: not installed; the tests that need it are skipped" >&2; \
	else echo "node-tools: npm is not there; the tests that need it are skipped"; fi

test-portable: $(STAMP) ## all tests without the mechanisms that only Linux has
	ORCHESTRD_PORTABLE=1 $(PYTEST) -n $(AT_ONCE) --ignore $(CAMPAIGNS)
	ORCHESTRD_PORTABLE=1 $(PYTEST) $(CAMPAIGNS)

torture: $(STAMP) ## faults of every kind, in at most 20 minutes; `make torture ONLY="T4 T7"` for some
	$(BIN)/python -m tests.faults --size middle $(if $(ONLY),--only $(ONLY))

torture-long: $(STAMP) ## the same with all their figures; hours
	$(BIN)/python -m tests.faults --size long $(if $(ONLY),--only $(ONLY))

seeded: $(STAMP) ## the test of the tests: known bugs, put in one by one, have to be found
	$(BIN)/python -m tests.faults.seeded

soak: $(STAMP) ## plans, kills and full disks for MINUTES=30; at the end nothing has grown
	$(BIN)/python -m tests.faults.soak $(if $(MINUTES),--minutes $(MINUTES))

simulate: $(STAMP) ## a million plan lives of the decisions alone, crashed anywhere, and what a decision costs; SEED=… LIVES=…
	$(BIN)/python -m tests.simulate $(if $(SEED),--seed $(SEED)) $(if $(LIVES),--lives $(LIVES))
	$(BIN)/python -m tests.simulate --cost

check: $(STAMP) ## style, types, who may import whom, schemas, pictures
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo 2>&1 | tail -n 15
	$(BIN)/python -m handoff.schema --check
	$(BIN)/python -m orchestrd.library --check

format: $(STAMP) ## put the code into the one form
	$(BIN)/ruff check --quiet --fix-only .
	$(BIN)/ruff format --quiet .

bench: $(STAMP) ## measurements beside what one would use instead; a few minutes
	$(BIN)/python -m bench

bundle: $(STAMP) node-tools ## dist/orchestrd.mcpb, the extension for Claude Desktop, checked and packed by the official tool
	@$(BIN)/python -m bundle

clean-venv: ## remove .venv
	rm -rf .venv
