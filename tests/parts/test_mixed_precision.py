"""The loss of tables of mixed types, compiled in both precisions in one process."""

import jax
import numpy as np
import pytest

from isthmus.parts import Layout, Mixed
from isthmus.parts.losses import MSE
from isthmus.schema import Value


@pytest.mark.parametrize("order", [(False, True), (True, False)])
def test_both_precisions_in_any_order(order):
    layout = Layout((Value("number", 0), Value("flag", 1), Value("levels", 2, 2)), (1,))
    zeros, ones = (np.full(5, value, np.float32) for value in (0, 1))
    loss = Mixed(MSE(), layout, zeros, ones, ones[:3], ones[:3], zeros)
    x = np.array([[0.5, 1, 1], [2.0, np.nan, 0]], np.float32)
    for method in (loss.seen, lambda rows: loss.columns(loss.shown(loss.seen(rows)), rows)):
        compiled, rows = jax.jit(method), []
        for double in order:
            with jax.enable_x64(double):
                rows.append(np.asarray(compiled(x)))
        np.testing.assert_allclose(*rows, rtol=1e-6)
