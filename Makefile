# `make demo` and `make test` set up what they need in .venv; Python 3.11 or later is all they ask for.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# `make bench` has an environment of its own, with the peers: see docs/performance.md.
BENCH = .venv-bench
DATA ?= ../shared/data/adbench

.PHONY: demo test lint bench bench-mnist images clean

demo: $(VENV)/installed
	$(BIN)/isthmus demo --output demo

test: $(VENV)/installed-dev lint
	$(BIN)/python -m pytest -n 2
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 XLA_FLAGS= $(BIN)/python -m pytest \
		tests/autoencoder/test_input.py tests/nets/test_convolution.py -k does_not_depend

lint: $(VENV)/installed-dev
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy

bench: $(BENCH)/installed
	$(BENCH)/bin/python benchmarks/bench.py --data $(DATA) --results $(BENCH)/results.json \
		--picture docs/images/speed.png --markdown docs/performance.md

bench-mnist: $(VENV)/installed
	$(BIN)/python benchmarks/mnist.py

images: $(VENV)/installed
	$(BIN)/python docs/make_images.py

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

$(BENCH)/installed: pyproject.toml constraints.txt
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[peers]"
	touch $@

clean:
	rm -rf $(VENV) $(BENCH) demo .pytest_cache .mypy_cache .ruff_cache
