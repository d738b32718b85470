# The commands of the README. Each one runs the set-up that it needs.
STACK ?= lab
PY := .venv/bin/python
# Test labs that run at once: on two cores, the hosts of two leave half of the time unused.
LABS ?= 3
CODE := __main__.py opennebula_ha settings commands components providers procedures opennebula hosts lab bench scripts tests policy examples package
.DEFAULT_GOAL := help
# Each run of the CLI starts Python four times: what it compiled is kept.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup python-setup lab-setup test-setup demo demo-down convert preview up refresh destroy cancel pulumi policy status doctor logs picture backup backups backup-test switchover restore bench bench-compare docs test lint unit campaign lab-test clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z -]+:.*## /{printf "make %-29s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Create the Python environment, and find, install or build the Pulumi CLI
	@scripts/setup

python-setup:
	@scripts/setup python

lab-setup:
	@scripts/setup lab

test-setup:
	@scripts/setup test

demo: lab-setup ## Boot three blank hosts and build a zone on them (REPOSITORY=dir: other packages)
	@$(PY) -m lab.demo $(if $(REPOSITORY),--repository '$(REPOSITORY)')

demo-down: ## Remove every trace of the demo
	@if [ -x $(PY) ]; then $(PY) -m lab down && echo 'demo: no lab is left'; fi

convert: ## Write a stack's file from a one-deploy inventory (INVENTORY=file STACK=name; LOOK=1: compare with the zone)
	@scripts/setup convert
	@$(PY) -m commands.convert --stack '$(STACK)' $(if $(LOOK),--look) $(if $(FORCE),--force) $(if $(VAULT),--vault-password-file='$(VAULT)') $(if $(GROUP),--group='$(GROUP)') -- '$(INVENTORY)'

preview up refresh destroy cancel: setup ## Run Pulumi on a stack (STACK=lab unless set; OPTIONS="--diff"; TIMES=1: show the time of each step, TIMES=FILE: keep it for a picture)
	@TIMES='$(TIMES)' scripts/pulumi '$(STACK)' $@ $(OPTIONS)

pulumi: setup ## Run any other Pulumi command on a stack (ARGS="stack export")
	@scripts/pulumi '$(STACK)' $(ARGS)

status: setup ## Show the state of a stack's zone (STACK=…, OPTIONS='--json', '--watch', '--prometheus FILE')
	@scripts/pulumi '$(STACK)' status $(OPTIONS)

doctor: setup ## Explain each abnormal state of a stack's zone, and how to cure it (STACK=…)
	@scripts/pulumi '$(STACK)' doctor $(OPTIONS)

logs: setup ## Show elections and errors in the logs of all front-ends, by time (STACK=…, OPTIONS='--since 1h --all')
	@scripts/pulumi '$(STACK)' logs $(OPTIONS)

picture: setup ## Draw a stack's zone, and what happened in it, as one HTML file (STACK=…, OPTIONS='--since 1h --out FILE')
	@scripts/pulumi '$(STACK)' picture $(OPTIONS)

policy: ## Create the environment of the policy pack, for OPTIONS="--policy-pack policy"
	@[ -x policy/.venv/bin/python ] || python3 -m venv policy/.venv
	@policy/.venv/bin/python -m pip install --quiet --requirement policy/requirements.txt

backup: setup ## Dump the database now, with its keys; TO=folder: copy both to your machine (STACK=…)
	@scripts/pulumi '$(STACK)' backup $(if $(TO),--to '$(TO)') $(OPTIONS)

backups: setup ## List the dumps and kept settings of all front-ends (STACK=…)
	@scripts/pulumi '$(STACK)' backup --list $(OPTIONS)

backup-test: lab-setup ## Restore a dump on a throw-away host of the lab, and compare (STACK=…, FROM=dump, REPOSITORY=dir: packages)
	@$(PY) -m lab.backup_test --stack '$(STACK)' $(if $(REPOSITORY),--repository '$(REPOSITORY)') -- '$(FROM)'

switchover: setup ## Make another front-end the leader (STACK=…, TO=n1a2)
	@scripts/pulumi '$(STACK)' switchover '$(TO)'

restore: setup ## Restore a zone on blank hosts from a dump (STACK=…, FROM=dump)
	@scripts/pulumi '$(STACK)' restore '$(FROM)'

bench: lab-setup ## Measure the program and compare with its limits (ARGS="cold --rounds 3": one part)
	@$(PY) -m bench $(ARGS)

bench-compare: lab-setup ## Compare with another version; fail if this one is slower (BASE=rev)
	@$(PY) -m bench.compare '$(BASE)' $(ARGS)

docs: python-setup ## Write the generated parts of the documentation, and build its web site in .site/html
	@$(PY) -m settings.table
	@$(PY) -m commands.status.pages
	@$(PY) -m scripts.structure
	@$(PY) -m tests.reliability
	@$(PY) -m scripts.troubleshooting
	@$(PY) -m scripts.site

test: test-setup lint unit lab-test ## Run every check

lint: python-setup ## Check format, style, types, the direction of imports, and the shell scripts
	@$(PY) -m ruff format --quiet --diff $(CODE)
	@$(PY) -m ruff check --quiet $(CODE)
	@$(PY) -m mypy --no-error-summary
	@said=$$(.venv/bin/lint-imports --no-logo) || { echo "$$said"; exit 1; }
	@$(PY) -m tests.shell_lint
	@echo "format, style, types, imports and shell scripts are in order"

unit: test-setup ## Run the tests without hosts, on the Pulumi CLI, and of the stand-ins
	@$(PY) -m pytest -q -n 4 tests/unit tests/convert tests/simulation tests/engine tests/standin

FUZZ := tests/unit/test_answers.py tests/unit/test_damaged_files.py tests/unit/test_config_values.py tests/convert/test_inventories.py
campaign: lab-setup ## Run the long form of the tests: RUNS, LAB_RUNS, LAB_SEQUENCES and CELLS are explained in docs/reliability.md
	@SIMULATION_RUNS='$(or $(RUNS),10000)' $(PY) -m pytest -q -n 2 tests/simulation $(FUZZ) $(ARGS)
	@$(PY) -m tests.mutants
	@LAB_RUNS='$(or $(LAB_RUNS),50)' $(PY) -m pytest -q -n 1 tests/lab/test_blank.py -k random_mixture
	@LAB_SEQUENCES='$(or $(LAB_SEQUENCES),20)' $(PY) -m pytest -q -n 0 -x -s tests/lab/test_rollout.py -k random_sequence
	@$(PY) -m pytest -q -n $(LABS) --dist loadfile --no-loadscope-reorder tests/lab
	@$(PY) -m tests.lab.crash_matrix --labs $(LABS) $(if $(CELLS),--cells '$(CELLS)')

lab-test: lab-setup ## Run the tests on lab hosts (LABS=2: fewer labs at once)
	@$(PY) -m pytest -q -n $(LABS) --dist loadfile --no-loadscope-reorder -m 'not campaign' tests/lab

clean: demo-down ## Remove the demo and everything that the set-up created
	@if [ -x $(PY) ]; then $(PY) -m lab clean; fi
	@rm -rf .venv .venv-convert policy/.venv .lab .pulumi .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .site
