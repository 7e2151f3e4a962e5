# Two commands do everything: `make demo` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Half of what the tests do is waiting, for schedulers, servers and browsers: three workers keep two cores busy. One
# needs about 2 GB of memory, and what it starts a little more; a small machine gets two.
WORKERS ?= $(shell awk '/^MemAvailable/ { print ($$2 > 12000000) ? 3 : 2; found = 1 } END { if (!found) print 2 }' /proc/meminfo 2>/dev/null || echo 2)

.PHONY: help demo test test-long lint format bench schemas docs clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "iconoclip needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 4; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing iconoclip into $(VENV): about 6 GB, a few minutes"
	$(PIP) install --quiet --progress-bar off -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.installed
	$(PIP) install --quiet --progress-bar off -e '.[test]'
	@touch $@

$(VENV)/.installed-docs: pyproject.toml $(VENV)/.installed
	$(PIP) install --quiet --progress-bar off -e '.[docs]'
	@touch $@

demo: $(VENV)/.installed  ## the whole pipeline on the built-in collection, then the search page (ARGS=--no-serve stops before it)
	@$(BIN)/iconoclip demo $(ARGS)

test: $(VENV)/.installed-test  ## the tests (ARGS=--durations=50 adds what is slow)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

test-long: $(VENV)/.installed-test  ## the tests that take half a minute each: compilers, load, long fuzz
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --long $(ARGS)

lint: $(VENV)/.installed-test  ## ruff, mypy strict, import-linter
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "run make format"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-test  ## format the code with ruff
	@$(BIN)/ruff check --fix-only --quiet . && $(BIN)/ruff format .

bench: $(VENV)/.installed-test  ## every benchmark that needs nothing else; the others tell you what they need
	@failed=; for script in $$(grep -l __main__ benchmarks/*.py); do \
	    echo "== $$script"; $(BIN)/python $$script; code=$$?; \
	    if [ $$code = 2 ]; then echo "-- skipped: the line above says what is missing, the head of the script how to provide it"; \
	    elif [ $$code != 0 ]; then failed="$$failed $$script"; fi; \
	done; [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

schemas: $(VENV)/.installed  ## write the JSON Schemas of the formats into docs/schemas, and the help pages that are shipped
	@$(BIN)/python -m iconoclip.schemas docs/schemas
	@$(BIN)/python -m iconoclip.help_text

docs: $(VENV)/.installed-docs  ## build the documentation site into build/docs, offline; every warning is an error
	@$(BIN)/python -m sphinx -W --keep-going -n -q -b html -c docs . build/docs
	@echo "open build/docs/index.html"

clean:  ## remove what the demo wrote; the environment stays
	rm -rf demo
