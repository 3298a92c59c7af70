"""Weights of rows."""

import numpy as np
import polars as pl
import pytest

from isthmus import OutlierDetector
from isthmus.outliers.divisions import repeats

QUICK = {"max_epochs": 3}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))
TABLE = pl.DataFrame(X, schema=list("abc")).with_columns(k=pl.Series(["u", "v", "w"] * 30))
WEIGHT = RNG.integers(0, 4, len(X))


def quick(**parameters):
    return OutlierDetector(QUICK, n_estimators=2, random_state=0, **parameters)


@pytest.mark.parametrize(
    "rows", [X, X.tolist(), TABLE, TABLE.to_pandas()], ids=lambda x: type(x).__name__
)
@pytest.mark.parametrize("contamination", ["auto", 0.1])
def test_rows_count_as_if_they_stood_there_so_many_times(rows, contamination):
    weighted = quick(contamination=contamination).fit(rows, sample_weight=WEIGHT)
    array = isinstance(rows, list | np.ndarray)
    several = np.repeat(X, WEIGHT, axis=0) if array else TABLE[np.repeat(np.arange(90), WEIGHT)]
    same = quick(contamination=contamination).fit(several)
    np.testing.assert_array_equal(
        weighted.score_samples(rows), same.score_samples(X if array else TABLE)
    )
    assert weighted.offset_ == same.offset_
    found = quick(contamination=contamination).fit_predict(rows, sample_weight=WEIGHT / 7)
    np.testing.assert_array_equal(found, weighted.predict(rows))


@pytest.mark.parametrize(
    "rule", [{}, {"contamination": "none"}, {"alpha": 0.1, "calibration": "cross"}]
)
def test_equal_weights_are_none_and_a_weight_of_nothing_leaves_a_row_out(rule):
    there = RNG.random(len(X)) < 0.7
    without = quick(**rule).fit(X[there])
    for weight in (there, 0.3 * there):
        some = quick(**rule).fit(X, sample_weight=weight)
        assert some.offset_ == without.offset_
        np.testing.assert_array_equal(some.score_samples(X), without.score_samples(X))


def test_copies_of_a_row_are_on_one_side_of_a_division():
    weight = np.where(np.arange(90) < 45, 3.0, 1.0)
    detector = quick(contamination="none", calibration_fraction=0.4).fit(X, sample_weight=weight)
    held, counts = np.unique(detector.calibration_scores_, return_counts=True)
    mine = np.isin(detector.score_samples(X), held)
    assert mine.sum() == 36  # 0.4 of the rows
    assert sorted(counts) == sorted(weight[mine])


def test_very_unequal_weights_stay_bounded():
    weight = np.concatenate([np.full(99, 1.0), [1e-9], [1e9]])
    times = repeats(weight)
    assert times.sum() == 4 * len(weight)
    even = repeats(np.linspace(0.01, 1, 1000))
    assert even.sum() == pytest.approx(4000, abs=1)
    assert (
        np.abs(even - 4000 * np.linspace(0.01, 1, 1000) / np.linspace(0.01, 1, 1000).sum()).max()
        <= 1
    )


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(5), r"sample_weight.shape == \(5,\), expected \(90,\)"),
        (-np.ones(90), "Negative values in data"),
        (np.zeros(90), "Sample weights must contain at least one non-zero number"),
        (np.full(90, np.nan), "NaN"),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, sample_weight=weight)
