# Python 3.11 or later is all that is needed: each target makes the environment that it uses.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

# `make bench` has an environment of its own, with the peers: see docs/performance.md.
BENCH = .venv-bench
DATA ?= ../shared/data/adbench

# `make bench-tables` has another, with the peers that take tables; H2O needs Java.
TABLES = .venv-tables
TABLES_DATA ?= ../shared/data

# `make test-newest` has one too. Its quick tests, a third of all, are those of the rooms that lean on what
# others release: JAX (nets, parts), scikit-learn (its estimator checks), polars, NumPy and Pillow (io),
# safetensors and ONNX (model), and all of them together (outliers).
# A newer Python gets newer versions: make clean, then `make test-newest PYTHON=python3.13`.
NEWEST = .venv-newest
QUICK ?= tests/io tests/nets tests/parts tests/model tests/autoencoder/test_sklearn.py tests/outliers

# `make test-scale` has one with Ray, Dask, Spark, which needs Java, and MLflow.
SCALE = .venv-scale

.DEFAULT_GOAL = help
# `make fuzz` and `make faults` go on where they were ended; their counts lie in .fuzz and .faults. Coverage
# leads the inputs of `make fuzz-guided`, by atheris, which is installed for it alone.
FUZZ = .venv-fuzz
READERS ?=
READER ?= npy

.PHONY: help demo test suite bits test-newest test-scale fuzz fuzz-guided properties faults lint format bench bench-mnist bench-tables images clean

help: ## print what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## train autoencoders on handwritten digits, write demo/report.html
	$(BIN)/isthmus demo --output demo

test: $(VENV)/installed-dev ## lint, check types and run all tests, side by side
	$(MAKE) --no-print-directory --jobs 2 lint suite bits

suite: $(VENV)/installed-dev ## run all tests
	$(BIN)/python -m pytest -n 2

bits: $(VENV)/installed-dev ## run what holds to the bit once more, compiled as for users
	JAX_DISABLE_MOST_OPTIMIZATIONS=0 XLA_FLAGS= $(BIN)/python -m pytest \
		tests/autoencoder/test_input.py tests/nets/test_convolution.py -k does_not_depend

test-newest: ## run the quick tests with the newest versions that pyproject.toml allows
	$(NEWEST)/bin/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(NEWEST)
	$(NEWEST)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable ".[dev]"
	$(NEWEST)/bin/python -m pip freeze --exclude-editable
	$(NEWEST)/bin/python -m pytest -n 2 $(QUICK)

test-scale: $(SCALE)/installed ## run the tests with Ray, Dask, Spark and MLflow
	$(SCALE)/bin/python -m pytest tests/scale tests/test_mlflow.py

fuzz: $(VENV)/installed-dev ## read N changed files of each kind, or of READERS (N=100000)
	PYTHONPATH=tests $(BIN)/python -m fuzz -n $(or $(N),100000) $(READERS)

fuzz-guided: $(FUZZ)/installed ## read N changed files of one READER, led by coverage (N=100000)
	PYTHONPATH=tests $(FUZZ)/bin/python -m fuzz.guided -n $(or $(N),100000) $(READER)

properties: $(VENV)/installed-dev ## draw N combinations of all slots and hold each to all relations (N=2000)
	PYTHONPATH=tests $(BIN)/python -m properties -n $(or $(N),2000)

faults: $(VENV)/installed-dev ## end, starve and disturb each command, N times by each of ten faults (N=20)
	PYTHONPATH=tests $(BIN)/python -m faults -n $(or $(N),20)

lint: $(VENV)/installed-dev ## lint, check the format and the types
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/mypy

format: $(VENV)/installed-dev ## format the code, and mend what the linter can
	$(BIN)/ruff check --fix src tests benchmarks docs
	$(BIN)/ruff format src tests benchmarks docs

bench: $(BENCH)/installed ## measure speed beside PyTorch, scikit-learn and PyOD
	$(BENCH)/bin/python benchmarks/bench.py --data $(DATA) --results $(BENCH)/results.json \
		--picture docs/images/speed.png --markdown docs/performance.md

bench-mnist: $(VENV)/installed ## measure errors on MNIST
	$(BIN)/python benchmarks/mnist.py

bench-tables: $(TABLES)/installed ## measure wrong cells, attacks, imputation and mixed columns beside peers
	$(TABLES)/bin/python benchmarks/cells.py --data $(TABLES_DATA)/tables --results $(TABLES)/cells.jsonl
	$(TABLES)/bin/python benchmarks/attacks.py --data $(TABLES_DATA)/tables
	$(TABLES)/bin/python benchmarks/impute.py --data $(TABLES_DATA)/adbench --results $(TABLES)/impute.jsonl
	$(TABLES)/bin/python benchmarks/mixed.py --data $(TABLES_DATA)/tables

images: $(VENV)/installed ## draw the pictures of the README and the guides
	$(BIN)/python docs/make_images.py

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $(VENV)/installed $@

$(BENCH)/installed: pyproject.toml constraints.txt
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[peers]"
	touch $@

$(TABLES)/installed: pyproject.toml constraints.txt
	test -x $(TABLES)/bin/python || $(PYTHON) -m venv $(TABLES)
	$(TABLES)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[table-peers]"
	touch $@

$(SCALE)/installed: pyproject.toml constraints.txt
	test -x $(SCALE)/bin/python || $(PYTHON) -m venv $(SCALE)
	$(SCALE)/bin/python -m pip install --quiet --editable ".[ray,dask,spark,mlflow,onnx]" "pytest>=9,<10"
	touch $@

$(FUZZ)/installed: pyproject.toml constraints.txt
	test -x $(FUZZ)/bin/python || $(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/python -m pip install --quiet --constraint constraints.txt --editable . "atheris>=3"
	touch $@

clean: ## remove environments, caches and the demonstration
	rm -rf $(VENV) $(BENCH) $(TABLES) $(NEWEST) $(FUZZ) $(SCALE) .fuzz .faults demo .pytest_cache .mypy_cache .ruff_cache
