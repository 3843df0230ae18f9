# `make demo` and `make test` do everything on a fresh clone with Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# A CPU without AVX-512, whatever this one has: nothing may hang on the last bit of a kernel.
OTHER_CPU = ATEN_CPU_CAPABILITY=avx2 DNNL_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell

.PHONY: help demo test test-cpu lint format clean

help:
	@echo "make demo      render a data set, train on it and show the result in demo/"
	@echo "make test      linters, type checker, and the tests with their coverage"
	@echo "make test-cpu  the tests as on another CPU"
	@echo "make format    put the code into its format"

demo: $(VENV)/.train
	$(BIN)/signwise demo --out demo

test: lint
	$(BIN)/pytest --cov --cov-report=term:skip-covered --cov-fail-under=95

test-cpu: $(VENV)/.dev
	$(OTHER_CPU) $(BIN)/pytest $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

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
