"""Shared fixtures. Compiled programs are kept between runs, so that only the first run is slow."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris, load_wine

import isthmus

isthmus.enable_compilation_cache(Path(__file__).parents[1] / ".pytest_cache" / "jax")


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
