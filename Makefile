# What a person does here: set up, train, test. `make` alone prints this list.
# Everything is installed into .venv; PYTHON=python3.12 make setup chooses the interpreter.
.DEFAULT_GOAL := help
.PHONY: help setup train host test test-long lint bench clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
ARGS ?=

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## install Strategos and what it needs into .venv

train: setup ## train a Generals agent for ten minutes and show how strong it became
	@$(BIN)/strategos train --preset quick $(ARGS)

host: $(VENV)/.installed-server ## serve games for people in a browser and for programs
	@$(BIN)/strategos host $(ARGS)

test: $(VENV)/.installed-test lint ## lint, check types and imports, run the tests
	@echo "==> tests"
	@$(BIN)/python -m pytest $(ARGS)

test-long: $(VENV)/.installed-test ## play the rules beside their readable twin, 100,000 ticks each
	@echo "==> 100,000 ticks of every ruleset and team layout, on all cores"
	@STRATEGOS_TWIN_TICKS=100000 $(BIN)/python -m pytest -vv -s --timeout 0 tests/games/test_reference.py $(ARGS)

lint: $(VENV)/.installed-test ## ruff, mypy and the layers of the house
	@echo "==> ruff"
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
	@echo "==> types"
	@$(BIN)/mypy --no-error-summary
	@echo "==> layers"
	@$(BIN)/lint-imports --no-logo > $(VENV)/layers.txt || (cat $(VENV)/layers.txt; exit 1)

bench: setup ## measure the engine, its scaling and the start-up on this machine
	@$(BIN)/strategos bench $(ARGS)

clean: ## remove .venv and every cache; runs/ stays
	@echo "==> removing .venv and caches"
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  (echo "Strategos needs Python 3.11 or later: make $(or $(MAKECMDGOALS),setup) PYTHON=python3.12"; exit 1)
	@echo "==> making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "==> installing Strategos into $(VENV) (a few minutes the first time)"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-server: $(VENV)/.installed
	@echo "==> installing what the server needs"
	@$(INSTALL) --editable '.[server]'
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@echo "==> installing what the tests need"
	@$(INSTALL) --editable '.[test]'
	@touch $@
