"""The tail of the calibration scores: estimates, p-values, and whether the fit is good."""

import numpy as np
import pytest
from scipy.stats import genpareto

from isthmus.streams.budgets import Lord
from isthmus.streams.tails import Tail, distance, estimated, fit_tail


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4, 0.9])
def test_shape_and_scale_are_found(shape):
    x = genpareto.rvs(shape, scale=3, size=(40, 500), random_state=0)
    shapes, scales = estimated(x)
    assert shapes.mean() == pytest.approx(shape, abs=0.03)
    assert scales.mean() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.4])
def test_survival_is_that_of_scipy(shape):
    tail = Tail(2.0, 0.2, shape, 1.5)
    s = np.array([2.0, 2.5, 4.0, 5.5])
    assert tail.survival(s) == pytest.approx(0.2 * genpareto.sf(s - 2, shape, scale=1.5), rel=1e-6)
    assert 0 < tail.survival(np.array([1e9]))[0] < 0.01


def test_distance_is_the_sum_of_anderson_and_darling():
    x = np.array([0.3, 0.1, 2.0, 0.7])
    u = np.sort(genpareto.cdf(x, 0.2, scale=0.8))
    total = sum((2 * i + 1) * (np.log(u[i]) + np.log(1 - u[3 - i])) for i in range(4))
    found = distance(x[None], np.array([0.2]), np.array([0.8]))
    assert found == pytest.approx([-4 - total / 4])


@pytest.mark.parametrize("draw", ["normal", "exponential", "chisquare", "standard_cauchy"])
def test_fits_of_usual_scores_are_good_and_extrapolate(draw):
    rng = np.random.default_rng(1)
    draws = getattr(rng, draw)
    args = (10,) if draw == "chisquare" else ()
    scores = np.abs(draws(*args, size=41_000))
    tail, goodness = fit_tail(scores[:1000])
    assert goodness > 0.01
    for rare in (0.05, 0.005):
        s = np.quantile(scores[1000:], 1 - rare)
        assert rare / 3 < tail.survival(np.array([s]))[0] < 3 * rare


def test_a_tail_of_two_groups_is_refused():
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(size=900), rng.normal(9, 0.1, size=100)])
    assert fit_tail(scores)[1] <= 0.005


@pytest.mark.parametrize("scores", [np.arange(150.0), np.ones(1000), np.arange(1000) % 2])
def test_too_few_rows_above_have_no_tail(scores):
    assert fit_tail(scores) is None


def test_rounded_scores_have_the_tail_of_those_that_were_rounded():
    scores = np.random.default_rng(0).exponential(size=1000)
    (fine, _), (rough, goodness) = fit_tail(scores), fit_tail(scores.round(1))
    assert goodness > 0.005
    for s in (2.0, 4.0, 8.0):
        ratio = rough.survival(np.array([s])) / fine.survival(np.array([s]))
        assert 2 / 3 < ratio[0] < 3 / 2


@pytest.mark.parametrize("decimals", [9, 1])
def test_power_and_false_alerts_with_a_tail(decimals):
    """The setting in which conformal p-values find nothing: 1 % outliers, 1,000 calibration rows."""
    rng, false, found = np.random.default_rng(0), [], []
    for _ in range(20):
        tail, _ = fit_tail(rng.normal(size=1000).round(decimals))
        outlier = rng.random(4000) < 0.01
        s = (rng.normal(size=4000) + 5 * outlier).round(decimals)
        budget, alerts = Lord(0.1), np.zeros(4000, bool)
        p = np.where(s > tail.threshold, tail.survival(s), 1)
        for i in range(4000):
            alerts[i] = p[i] <= budget.level()
            budget.settle(bool(alerts[i]))
        false.append((alerts & ~outlier).sum() / max(alerts.sum(), 1))
        found.append(alerts[outlier].mean())
    assert np.mean(false) <= 0.1
    assert np.mean(found) >= 0.85
