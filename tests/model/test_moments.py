"""What blocks say of columns, merged, is what all rows say, and settles the same scaling."""

from functools import reduce

import numpy as np
import pytest

from isthmus.model.moments import Moments, moments_of, nothing_known
from isthmus.model.scaling import fit_scaler, scaler_of_moments

N = 3000


@pytest.fixture
def rows(rng):
    """Ordinary numbers, ones far from 0, a flag, a constant, a rare flag, three values."""
    X = rng.normal(size=(N, 6))
    X[:, 1] += 1e9
    X[:, 2], X[:, 3], X[:, 4], X[:, 5] = X[:, 2] > 0, 5, 0, rng.integers(0, 3, N)
    X[7, 4] = 3
    return X, rng.uniform(0, 2, N)


def merged(X, weight, size=700):
    parts = [moments_of(X[i : i + size], weight[i : i + size]) for i in range(0, N, size)]
    return reduce(Moments.merged, parts, nothing_known(X.shape[1]))


@pytest.mark.parametrize("scaling", ["standard", "minmax", "range", "anscombe", None])
def test_moments_settle_the_scaling_of_all_rows(rows, scaling):
    X, weight = rows
    if scaling == "anscombe":
        X = np.abs(X)
    known, whole = scaler_of_moments(scaling, merged(X, weight)), fit_scaler(scaling, X, weight)
    np.testing.assert_allclose(known.centre, whole.centre, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(known.scale, whole.scale, rtol=1e-8)
    assert merged(X, weight).flag.tolist() == [False, False, True, True, True, False]


def test_missing_cells_count_nothing(rows):
    X, weight = rows
    X[::3, 1] = X[:700, 2] = X[700:, 3] = np.nan
    known = merged(X, weight)
    assert known.gaps.tolist() == [False, True, True, True, False, False]
    for j in range(X.shape[1]):
        there = ~np.isnan(X[:, j])
        whole = fit_scaler("standard", X[there][:, [j]], weight[there])
        found = scaler_of_moments("standard", known.of(np.array([j])))
        np.testing.assert_allclose(found.centre, whole.centre, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.scale, whole.scale, rtol=1e-8)


def test_the_order_of_memory_and_the_type_do_not_matter(rows):
    X, weight = rows[0].astype(np.float32), rows[1]
    known = moments_of(X, weight)
    for other in (np.asfortranarray(X), X.astype(float)):
        np.testing.assert_equal(tuple(moments_of(other, weight)), tuple(known))
