"""Limits from the scores of training rows: normal, mixed, tied, few."""

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from isthmus import OutlierDetector
from isthmus.outliers.thresholds import highest_tie, limit_of_share, robust_limit, valley


def scores(n, *, far=0, at=30.0, seed=0):
    """Return n strangenesses like mean squares of six columns, the last of them far away."""
    rng = np.random.default_rng(seed)
    normal = 0.1 * rng.chisquare(6, n - far) / 6
    return np.concatenate([normal, at * rng.uniform(0.5, 2, far)])


def found(strangeness, **settings):
    return strangeness > robust_limit(strangeness, **settings)


# -- all normal, and mixtures ------------------------------------------------------------------------


@pytest.mark.parametrize("n", [60, 600, 6000])
def test_of_normal_rows_a_few_per_cent_are_found(n):
    shares = [found(scores(n, seed=seed)).mean() for seed in range(20)]
    assert 0.01 < np.mean(shares) < 0.045


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.34, 0.45])
@pytest.mark.parametrize("n", [100, 3000])
def test_far_rows_are_found_up_to_nearly_half(n, share):
    far = round(share * n)
    for seed in range(5):
        odd = found(scores(n, far=far, seed=seed))
        assert odd[n - far :].all()
        assert odd[: n - far].mean() < 0.1


def test_the_limit_by_its_equation():
    strangeness = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9]) ** 3
    limit = np.cbrt(robust_limit(strangeness))
    assert limit == pytest.approx(5 + 2.3 * (7 - 5) / 0.67449, rel=1e-5)
    strangeness[6:] = np.array([98.0, 99.0, 100.0]) ** 3
    bound = 3 * (4 / 2) / 0.67449  # the shortest half reaches from 1 to 5
    assert np.cbrt(robust_limit(strangeness)) == pytest.approx(5 + 2.3 * bound, rel=1e-5)


def kinds(n, far, times=40, seed=0):
    """Return the scores of usual rows and of far ones, sorted."""
    rng = np.random.default_rng(seed)
    return np.sort(np.r_[rng.chisquare(5, n), times * rng.chisquare(5, far)])


def test_the_valley_by_a_kernel_density():
    ordered = kinds(300, 120)
    logarithms, limit = np.log(ordered), np.log(valley(ordered))
    low, high = np.quantile(logarithms, (0.25, 0.75))
    width = 0.9 * min(logarithms.std(), (high - low) / 1.34) * 420**-0.2
    density = gaussian_kde(logarithms, width / logarithms.std(ddof=1))
    between = np.linspace(np.log(8), np.log(80), 2001)
    assert limit == pytest.approx(between[density(between).argmin()], abs=0.03)


@pytest.mark.parametrize("n", [60, 200, 3000])
def test_one_kind_of_rows_has_no_valley(n):
    assert [valley(kinds(n, 0, seed=seed)) for seed in range(20)].count(None) >= 19


def test_few_rows_or_few_far_ones_are_no_second_kind():
    assert valley(kinds(30, 15)) is None
    assert valley(kinds(300, 10, times=100)) is None
    assert valley(np.zeros(100)) is None


def test_the_limit_depends_on_neither_order_nor_unit():
    strangeness = scores(300, far=20)
    limit = robust_limit(strangeness)
    assert limit == robust_limit(strangeness[::-1])
    assert robust_limit(1e6 * strangeness, usual=1e3) == pytest.approx(1e6 * limit, rel=1e-9)


# -- ties ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [[50.0] * 6, [29, 29, 30, 31, 32, 33], [9.0], [9, 10, 11]])
@pytest.mark.parametrize("equal", [[0.0], [1.0], [0.1, 0.2, 0.3, 0.4]])
def test_strange_rows_that_are_copies_are_found_beside_equal_ones(equal, odd):
    strangeness = np.r_[np.repeat(equal, 400 // len(equal)), odd].astype(float)
    assert found(strangeness).nonzero()[0].tolist() == list(range(400, 400 + len(odd)))


def test_one_score_is_its_own_limit():
    assert robust_limit(np.array([3.0])) >= 3


TINY = 2.6e-12 * (1 + 1e-7 * np.random.default_rng(0).normal(size=60))


@pytest.mark.parametrize("equal", [np.zeros(60), np.full(60, 5.1e-12), TINY, np.full(60, 7.0)])
def test_scores_that_cannot_be_told_apart_have_no_outliers(equal):
    assert not found(equal).any()
    assert not found(equal[:2]).any()


@pytest.mark.parametrize("far", [1, 2, 6])
@pytest.mark.parametrize("equal", [0.0, 2.6e-12, 0.3])
def test_a_few_rows_among_equal_ones_are_found(equal, far):
    odd = found(np.concatenate([np.full(60 - far, equal), scores(6)[:far] + 1]))
    assert np.flatnonzero(odd).tolist() == [*range(60 - far, 60)]


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_many_that_differ_are_compared_with_each_other(share):
    n = round(share * 1000)
    odd = found(np.concatenate([np.zeros(1000 - n), scores(n), [1000.0]]))
    assert odd[-1]
    assert odd.mean() < 0.05


@pytest.mark.parametrize("equal", [0.3, 0.45])
def test_many_equal_scores_within_the_others_make_none_of_them_strange(equal):
    strangeness = scores(1000)
    strangeness[: round(1000 * equal)] = 0.1
    assert found(strangeness).mean() < 0.05


def test_what_rounds_alike_is_a_tie():
    assert highest_tie(np.array([0.0]), 1.0) < 1e-12
    assert highest_tie(np.array([4.0]), 1.0) == pytest.approx(4, rel=1e-5)
    assert highest_tie(np.array([-4.0]), 1.0) >= -4
    near = 1e-6 + 1e-13 * np.arange(60.0)
    assert not found(near).any()
    assert found(1e4 * near, usual=1e-6).sum() == 0


# -- a share -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strangeness", "share", "count"),
    [
        (np.arange(61.0), 0.02, 1),
        (np.arange(178.0), 0.05, 9),
        (np.r_[np.zeros(58), 3.0, 3.0, 3.0], 0.02, 0),
        (np.r_[np.zeros(58), 3.0, 3.0, 3.0], 0.04, 3),
        (np.r_[np.zeros(57), 1.0, 3.0, 3.0, 3.0], 0.06, 4),
        (np.zeros(61), 0.5, 0),
        (np.r_[np.zeros(58), 3.0, 3.0, 3.0 + 1e-9], 0.02, 0),
        (np.arange(10.0), 0.0, 0),
    ],
)
def test_a_share_is_found_as_nearly_as_ties_permit(strangeness, share, count):
    assert (strangeness > limit_of_share(strangeness, share)).sum() == count


# -- detectors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("normal", "far"), [(300, 150), (60, 40)])
def test_a_third_far_away_are_found(normal, far, seed):
    rng = np.random.default_rng(seed)
    X = np.r_[rng.normal(size=(normal, 6)), rng.normal(6, 3, size=(far, 6))]
    odd = OutlierDetector(n_estimators=2, random_state=seed).fit_predict(X) == -1
    assert odd[normal:].mean() > 0.9
    assert odd[:normal].mean() < 0.05


@pytest.mark.parametrize("seed", range(2))
def test_equal_rows_and_a_few_others(seed):
    rng = np.random.default_rng(seed)
    X = np.tile(rng.normal(size=5), (60, 1))
    detector = OutlierDetector(n_estimators=2, random_state=seed)
    assert (detector.fit_predict(X) == 1).all()
    assert (detector.set_params(contamination=0.02).fit_predict(X) == 1).all()
    X[:3] += 3 * rng.normal(size=(3, 5))
    odd = detector.set_params(contamination="auto").fit_predict(X) == -1
    assert np.flatnonzero(odd).tolist() == [0, 1, 2]
