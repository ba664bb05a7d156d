# `make demo` makes the first report, `make test` runs every test. Both make their own environment in .venv.
PYTHON ?= python3
ENVIRONMENT := .venv
RUN := $(ENVIRONMENT)/bin/

.PHONY: demo test test-fast lint clean

demo: $(ENVIRONMENT)/demo
	$(RUN)convscope demo

test: lint
	$(RUN)pytest

test-fast: $(ENVIRONMENT)/test
	$(RUN)pytest -m "not slow and not browser"

lint: $(ENVIRONMENT)/test
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy

# torch first and by its pinned version: an unpinned torch would bring gigabytes of CUDA on Linux.
$(ENVIRONMENT)/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ENVIRONMENT)
	$(RUN)pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(ENVIRONMENT)/test: $(ENVIRONMENT)/demo
	$(RUN)pip install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

clean:
	rm -rf $(ENVIRONMENT) build dist out
