"""What other rates would find: as detectors with these rates do, and nothing is changed."""

import copy

import numpy as np
import pytest

from isthmus import Autoencoder, OutlierDetector
from isthmus.outliers import conformal
from isthmus.outliers.members import usual_value
from isthmus.outliers.thresholds import limit_of_share

SMALL = Autoencoder(2, "dense:hidden=[4]", max_epochs=2, early_stopping=False)


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ np.ones((3, 5)) + 0.3 * rng.normal(size=(n, 5))


@pytest.fixture(scope="module")
def new():
    return np.concatenate([rows(110, 1), 9 * rows(40, 2) * [1, -1, 1, -1, 1]])


@pytest.fixture(scope="module")
def fitted(request):
    detector = OutlierDetector(SMALL, n_estimators=2, random_state=0, **request.param)
    return detector.fit(rows(250, 0))


def with_rules(*rules):
    return pytest.mark.parametrize("fitted", rules, indirect=True, ids=str)


@with_rules(
    {"contamination": "none"},
    {"target_fpr": 0.07},
    {"alpha": 0.1, "calibration": "cross"},
    {"alpha": 0.1, "fdr": True},
    {},
    {"contamination": 0.1},
    {"contamination": 0.13},
)
def test_the_line_of_the_detector_as_it_is(fitted, new):
    before = copy.copy(vars(fitted))
    table = fitted.threshold_table(new)
    assert vars(fitted) == before
    (line,) = np.flatnonzero(table.current)
    rate = {"auto": np.nan, "none": 0.05}.get(fitted.contamination, fitted.contamination)
    rate = fitted.alpha or fitted.target_fpr or rate
    np.testing.assert_equal(table.rate[line], rate)
    np.testing.assert_equal(table.threshold[line], np.nan if fitted.by_pvalues else fitted.offset_)
    assert table.alerts[line] == (fitted.predict(new) == -1).sum() > 0
    known = table.rate[~np.isnan(table.rate)]
    assert np.all(np.diff(known) >= 0)
    assert table.frame()["rate"].null_count() == len(table.rate) - len(known)
    assert table.frame().columns == ["rate", "threshold", "alerts", "false_alarms", "current"]


@with_rules({"contamination": "none"}, {"alpha": 0.1, "calibration": "cross"})
def test_a_rate_finds_what_a_detector_with_it_would(fitted, new):
    table, n = fitted.threshold_table(new), len(fitted.calibration_scores_)
    rates = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]
    assert table.rate.tolist() == [r for r in rates if n >= conformal.rows_needed(r)]
    assert len(table.rate) > 3
    p = fitted.pvalues(new)
    for rate, threshold, alerts, false_alarms, _ in zip(*table, strict=True):
        assert alerts == (p <= rate).sum()
        assert false_alarms == pytest.approx(150 * conformal.ranks_within(rate, n) / (n + 1))
        if not fitted.by_pvalues:
            assert threshold == -conformal.conformal_threshold(-fitted.calibration_scores_, rate)


@with_rules({"target_fpr": 0.07})
def test_a_rate_that_was_set_later_did_not_settle_the_threshold(fitted, new):
    for rate in (0.1, 0.001):
        table = copy.copy(fitted).set_params(target_fpr=rate).threshold_table(new)
        assert np.isnan(table.rate[table.current])
        assert table.threshold[table.current] == fitted.offset_


@with_rules({"alpha": 0.1, "fdr": True})
def test_false_discoveries_are_a_share_of_the_alerts(fitted, new):
    table, p = fitted.threshold_table(new), fitted.pvalues(new)
    for rate, _, alerts, false_alarms, _ in zip(*table, strict=True):
        assert alerts == conformal.discoveries(p, rate).sum()
        assert false_alarms == pytest.approx(rate * alerts)


@with_rules({}, {"contamination": 0.1})
def test_shares_are_of_the_rows_themselves(fitted, new):
    table, scores = fitted.threshold_table(new), fitted.score_samples(new)
    others = ~table.current
    assert table.rate[others].tolist() == [
        0.01,
        0.02,
        0.05,
        0.1,
        0.2,
    ]  # no less than one of 150 rows
    assert np.isnan(table.false_alarms).all()
    for rate, threshold, alerts, *_ in zip(*(column[others] for column in table), strict=True):
        assert threshold == -limit_of_share(-scores, rate, usual_value(fitted.members_))
        assert alerts == pytest.approx(150 * rate, abs=0.5)
    share = copy.copy(fitted).set_params(contamination=0.05).recalibrate(new, rows="any")
    (line,) = np.flatnonzero((table.rate == 0.05) & others)
    assert share.offset_ == table.threshold[line]


@with_rules({"contamination": 0.1})
def test_normal_rows_tell_the_false_alarms_of_a_share_too(fitted, new):
    detector = copy.copy(fitted).recalibrate(rows(99, 3))
    table = detector.threshold_table(new)
    assert table.rate.tolist() == [0.01, 0.02, 0.05, 0.1, 0.2]
    beyond = (detector.calibration_scores_ < detector.offset_).sum()
    assert table.false_alarms[table.current] == pytest.approx(150 * (beyond + 1) / 100)
