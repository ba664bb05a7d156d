# `make demo` makes the first report, `make test` runs every test. Both make their own environment in .venv.
PYTHON ?= python3
ENVIRONMENT := .venv
RUN := $(ENVIRONMENT)/bin/

# On Linux the usual index has PyTorch for NVIDIA's cards, gigabytes of it. Where there is no such card, PyTorch's own
# index of builds for processors is asked first: a tenth of that. `make demo TORCH_INDEX=` takes the usual one anyway.
NVIDIA := $(wildcard /proc/driver/nvidia/version /dev/nvidia0 /dev/dxg)
TORCH_INDEX ?= $(if $(filter Linux,$(shell uname -s)),$(if $(NVIDIA),,https://download.pytorch.org/whl/cpu))
TORCH := $(shell grep '^torch==' constraints.txt)
REACHES := $(PYTHON) -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=5)'

.PHONY: demo test test-fast test-oracles docs fuzz lint clean

demo: $(ENVIRONMENT)/demo
	$(RUN)convscope demo -o $(CURDIR)/out/report.html
	@echo "Next, in this shell:  source $(CURDIR)/$(RUN)activate"

# A process a core, each with one thread: two threads that wait for each other cost more than they give.
test: lint
	OMP_NUM_THREADS=1 $(RUN)pytest --numprocesses auto --maxprocesses 4 --dist worksteal

test-fast: $(ENVIRONMENT)/test
	$(RUN)pytest -m "not slow and not browser"

# With the libraries that some tests compare with (captum, Keras, TensorFlow, timm, zennit, ...): none of those is skipped.
test-oracles: $(ENVIRONMENT)/oracles
	$(RUN)pytest -rs

# The how-tos and the API reference as a site, out/docs/index.html; a warning is an error.
docs: $(ENVIRONMENT)/docs
	$(RUN)sphinx-build -W --keep-going -q docs out/docs

# Damages files of every kind and opens them; what ends badly is kept in fuzz-found/. SEED=2 damages them otherwise.
SECONDS ?= 60
SEED ?= 1
fuzz: $(ENVIRONMENT)/test
	PYTHONPATH=tests $(RUN)python tests/fuzz.py $(SECONDS) $(SEED)

lint: $(ENVIRONMENT)/test
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
	@if command -v tsc >/dev/null; then tsc -p jsconfig.json; fi

$(ENVIRONMENT)/demo: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(ENVIRONMENT)
ifneq ($(TORCH_INDEX),)
	@if timeout 10 $(REACHES) $(TORCH_INDEX) 2>/dev/null; then \
		echo "PyTorch for processors, from $(TORCH_INDEX)"; \
		$(RUN)pip install --quiet --no-deps --index-url $(TORCH_INDEX) $(TORCH) && exit; \
	fi; echo "Not from $(TORCH_INDEX): PyTorch comes from the usual index, on Linux with CUDA (gigabytes)"
endif
	$(RUN)pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(ENVIRONMENT)/test: $(ENVIRONMENT)/demo
	$(RUN)pip install --quiet --constraint constraints.txt --editable ".[test,film,maps,cluster,docs]"
	touch $@

$(ENVIRONMENT)/oracles: $(ENVIRONMENT)/test
	$(RUN)pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--editable ".[test-oracles]"
	touch $@

$(ENVIRONMENT)/docs: $(ENVIRONMENT)/demo
	$(RUN)pip install --quiet --constraint constraints.txt --editable ".[docs]"
	touch $@

clean:
	rm -rf $(ENVIRONMENT) build dist out
