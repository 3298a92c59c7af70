"""Few absurd rows hide no others."""

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from isthmus import OutlierDetector
from isthmus.outliers.absurd import FAR, FEW, tamed

RNG = np.random.default_rng(0)


def planted(n=120, d=4):
    """Return rows near a plane, of which the last six are not."""
    X = RNG.normal(size=(n, 2)) @ RNG.normal(size=(2, d)) + 0.1 * RNG.normal(size=(n, d))
    X[-6:] = 4 * RNG.normal(size=(6, d))
    return X, np.arange(n) >= n - 6


def with_absurd(X, value=1e10):
    X = X.copy()
    X[3] = value
    return X


@pytest.mark.parametrize("contamination", ["auto", "none"])
@pytest.mark.parametrize("mixed", [False, True])
def test_one_absurd_row_hides_no_outliers(contamination, mixed):
    X, odd = planted()
    X = with_absurd(X)
    rows = X
    if mixed:
        rows = pl.DataFrame(X, schema=list("abcd")).with_columns(kind=pl.lit("u"))
        rows = rows.with_columns(kind=pl.Series(RNG.choice(["u", "v"], len(X))))
    detector = OutlierDetector(
        {"max_epochs": 60}, n_estimators=2, contamination=contamination, random_state=0
    )
    scores = detector.fit(rows).score_samples(rows)
    assert scores.argmin() == 3
    others = np.arange(len(X)) != 3
    assert roc_auc_score(odd[others], -scores[others]) > 0.95
    again = OutlierDetector(**detector.get_params()).fit_score_samples(rows)
    np.testing.assert_allclose(again, scores, rtol=1e-6)


def test_rows_without_absurd_cells_are_left_as_they_are():
    for X in (
        RNG.normal(size=(400, 3)),
        RNG.standard_t(2, size=(2000, 3)),
        RNG.lognormal(0, 3, size=(2000, 3)),
        (RNG.random((400, 3)) < 0.01) * 1e3,
        np.ones((20, 2)),
        np.full((20, 2), np.nan),
        RNG.normal(size=(9, 2)) * 1e10 ** np.eye(9, 2),
    ):
        assert tamed(X).rows is X


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_rule_is_as_it_is_stated(dtype, sign):
    n = 400
    X = (sign * np.arange(n)[:, None] * np.ones(2)).astype(dtype)
    few = int(FEW * n)
    limit = n - few + FAR * (n - 2 * few)  # the seventh number is not among the others
    X[7, 1] = sign * (limit + 10)
    assert tamed(X).rows is not X
    found = tamed(X)
    assert np.flatnonzero(found.changed).tolist() == [7]
    assert found.rows[7, 1] == sign * (n - 1)
    assert found.rows.dtype == dtype
    X[7, 1] = sign * (limit - 10)
    assert tamed(X).rows is X


def test_missing_cells_stay_missing():
    X = RNG.normal(size=(60, 2))
    X[2], X[4, 0] = np.nan, 1e8
    found = tamed(X)
    assert np.array_equal(np.isnan(found.rows), np.isnan(X))
    assert np.flatnonzero(found.changed).tolist() == [4]
