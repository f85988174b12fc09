# `make dev` runs Cognate on this machine, `make test` proves it. Neither needs an account.

# The system's Python, 3.11 or newer; it makes .venv, and everything else runs from there.
PYTHON ?= python3
PORT ?= 8787
STEPS ?= 20000
# Of the tests; `auto` is two more than there are cores.
PROCESSES ?= auto

bin := .venv/bin
# The Worker's code is importable on the host, as it is in the Worker.
export PYTHONPATH := src
# Every test process and every start of the Worker imports modules that should be compiled once.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.PHONY: bench cost deploy help dev login migration readme test setup format-check format lint types suites unit contract worker coverage soak hooks lock clean distclean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

dev: setup ## Run the Worker, its database, queue, models and vector indexes here (PORT=8787)
	@$(bin)/python -m local.commands.develop --port $(PORT)

test: setup format-check lint ## Check everything, as CI does
	@$(MAKE) --no-print-directory --jobs=2 types suites
	@echo "Formatting, lint, types, unit, contract and Worker tests have passed."

setup: ## Install what is missing, all of it below this folder
	@command -v $(PYTHON) >/dev/null || { echo "Cognate needs Python 3.11 or newer, and there is no $(PYTHON): install it, or name another, as in 'make dev PYTHON=python3.12'." >&2; exit 1; }
	@$(PYTHON) -m local.setup.bootstrap

format: setup ## Format the code
	$(bin)/ruff format
	$(bin)/ruff check --fix --select I

format-check: setup
	$(bin)/ruff format --check

lint: setup ## Lint the code
	$(bin)/ruff check

types: setup ## Check the types
	$(bin)/mypy

suites: setup ## Run the unit, contract and Worker tests beside one another
	$(pytest) tests

unit: setup ## Run the tests that need no Worker
	$(pytest) tests/unit

contract: setup
	$(pytest) tests/contract

worker: setup ## Run the tests against the Worker in its real runtime
	$(pytest) tests/worker

# Which test runs where and when: tests/scheduling.py.
pytest = $(bin)/pytest --numprocesses $(PROCESSES)

coverage: setup ## Measure which lines and branches of src/ the unit tests run
	$(pytest) --cov tests/unit

soak: setup ## Tell a longer random story, in process and in the real runtime (SEED=7 STEPS=20000)
	SEED=$(SEED) STEPS=$(STEPS) $(bin)/pytest tests/worker/test_randomized_story.py

hooks: setup ## Check each commit before it is made: formatting, lint and types
	$(bin)/pre-commit install

lock: setup ## Write the lock files again, after a change of pyproject.toml or package.json
	$(lock) --all-groups --output-file requirements/host.txt
	$(lock) --only-group bootstrap --output-file requirements/bootstrap.txt
	$(lock) --no-default-groups --output-file requirements/worker.txt
	$(bin)/npm install --package-lock-only --ignore-scripts --no-audit --no-fund

lock = UV_SYSTEM_CERTS=1 $(bin)/uv export --python $(bin)/python --quiet --no-header --format requirements-txt

login: setup ## Log in at Cloudflare
	@PATH="$(CURDIR)/$(bin):$$PATH" npx wrangler login

deploy: setup ## Deploy to Cloudflare; shows what it does, and asks (LOCATION=weur or JURISDICTION=eu, YES=1)
	@$(bin)/python -m local.commands.deploy $(LOCATION:%=--location=%) $(JURISDICTION:%=--jurisdiction=%) $(if $(filter 1,$(YES)),--yes)

migration: setup ## Print the SQL of a table of src/schema.py, for a migration (TABLE=claims)
	@$(bin)/python -m local.commands.table_migration $(TABLE)

cost: setup ## Write docs/cost.md again, from what was measured
	@$(bin)/python -m local.commands.generated_cost

readme: setup ## Write the generated parts of README.md again
	@$(bin)/python -m local.commands.generated_readme

bench: setup ## Measure the CPU that requests and batches cost in the runtime
	@$(bin)/python -m benchmarks.worker_cpu

clean: ## Remove the data of `make dev`
	@$(PYTHON) -m local.commands.clean

distclean: ## Remove everything that was installed or made here
	rm -rf .local .venv .venv-workers .wrangler node_modules python_modules
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache
