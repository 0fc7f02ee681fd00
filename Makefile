# DriveFlow. `make demo` and `make test` set up all they need in .venv; see README.md.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n auto --dist worksteal
# Tests and benches start many processes: without bytecode each would compile the whole program.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-growth soak clean lock

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## install DriveFlow into .venv

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "DriveFlow needs Python 3.11 or later; name one with make PYTHON=...")'
	@echo "Installing DriveFlow into $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@echo "Installing the tools for tests ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.ready ## run everything with a lively demo school on http://localhost:8000
	@exec $(BIN)/driveflow demo --port $(PORT)

test: $(VENV)/.ready-dev ## run all tests, in parallel; then the races, which are timed, alone
	@$(PYTEST) $(PARALLEL) -m "not race"
	@$(PYTEST) -m race

check: $(VENV)/.ready-dev ## lint, types, architecture, migrations, tests with coverage
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python scripts/check_migrations.py
	@$(PYTEST) $(PARALLEL) -m "not (race or crash or fuzz)" --cov --cov-report=
	@$(BIN)/python scripts/check_coverage.py
	@$(PYTEST) $(PARALLEL) -m "crash or fuzz"
	@$(PYTEST) -m race

bench: $(VENV)/.ready-dev ## race against the seed's own stack and bare SQL; writes docs/benchmarks.md
	@$(BIN)/python bench/run.py

bench-growth: $(VENV)/.ready-dev ## are slots and bookings as fast with 10,000 schools and 5 million bookings; 6 GB, 30 minutes
	@$(BIN)/python bench/growth.py

soak: $(VENV)/.ready-dev ## the large sizes of the race, crash and generated tests (hours)
	@DRIVEFLOW_TEST_PROFILE=soak $(PYTEST) $(PARALLEL) -m "crash or fuzz"
	@DRIVEFLOW_TEST_PROFILE=soak $(PYTEST) -m race

lock: $(VENV)/.ready-dev ## renew the hashed requirements
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header --upgrade pyproject.toml --group build -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-strip-extras --no-header --upgrade pyproject.toml --group build --group dev -c requirements.lock -o requirements-dev.lock

clean: ## remove .venv and caches; the demo's data in .data stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* .schemathesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
