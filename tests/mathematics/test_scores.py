"""How exact scores in single precision are: beside the same model computed in double precision."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from isthmus import Autoencoder

ULP = np.finfo(np.float32).eps


@pytest.mark.parametrize(
    ("width", "hidden", "loss"),
    [(30, "64,32", "mse"), (30, "64,32", "mae"), (30, "", "cosine"), (400, "64", "huber")],
)
def test_scores_are_within_a_hundred_ulp_of_double_precision(width, hidden, loss, rng):
    X = 50 + rng.normal(size=(300, width)) * np.logspace(-2, 2, width)
    ae = Autoencoder(8, f"dense:hidden=[{hidden}]", loss=loss, max_epochs=2, random_state=0)
    model = ae.set_params(early_stopping=False).fit(X).fitted_.model
    net = jax.tree.map(lambda weight: np.asarray(weight, float), model.net)
    exact = replace(model, net=net, dtype="float64").losses(X)
    assert exact.dtype == np.float64
    far = np.abs(model.losses(X) / exact - 1).max()
    assert 0 < far < 100 * ULP
