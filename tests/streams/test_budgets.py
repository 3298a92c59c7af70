"""Levels that rows are compared with: the papers' equations, and the promise of each budget."""

import numpy as np
import pytest

from isthmus.outliers import conformal_pvalues
from isthmus.streams.budgets import Credits, Lord, gamma, least_rows

RATE = 0.1


def decided(budget, p):
    """Return the levels of rows and which are alerts."""
    levels, alerts = np.empty(len(p)), np.empty(len(p), bool)
    for i, value in enumerate(p):
        levels[i] = budget.level()
        alerts[i] = value <= levels[i] * (1 + 1e-12)
        budget.settle(bool(alerts[i]))
    return levels, alerts


def replayed(budget, alerts):
    """Return the levels of rows with these decisions."""
    levels = []
    for alert in alerts:
        levels.append(budget.level())
        budget.settle(bool(alert))
    return np.array(levels)


def test_lord_is_the_equation_of_the_paper():
    p = np.random.default_rng(0).random(300) ** 4
    levels, alerts = decided(Lord(RATE), p)
    taus = np.flatnonzero(alerts) + 1
    assert len(taus) > 5
    for t in range(1, 301):
        past = [tau for tau in taus if tau < t]
        right = RATE / 2 * gamma(t) + sum(
            (RATE / 2 if tau == taus[0] else RATE) * gamma(t - tau) for tau in past
        )
        assert levels[t - 1] == pytest.approx(float(right), rel=1e-12)


def test_gamma_never_rises_and_sums_to_one_at_most():
    t = np.arange(1, 2_000_000)
    g = gamma(t)
    assert (np.diff(g) < 0).all()
    x = np.log(t[-1])  # the integral of x exp(-sqrt(x)) from there on
    s = np.sqrt(x)
    rest = 0.07720838 * 2 * np.exp(-s) * (s**3 + 3 * s**2 + 6 * s + 6)
    assert 0.95 < g.sum() + rest < 1


@pytest.mark.parametrize("make", [lambda: Lord(RATE), lambda: Credits(RATE, 1000)])
def test_levels_are_paid_for_and_never_fall_by_an_alert(make):
    rng = np.random.default_rng(0)
    unit = 1001 * np.pi**2 / 6 / 1001 if isinstance(make(), Credits) else 1
    for share in (0, 0.02, 0.3):
        alerts = rng.random(400) < share
        levels = replayed(make(), alerts)
        paid = np.cumsum(levels) * unit
        assert (paid <= RATE * np.maximum(np.cumsum(alerts), 1) * (1 + 1e-12)).all()
        more = alerts.copy()
        more[rng.integers(400)] = True
        assert (replayed(make(), more) >= levels).all()


@pytest.mark.parametrize("budget", [Lord(RATE), Credits(RATE, 50_000)])
def test_a_budget_goes_on_where_another_stood(budget):
    alerts = np.random.default_rng(0).random(3000) < 0.5
    replayed(budget, alerts)
    again = Lord(RATE) if isinstance(budget, Lord) else Credits(RATE, 50_000)
    again.restore(budget.state())
    assert len(budget.state()) < 1100
    assert (replayed(budget, alerts[:50]) == replayed(again, alerts[:50])).all()


@pytest.mark.parametrize("n", [3, 30, 1000])
def test_what_bad_luck_costs_is_at_most_the_constant(n):
    u = np.sort(np.random.default_rng(0).random((4000, n)), axis=1)
    cost = (u * (n + 1) / np.arange(1, n + 1)).max(axis=1)
    assert cost.mean() <= np.pi**2 / 6 + 3 * cost.std() / 4000**0.5


def test_least_rows_are_those_with_a_credit():
    for rate in (0.01, 0.05, 0.1, 0.3):
        n = least_rows(rate)
        assert Credits(rate, n).level() > 0
        assert Credits(rate, n - 1).level() == 0


def false_and_found(rng, n, share, decimals, rows=2000):
    held, outlier = rng.normal(size=n), rng.random(rows) < share
    new = rng.normal(size=rows) + 5 * outlier
    p = conformal_pvalues(new.round(decimals), held.round(decimals))
    alerts = decided(Credits(RATE, n), p)[1]
    return (
        (alerts & ~outlier).sum() / max(alerts.sum(), 1),
        alerts[outlier].mean() if outlier.any() else 1,
    )


@pytest.mark.parametrize(
    ("n", "share", "decimals", "power"),
    [(1000, 0.0, 9, 0), (200, 0.0, 1, 0), (2000, 0.05, 9, 0.8), (2000, 0.05, 1, 0.5)],
)
def test_the_expected_share_of_false_alerts_keeps_its_rate(n, share, decimals, power):
    rng = np.random.default_rng(n)
    false, found = np.transpose([false_and_found(rng, n, share, decimals) for _ in range(100)])
    assert false.mean() <= RATE + 2 * false.std() / 10
    assert found.mean() >= power
