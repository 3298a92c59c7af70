"""Scalings against scikit-learn's, and there and back, from 1e-30 to 1e30 and far from zero."""

import numpy as np
import pytest
import scipy.stats
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from isthmus.model.scaling import SCALINGS, fit_scaler

RNG = np.random.default_rng(0)
REFERENCES = {
    "standard": StandardScaler(),
    "minmax": MinMaxScaler(),
    "robust": RobustScaler(unit_variance=True),
}
PLACES = [
    (1e-30, 0),
    (1e-10, 0),
    (1.0, 0),
    (1e10, 0),
    (1e30, 0),
    (1.0, 1e6),
    (1e-6, 1.0),
    (1e3, -1e9),
]
NAMES = [name for name in SCALINGS if name not in ("auto", "anscombe", None)]


def rows(size, offset, dtype):
    return (RNG.normal(size=(200, 4)) * size + offset).astype(dtype)


@pytest.mark.parametrize(("size", "offset"), PLACES)
@pytest.mark.parametrize("name", REFERENCES)
def test_scalings_are_those_of_scikit_learn(name, size, offset):
    X = rows(size, offset, "float64")
    ours = fit_scaler(name, X, np.ones(200)).forward(X, "float64")
    lost = 1e-16 * (1 + abs(offset) / size)  # what the offset leaves of the digits
    tolerance = 2e-3 if name == "robust" else 1e-9  # the quartiles of a normal distribution: 1.349
    theirs = REFERENCES[name].fit_transform(X / size)  # scikit-learn takes 1e-30 for a constant
    np.testing.assert_allclose(ours, theirs, tolerance, 1e3 * lost + 1e-12)


@pytest.mark.parametrize(("size", "offset"), PLACES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_there_and_back(name, size, offset, dtype):
    if dtype == "float32" and abs(offset) > 1e5 * size:
        pytest.skip("float32 holds no rows so near to each other")
    X = rows(size, offset, dtype)
    scaler = fit_scaler(name, X, np.ones(200))
    scaled = scaler.forward(X, dtype)
    assert np.isfinite(scaled).all()
    assert 0.01 < np.abs(scaled).max() < 100
    spread = np.ptp(X.astype(float), axis=0).max()
    allowed = 8 * np.finfo(dtype).eps * (spread * 10 + abs(offset))
    np.testing.assert_allclose(scaler.inverse(scaled), X, rtol=0, atol=allowed)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_weighs_three_is_three_rows(name):
    X, weight = rows(1.0, 5.0, "float64")[:40], RNG.integers(1, 4, 40)
    ours = fit_scaler(name, X, weight.astype(float))
    repeated = np.repeat(X, weight, axis=0)
    theirs = fit_scaler(name, repeated, np.ones(len(repeated)))
    tolerance = 0.2 if name == "robust" else 1e-9  # quantiles lie between rows, or on one
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, 1e-30, 3.0, -1e30])
def test_a_constant_column_is_harmless(name, value):
    X = np.column_stack([RNG.normal(size=50), np.full(50, value)])
    if name == "range":
        X = np.full((50, 2), value)
    scaler = fit_scaler(name, X, np.ones(50))
    scaled = scaler.forward(X, "float32")
    assert np.isfinite(scaled).all()
    assert np.ptp(scaled[:, 1]) == 0
    np.testing.assert_allclose(scaler.inverse(scaled)[:, 1], value, rtol=1e-6)


def counts_of_mean(mean):
    """Return counts and their chances."""
    k = np.arange(int(mean + 12 * np.sqrt(mean) + 40))
    return k.astype(float), scipy.stats.poisson.pmf(k, mean)


@pytest.mark.parametrize("mean", [0.0, 0.2, 1.0, 3.0, 10.0, 100.0, 1e4])
def test_the_mean_of_roots_of_counts_comes_back_as_the_mean_of_the_counts(mean):
    scaler = fit_scaler("anscombe", np.array([[0.0], [2e4]]), np.ones(2))
    k, chance = counts_of_mean(mean)
    scaled = scaler.forward(k[:, None], "float64")[:, 0]
    middle = chance @ scaled
    assert scaler.inverse(np.array([[middle]]))[0, 0] == pytest.approx(mean, abs=0.02)
    if mean >= 10:  # what the roots are for
        deviation = np.sqrt(chance @ (scaled - middle) ** 2) * scaler.scale[0]
        assert deviation == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("kind", ["u1", "u2", "f8"])
def test_whole_counts_come_back_by_rounding(kind):
    X = np.arange(256).reshape(-1, 2).astype(kind)
    scaler = fit_scaler("anscombe", X, np.ones(128), (-1.0, 1.0))
    scaled = scaler.forward(X, "float32")
    assert (scaled.min(), scaled.max()) == pytest.approx((-1, 1), abs=1e-6)
    np.testing.assert_array_equal(np.rint(scaler.inverse(scaled)), X)
    assert np.isfinite(scaler.inverse(np.array([[-1e9, 1e9]]))).all()


def test_a_million_rows_far_from_zero_in_float32():
    """Sums are in float64, block by block: float32's own are off by a hundredth here."""
    X = (RNG.normal(size=(1_000_000, 1)) + 1000).astype("float32")
    centre, scale = fit_scaler("standard", X, np.ones(len(X)))
    np.testing.assert_allclose(centre, X.mean(0, dtype=float), rtol=1e-9)
    np.testing.assert_allclose(scale, X.std(0, dtype=float), rtol=1e-6)
