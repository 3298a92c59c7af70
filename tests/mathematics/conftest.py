"""References are a module of their own, which needs no isthmus."""

import sys
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
collect_ignore = ["references.py"]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Compute in each precision in turn."""
    with jax.enable_x64(request.param == "float64"):
        yield request.param
