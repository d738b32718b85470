# The commands of the README. Each does the set-up that it needs.
STACK ?= lab
PY := .venv/bin/python
CODE := __main__.py settings commands components providers procedures opennebula hosts lab bench tests
.DEFAULT_GOAL := help

.PHONY: help setup python-setup lab-setup demo demo-down preview up refresh destroy cancel pulumi switchover restore bench bench-compare docs test lint unit campaign lab-test clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## /{printf "make %-29s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the Python environment, and find, install or build the Pulumi CLI
	@scripts/setup

python-setup:
	@scripts/setup python

lab-setup:
	@scripts/setup lab

demo: lab-setup ## Boot three blank hosts and make them a zone (REPOSITORY=dir: other packages)
	@$(PY) -m lab.demo $(if $(REPOSITORY),--repository '$(REPOSITORY)')

demo-down: ## Remove every trace of the demo
	@if [ -x $(PY) ]; then $(PY) -m lab down && echo 'demo: no lab is left'; fi

preview up refresh destroy cancel: setup ## Run Pulumi on a stack (STACK=lab unless set; TIMES=1: and say where the time went)
	@TIMES='$(TIMES)' scripts/pulumi '$(STACK)' $@ $(OPTIONS)

pulumi: setup ## Run any other command of Pulumi on a stack (ARGS="stack export")
	@scripts/pulumi '$(STACK)' $(ARGS)

switchover: setup ## Have another front-end lead (STACK=…, TO=n1a2)
	@scripts/pulumi '$(STACK)' switchover '$(TO)'

restore: setup ## Make a zone of a kept dump, where all front-ends are lost (STACK=…, FROM=dump)
	@scripts/pulumi '$(STACK)' restore '$(FROM)'

bench: lab-setup ## Measure what the program takes, and what it may take (ARGS="cold --rounds 3": a part)
	@$(PY) -m bench $(ARGS)

bench-compare: lab-setup ## The same beside another version in turn; fails where this one is slower (BASE=rev)
	@$(PY) -m bench.compare '$(BASE)' $(ARGS)

docs: python-setup ## Write the table of the config's keys from their definitions
	@$(PY) -m settings.table

test: lab-setup lint unit lab-test ## Run every check

lint: python-setup ## Check format, style, types and the direction of imports
	@$(PY) -m ruff format --quiet --diff $(CODE)
	@$(PY) -m ruff check --quiet $(CODE)
	@$(PY) -m mypy --no-error-summary
	@said=$$(.venv/bin/lint-imports --no-logo) || { echo "$$said"; exit 1; }
	@echo "format, style, types and imports are in order"

unit: lab-setup ## Run the tests of the program's parts, on the engine, and of the stand-ins
	@$(PY) -m pytest -q -n 2 tests/unit tests/simulation tests/engine tests/standin

campaign: lab-setup ## Run the program on simulated sites, RUNS of each property and every crash (ARGS="-k walk": a part)
	@SIMULATION_RUNS='$(or $(RUNS),10000)' $(PY) -m pytest -q -n 2 tests/simulation $(ARGS)

lab-test: lab-setup ## Run the tests on lab hosts
	@$(PY) -m pytest -q -n 2 --dist loadfile tests/lab

clean: demo-down ## Remove the demo and everything that the set-up prepared
	@if [ -x $(PY) ]; then $(PY) -m lab clean; fi
	@rm -rf .venv .lab .pulumi .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
