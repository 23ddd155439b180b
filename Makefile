# Everything starts from a fresh clone: `make demo`, `make test`. Both create $(VENV) with the versions in constraints.txt.
PYTHON ?= python3
VENV ?= .venv
PEERS ?= .venv-peers
BENCH ?= bench/side_by_side.py

BIN := $(VENV)/bin
# Editable, so that the environment never runs code older than the checkout; without build isolation, so that
# setuptools too is the pinned one.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
CHECKOUT := --no-build-isolation --editable
PYTEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q

.PHONY: demo test test-all docs site mutants lint format bench bench-peers clean

demo: $(VENV)/.installed ## fit the embedded digits and write the report
	$(BIN)/unveil demo

test: lint ## the checks and the whole suite
	$(PYTEST)

test-all: lint ## the suite with the full product of contracts
	UNVEIL_TEST_ALL=1 $(PYTEST)

# Offline. Warnings are errors, and so is a name that leads nowhere.
SPHINX := $(BIN)/python -m sphinx -c docs -W -n --keep-going -q

docs: site ## the site, then every block of it is run
	$(PYTEST) tests/docs

site: $(VENV)/.installed-dev ## the site in two languages: docs/_build/index.html
	$(SPHINX) docs/en docs/_build/en
	$(SPHINX) -D language=zh_CN docs/zh docs/_build/zh
	cp docs/choose.html docs/_build/index.html
	@echo "Open docs/_build/index.html"

mutants: $(VENV)/.installed-dev ## one-line faults, each of which must turn a test red; a few: make mutants MUTANTS="--some 3"
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python tests/mutants/run.py $(MUTANTS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Up to 25 minutes on two cores that do nothing else. With options: make bench BENCH="bench/side_by_side.py --quick".
bench: $(VENV)/.installed-dev ## everything side by side, into docs/*/measurements/; or another: make bench BENCH=bench/x.py
	$(BIN)/python $(BENCH)

bench-peers: ## what `make bench` compares with, in an environment of its own
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
		torch==2.13.0 pythae==0.1.2

clean: ## what make has made; never runs/
	rm -rf $(VENV) $(PEERS) docs/_build build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

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
