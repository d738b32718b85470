# The commands of the README. Each does the set-up that it needs.
STACK ?= lab
HOSTS ?= 3
PY := .venv/bin/python
CODE := __main__.py settings.py components providers procedures opennebula hosts lab tests
.DEFAULT_GOAL := help

.PHONY: help setup demo demo-down preview up refresh destroy test lint unit lab-test clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, the Python environment, Pulumi
	@scripts/setup

demo: setup ## Boot three blank hosts and make them a highly available zone (REPOSITORY=dir for other packages)
	@$(PY) -m lab.demo $(if $(REPOSITORY),--repository $(REPOSITORY))

demo-down: ## Remove every trace of the demo
	@if [ -x $(PY) ]; then $(PY) -m lab down; fi

preview up refresh destroy: setup ## Run Pulumi on a stack (STACK=lab unless set)
	@scripts/engine $@ $(STACK) $(OPTIONS)

test: setup lint unit lab-test ## Run every check

lint: setup
	@$(PY) -m ruff format --check $(CODE)
	@$(PY) -m ruff check $(CODE)
	@$(PY) -m mypy
	@.venv/bin/lint-imports

unit: setup
	@$(PY) -m pytest -q -n 2 tests/unit tests/engine tests/standin

lab-test: setup
	@$(PY) -m pytest -q -n 2 --dist loadgroup tests/lab

clean: demo-down ## Remove the demo and everything that the set-up prepared
	@if [ -x $(PY) ]; then $(PY) -m lab clean; fi
	@rm -rf .venv .lab .pulumi .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
