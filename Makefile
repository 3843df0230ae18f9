# `make demo` and `make test` do everything on a fresh clone with Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: help demo test format clean

help:
	@echo "make demo   render a data set, train on it and show the result in demo/"
	@echo "make test   linter, type checker and tests"
	@echo "make format put the code into its format"

demo: $(VENV)/.train
	$(BIN)/signwise demo --out demo

test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo

# The stamp of an extra is older than pyproject.toml when it has to be installed again.
$(VENV)/.%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[$*]'
	touch $@
