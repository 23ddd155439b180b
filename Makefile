# Everything starts from a fresh clone: `make demo`, `make test`. Both create $(VENV) with the versions in constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BENCH ?= $(wildcard bench/*.py)

BIN := $(VENV)/bin
# Editable, so that the environment never runs code older than the checkout; without build isolation, so that
# setuptools too is the pinned one.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CHECKOUT := --no-build-isolation --editable
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q

.PHONY: demo test test-all mutants lint format bench clean

demo: $(VENV)/.installed ## fit the embedded digits and write the report
	$(BIN)/unveil demo

test: lint ## the checks and the whole suite
	$(PYTEST)

test-all: lint ## the suite with the full product of contracts
	UNVEIL_TEST_ALL=1 $(PYTEST)

mutants: $(VENV)/.installed-dev ## one-line faults, each of which must turn a test red
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python tests/mutants/run.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## every script of bench/, or the ones named: make bench BENCH=bench/x.py
	@test -n "$(BENCH)" || { echo "bench/ holds no script." >&2; exit 1; }
	set -e; for script in $(BENCH); do echo "== $$script"; $(BIN)/python $$script; done

clean: ## what make has made; never runs/
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "unveil needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# Order-only: the interpreter is older than any checkout, and its date says nothing.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV); the first time this takes a few minutes."
	$(INSTALL) setuptools
	$(INSTALL) $(CHECKOUT) .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@echo "Installing the tools for development into $(VENV)."
	$(INSTALL) $(CHECKOUT) ".[dev]"
	@touch $@
