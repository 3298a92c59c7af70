"""What a model was trained on, in pixels, and what is far from that."""

from math import inf

import numpy as np
import pytest

from isthmus import Autoencoder
from isthmus.images import Noise, is_other, taught

PATCHES = np.linspace(0, 255, 20 * 64).astype(np.uint8).reshape(20, 8, 8)


@pytest.mark.parametrize(
    ("corruption", "scaling", "known"),
    [
        ("gaussian:std=[0.02,0.2]", "range", {"deviation": (5.1, 51)}),
        (["gaussian:std=0.04", "uniform:width=0.05"], "range", {"deviation": 2 * (12.565,)}),
        ("poisson:peak=[50,200]", "range", {"deviation": ((64 * 255 / 200) ** 0.5, 18.067)}),
        ("gaussian:std=0.0325", "anscombe", {"deviation": 2 * (8.0,)}),
        (["stripes:std=0.1", "jpeg"], "range", {"stripes": 2 * (25.5,), "jpeg": (0, inf)}),
        ("saltpepper:rate=[0,0.1]", "range", {"saltpepper": (0, 0.1)}),
        ("blindspot", "range", None),
        ("masking", "range", None),
        (None, "range", None),
        ("gaussian", "standard", None),
        ("poisson", None, None),
    ],
)
def test_what_a_model_was_trained_on(corruption, scaling, known):
    ae = Autoencoder(2, corruption=corruption, scaling=scaling, max_epochs=1, random_state=0)
    found = taught(ae.fit(PATCHES).fitted_.model, 64.0, 1.0)
    assert (found is None) == (known is None)
    if known is not None:
        assert found.keys() == known.keys()
        for kind, ends in known.items():
            assert found[kind] == pytest.approx(ends, rel=0.02)


@pytest.mark.parametrize(
    ("found", "known", "other"),
    [
        (Noise(20, 0, 400, 0, "gaussian"), {"deviation": (5, 51)}, False),
        (Noise(4, 0, 16, 0, "gaussian"), {"deviation": (5, 51)}, False),
        (Noise(3, 0, 9, 0, "gaussian"), {"deviation": (5, 51)}, True),
        (Noise(80, 0, 6400, 0, "gaussian"), {"deviation": (5, 51)}, True),
        (Noise(2, 4, 0, 0, "poisson"), {"deviation": (15, 15)}, False),
        (Noise(20, 0, 400, 0, "gaussian"), {"saltpepper": (0, 0.1)}, True),
        (Noise(0, 0, 0, 0.2, "saltpepper"), {"saltpepper": (0, 0.1)}, True),
        (Noise(0, 0, 0, 0.14, "saltpepper"), {"saltpepper": (0, 0.1)}, False),
        (Noise(1, 0, 1, 0, None), {"deviation": (25, 25)}, True),
        (Noise(1, 0, 1, 0, None), {"deviation": (25, 25), "saltpepper": (0, 0.1)}, False),
    ],
)
def test_what_is_another_noise(found, known, other):
    assert is_other(found, 64.0, known) is other
