"""Shared fixtures. Compiled programs are kept between runs, so that only the first run is slow.

Programs are compiled with few optimisations, also in processes that tests start, because compiling
takes most of the time; `make test` runs what holds to the bit once more as users do, with all.
"""

import os
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # before JAX is imported
if version("jaxlib").startswith("0.10."):  # XLA ends a process that names a flag it does not know
    # Kernels are made by the older, plainer path, which takes half the time to compile.
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
    )

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine

import isthmus
from isthmus.__main__ import main
from isthmus.training.runtime import release_programs

ENDED = count(1)  # tests of this process
CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
isthmus.enable_compilation_cache(CACHE, max_bytes=-1)


@pytest.fixture(scope="session")
def digits():
    return load_digits().data


@pytest.fixture(scope="session")
def iris():
    return load_iris().data


@pytest.fixture(scope="session")
def wine():
    return load_wine().data


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def few_programs():
    """Thousands of programs in one process would exceed what Linux lets it map.

    Counting what is mapped takes longer than most tests, and no twenty of them map half of that.
    """
    yield
    if next(ENDED) % 20 == 0:
        release_programs()


@pytest.fixture(autouse=True)
def one_cache():
    """A command sets the cache of users, where the tests after it would find nothing."""
    yield
    if jax.config.jax_compilation_cache_dir != str(CACHE):
        isthmus.enable_compilation_cache(CACHE, max_bytes=-1)


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """Run a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.training.runtime.enable_compilation_cache", lambda: None)
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))

    def run(*words):
        status = main([str(w) for w in words])
        return Ended(status, *capsys.readouterr())

    return run
