"""The alarm for drift: fair bets, few false alarms, and the columns that changed."""

import numpy as np
import pytest
from scipy.stats import kstest

from isthmus.streams.bets import CHANGES, kept_back, on_places, on_strange
from isthmus.streams.drift import Watch
from isthmus.streams.urns import Urns

NAMES = tuple("abcdefghij")


def test_bets_are_fair():
    middles = (np.arange(200_000) + 0.5) / 200_000
    assert on_places(middles).mean(axis=0) == pytest.approx(np.ones(len(CHANGES)), abs=0.02)
    for rate in (0.0, 0.1, 0.3):
        mean = rate * on_strange(True) + (1 - rate) * on_strange(False)
        assert (mean <= 1 + 1e-12).all()


def test_the_money_is_staked_bit_by_bit():
    kept = np.array([kept_back(rows) for rows in range(100_000)])
    assert kept[0] == 1
    assert (np.diff(kept) <= 0).all()
    assert 0 < kept[-1] < 0.1


def test_a_place_is_the_rank_among_all_before():
    urns = Urns(np.array([[1.0, 2.0, 2.0, 5.0]]))
    assert urns.places(np.array([3.0]), np.array([0.5]))[0] == (3 + 0.5) / 5
    assert urns.places(np.array([9.0]), np.array([0.5]))[0] == (5 + 0.5) / 6  # 3.0 is below
    assert (
        urns.places(np.array([2.0]), np.array([0.5]))[0] == (1 + 0.5 * 4) / 7
    )  # and ties are drawn
    assert urns.balls.sum() == 8


@pytest.mark.parametrize(("known", "decimals"), [(50, 9), (50, 0), (3000, 9), (3000, 0)])
def test_places_are_independent_and_uniform(known, decimals):
    rng, columns = np.random.default_rng(known), 400
    urns = Urns(rng.normal(size=(columns, known)).round(decimals))
    places = np.array(
        [
            urns.places(rng.normal(size=columns).round(decimals), rng.random(columns))
            for _ in range(60)
        ]
    )
    assert kstest(places.ravel(), "uniform").pvalue > 0.001
    assert abs(np.corrcoef(places[1:].ravel(), places[:-1].ravel())[0, 1]) < 0.03
    sums = places.sum(axis=0)  # whose variance tells of dependence over all rows
    assert sums.var() == pytest.approx(60 / 12, rel=0.3)


def test_stakes_on_unchanged_columns_seldom_grow():
    rng, columns = np.random.default_rng(0), 2000
    urns = Urns(rng.normal(size=(columns, 100)).round(1))
    stakes = most = np.ones((columns, len(CHANGES)))
    for _ in range(150):
        growth = on_places(urns.places(rng.normal(size=columns).round(1), rng.random(columns)))
        stakes = stakes * growth
        most = np.maximum(most, stakes.mean(axis=1, keepdims=True))
    assert (most >= 20).mean() <= 1 / 20
    assert (most >= 100).mean() <= 2 / 100


def stream(rng, n, outliers=0.0, decimals=9):
    x = rng.normal(size=(n, 10))
    x[rng.random(n) < outliers, 2] += 8
    return x.round(decimals)


def watched(rng, rows, columns=NAMES, decimals=9):
    held = stream(rng, 1000, decimals=decimals)
    watch = Watch((held**2).mean(axis=1), columns)
    for row in rows:
        watch.see(float((row**2).mean()), row[: len(columns)], rng.random(11))
    return watch


@pytest.mark.parametrize(("change", "said"), [(1.0, "higher"), (-1.0, "lower")])
def test_a_shift_of_one_column_is_found_and_named(change, said):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        rows = stream(rng, 700, outliers=0.02)
        rows[500:, 3] += change
        watch = watched(rng, rows)
        assert 500 <= watch.drift.row < 640
        assert watch.drift.columns == {"d": said}
        assert "d (" in watch.drift.advice


@pytest.mark.parametrize(("factor", "said"), [(3.0, "wider"), (0.2, "narrower")])
def test_a_column_that_spreads_is_named(factor, said):
    rng = np.random.default_rng(0)
    rows = stream(rng, 900)
    rows[400:, 5] *= factor
    assert watched(rng, rows).drift.columns["f"] == said


@pytest.mark.parametrize(("outliers", "decimals"), [(0.0, 9), (0.05, 0), (0.05, 9)])
def test_outliers_and_ties_are_no_drift(outliers, decimals):
    rng = np.random.default_rng(0)
    for _ in range(3):
        rows = stream(rng, 600, outliers, decimals)
        watch = watched(rng, rows, decimals=decimals)
        assert watch.drift is None
        assert watch.money < 100


@pytest.mark.parametrize(("change", "said"), [(9.0, "higher"), (-9.0, "lower")])
def test_a_change_that_makes_all_rows_strange_is_named_too(change, said):
    rng = np.random.default_rng(0)
    rows = stream(rng, 400)
    rows[300:, 6] += change
    watch = watched(rng, rows)
    assert watch.drift.row < 330
    assert watch.drift.columns == {"g": said}


def test_rows_that_are_all_strange_are_a_drift_that_no_column_names():
    rng = np.random.default_rng(0)
    watch = watched(rng, stream(rng, 100) + 4)
    assert watch.drift.row < 60
    assert watch.drift.columns == {}
    assert "no single column tells" in watch.drift.advice


def test_scores_alone_tell_too():
    rng = np.random.default_rng(0)
    assert watched(rng, stream(rng, 400) * 1.15, columns=()).drift is not None
