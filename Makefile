# make demo    the gateway with a synthetic population and a carrier in a box, on loopback
# make test    lint, types, tests, then the wheel away from the checkout
# make chaos   servers killed and hung for minutes, more than a test may take
# Options: PYTHON=python3.12 chooses the interpreter; ARGS="--once" goes to the demo or to pytest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
PYTHON ?=
ARGS ?=
SEED ?=
# A variable of the caller's shell must not lead Python to other packages than ours.
unexport PYTHONHOME PYTHONPATH
export PYTHON

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

.PHONY: demo
demo: ## the gateway to try, ready to dial; ARGS=--once plays every route and ends
	@.ci/install runtime
	@exec $(BIN)/dargah demo $(ARGS)

.PHONY: test
test: ## ruff, mypy, pytest, wheel
	@.ci/install dev
	@$(MAKE) lint
	@echo "dargah: pytest"
	@$(BIN)/python -m pytest $(ARGS)
	@echo "dargah: the wheel, away from the checkout"
	@tests/smoke_wheel.sh

.PHONY: chaos
chaos: ## minutes of faults on real processes, drawn at random; SEED=N plays one run again
	@.ci/install dev
	@DARGAH_CHAOS_SEED=$(SEED) $(BIN)/python -m pytest -m chaos -s $(ARGS)

.PHONY: lint
lint: ## ruff and mypy --strict
	@.ci/install dev
	@echo "dargah: ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "dargah: mypy --strict"
	@$(BIN)/mypy

# The runtime's versions bind the development lock, so that tests run on what is shipped.
UV := $(shell command -v uv || echo $(BIN)/uv)
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --no-header $(UPGRADE)

.PHONY: sessions
sessions: ## record the tests' sessions anew, where words changed on purpose; ARGS=--draw draws others
	@.ci/install dev
	@$(BIN)/python -m tests.recorded_sessions $(ARGS)

.PHONY: lock
lock: ## write both lock files anew; UPGRADE=--upgrade takes the newest versions
	@[ -x "$(UV)" ] || { echo "dargah: uv is needed: pip install uv" >&2; exit 1; }
	@printf 'editables\nhatchling\n' \
		| $(LOCK) pyproject.toml - --extra voice --output-file requirements.lock
	@$(LOCK) pyproject.toml --extra dev --constraint requirements.lock \
		--output-file requirements-dev.lock
	@grep -c == requirements.lock requirements-dev.lock

.PHONY: clean
clean: ## remove what make made, but not the data folder
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
