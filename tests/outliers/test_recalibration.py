"""Thresholds and p-values settled anew: what they promise, what stays, what is refused, and files."""

import copy
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder, ModelFileError, OutlierDetector
from isthmus.io import read_tensors, write_tensors
from isthmus.outliers import conformal, recalibrate_by
from isthmus.outliers.members import usual_value
from isthmus.outliers.thresholds import limit_of_share, robust_limit

SMALL = Autoencoder(2, "dense:hidden=[4]", max_epochs=2, early_stopping=False)
SHIFT = 2.0
MIXING = np.random.default_rng(7).normal(size=(3, 6))
RULES = [
    {},
    {"contamination": 0.1},
    {"contamination": "none"},
    {"target_fpr": 0.1},
    {"alpha": 0.1, "fdr": True},
    {"alpha": 0.1, "calibration": "cross"},
]
BY_RATE = RULES[2:]


def normal(n, seed, shift=0.0):
    """Return rows near a plane; shifted ones have moved off it, all alike."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ MIXING + 0.3 * rng.normal(size=(n, 6)) + shift


@pytest.fixture(scope="module")
def trained():
    """Return a function that fits a detector of a rule, once for each."""
    made = {}

    def fit(rule):
        if str(rule) not in made:
            detector = OutlierDetector(SMALL, n_estimators=2, random_state=0, **rule)
            made[str(rule)] = detector.fit(normal(200, 0))
        return copy.copy(made[str(rule)])  # to recalibrate replaces what a fit left

    return fit


@pytest.fixture
def detector(trained, request):
    return trained(request.param)


def with_rules(*rules):
    return pytest.mark.parametrize("detector", rules, indirect=True, ids=str)


# -- what is promised ------------------------------------------------------------------------------


def spread(k, n, m, repetitions):
    """Return the mean share of p-values within k of n + 1 ranks, and how far chance moves it."""
    mean = k / (n + 1)
    beta = k * (n + 1 - k) / ((n + 1) ** 2 * (n + 2))
    return mean, np.sqrt((beta * (1 - 1 / m) + mean * (1 - mean) / m) / repetitions)


@with_rules({"contamination": "none"}, {"alpha": 0.1, "calibration": "cross"})
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
def test_false_positives_of_shifted_rows_stay_at_the_rate(detector, rate):
    """Over 200 sets of recent rows, within what beta-binomial counts vary by."""
    detector.set_params(alpha=rate)
    repetitions, n, m = 200, 199, 50
    scores = detector.score_samples(normal(repetitions * (n + m), 1, shift=SHIFT))
    assert (scores < detector.offset_).mean() > 0.2  # the old threshold keeps no rate
    shares = []
    for some in scores.reshape(repetitions, n + m):
        recalibrate_by(detector, some[:n], "normal")
        shares.append((detector.decide(some[n:]) == -1).mean())
    mean, error = spread(conformal.ranks_within(rate, n), n, m, repetitions)
    assert abs(np.mean(shares) - mean) < 4 * error


@with_rules({"alpha": 0.1, "fdr": True})
def test_false_discoveries_stay_at_the_rate(detector):
    repetitions, n, m = 200, 199, 50
    scores = detector.score_samples(normal(repetitions * (n + m), 1, shift=SHIFT))
    odd = detector.score_samples(20 * normal(10, 2))
    false, power = [], []
    for some in scores.reshape(repetitions, n + m):
        recalibrate_by(detector, some[:n], "normal")
        found = detector.decide(np.append(some[n:], odd)) == -1
        false.append(found[:m].sum() / max(found.sum(), 1))
        power.append(found[m:].mean())
    assert np.mean(false) < 0.1 + 4 * np.std(false) / np.sqrt(repetitions)
    assert np.mean(power) > 0.95


@with_rules(*BY_RATE)
def test_the_alert_rate_on_other_recent_rows_is_near_the_target(detector):
    rate = {"target_fpr": 0.02} if detector.alpha is None else {"alpha": 0.02}
    detector.set_params(fdr=False, **rate)
    recent, later = normal(1000, 3, shift=SHIFT), normal(4000, 4, shift=SHIFT)
    assert (detector.predict(later) == -1).mean() > 0.1
    detector.recalibrate(recent)
    assert abs((detector.predict(later) == -1).mean() - 0.02) < 0.01


# -- what is settled, and what stays ---------------------------------------------------------------


@with_rules(*BY_RATE)
def test_a_rate_is_a_quantile_of_recent_scores(detector):
    X, new = normal(99, 5, shift=0.5), normal(80, 6)
    scores = detector.score_samples(X)
    assert detector.recalibrate(X) is detector
    np.testing.assert_array_equal(detector.calibration_scores_, scores)
    assert detector.calibration_folds_ is None
    rate = detector.alpha or detector.target_fpr or 0.05
    assert detector.offset_ == -conformal.conformal_threshold(-scores, rate)
    p = detector.pvalues(new)
    expected = [(1 + (scores <= s).sum()) / 100 for s in detector.score_samples(new)]
    np.testing.assert_array_equal(p, expected)
    found = conformal.discoveries(p, rate) if detector.fdr else p <= rate
    np.testing.assert_array_equal(detector.predict(new) == -1, found)


@with_rules(*RULES[:2])
@pytest.mark.parametrize("rows", ["normal", "any"])
def test_a_share_is_found_among_recent_rows(detector, rows):
    X = normal(60, 5, shift=0.5)
    scores, usual = detector.score_samples(X), usual_value(detector.members_)
    detector.recalibrate(X, rows=rows)
    if detector.contamination == "auto":
        assert detector.offset_ == -robust_limit(-scores, usual)
    else:
        assert detector.offset_ == -limit_of_share(-scores, 0.1, usual)
        assert (detector.predict(X) == -1).sum() == 6
    if rows == "normal":
        assert detector.pvalues(X).min() == 2 / 61
    else:
        with pytest.raises(ValueError, match="none were held out.*or recalibrate with normal rows"):
            detector.pvalues(X)


@with_rules(*RULES)
def test_models_references_and_explanations_stay(detector):
    members, new = detector.members_, normal(20, 8)
    before = [detector.score_samples(new), *detector.explain(new)[1:], detector.transform(new)]
    detector.recalibrate(normal(100, 5, shift=0.5))
    assert detector.members_ is members
    after = [detector.score_samples(new), *detector.explain(new)[1:], detector.transform(new)]
    for old, same in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, same)


@with_rules({"contamination": 0.1})
def test_a_new_rate_is_settled_without_a_new_fit(detector):
    recent = normal(99, 5)
    detector.set_params(target_fpr=0.01).recalibrate(recent)
    assert detector.offset_ == detector.score_samples(recent).min()


@with_rules({"target_fpr": 0.1})
def test_the_trail_tells_when_by_what_and_from_where_to_where(detector):
    first = detector.offset_
    assert detector.recalibrations_ == []
    begin = datetime.now(UTC) - timedelta(seconds=1)
    for seed in (1, 2):
        detector.recalibrate(normal(50, seed))
    one, two = detector.recalibrations_
    assert (one.old_threshold, one.new_threshold) == (first, two.old_threshold)
    assert two.new_threshold == detector.offset_
    assert (two.rows, two.taken_for) == (50, "normal")
    assert begin <= datetime.fromisoformat(two.when) <= datetime.now(UTC)
    assert detector.fit(normal(60, 0)).recalibrations_ == []


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detector", "n", "rows", "message"),
    [
        ({"target_fpr": 0.1}, 8, "normal", "8 rows .* a rate of 0.1, .* at least 9: give more"),
        ({"contamination": "none"}, 18, "normal", "a rate of 0.05, which takes at least 19:"),
        ({"alpha": 0.1, "fdr": True}, 1, "normal", "1 row cannot .* at least 9:"),
        ({}, 19, "any", "contamination='auto', which takes at least 20:"),
        ({"contamination": 0.1}, 19, "normal", "contamination=0.1, which takes at least 20:"),
        ({"target_fpr": 0.1}, 30, "any", "contamination alone, .* a rate of normal rows, 0.1:"),
        ({"contamination": "none"}, 30, "any", "contamination alone, .* normal rows, 0.05:"),
        ({}, 30, "some", "rows must be 'normal' or 'any'; got 'some'"),
    ],
    indirect=["detector"],
)
def test_rows_that_cannot_do_are_refused_before_they_are_scored(
    detector, n, rows, message, monkeypatch
):
    monkeypatch.setattr(OutlierDetector, "_scores", lambda *_: pytest.fail("it scored"))
    before = dict(vars(detector))
    with pytest.raises(ValueError, match=message):
        detector.recalibrate(normal(n, 5), rows=rows)
    assert vars(detector) == before


@with_rules({"contamination": 0.1})
def test_a_small_share_takes_as_many_rows_as_one_of_them_is(detector):
    with pytest.raises(ValueError, match="takes at least 100:"):
        detector.set_params(contamination=0.01).recalibrate(normal(99, 5))


@with_rules({"target_fpr": 0.1})
def test_parameters_and_rows_are_checked(detector):
    with pytest.raises(ValueError, match="target_fpr must be a number"):
        detector.set_params(target_fpr=2).recalibrate(normal(30, 5))
    with pytest.raises(ValueError, match="X has 3 features"):
        detector.set_params(target_fpr=0.1).recalibrate(normal(30, 5)[:, :3])


@pytest.mark.parametrize("rate", [0.001, 0.007, 0.01, 0.05, 0.1, 1 / 3, 0.5, 0.99])
def test_the_number_needed_is_the_least_that_will_do(rate):
    n = conformal.rows_needed(rate)
    assert conformal.ranks_within(rate, n) >= 1
    assert n == 0 or conformal.ranks_within(rate, n - 1) == 0


# -- mixed tables, and files -----------------------------------------------------------------------


def people(n, seed):
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ulm", "Kiel", None], n)
    pay = np.where(rng.random(n) < 0.2, np.nan, rng.gamma(2, 1000, n))
    return pl.DataFrame({"pay": pay, "town": town, "age": rng.integers(1, 90, n)}).fill_nan(None)


def test_tables_of_mixed_types_are_recalibrated(tmp_path):
    settings = {"contamination": "none", "n_estimators": 2, "random_state": 0}
    detector = OutlierDetector({"max_epochs": 2}, **settings).fit(people(150, 0))
    recent, new = people(199, 1), people(2000, 2)
    detector.recalibrate(recent)
    assert abs((detector.predict(new) == -1).mean() - 0.05) < 0.05
    detector.save(tmp_path / "d")
    np.testing.assert_array_equal(isthmus.load(tmp_path / "d").pvalues(new), detector.pvalues(new))


@pytest.mark.parametrize(
    ("detector", "rows"),
    [*((rule, "normal") for rule in RULES), *((rule, "any") for rule in RULES[:2])],
    indirect=["detector"],
    ids=str,
)
def test_a_file_keeps_all_of_it(detector, rows, tmp_path):
    recent, new = normal(100, 5, shift=0.5), normal(40, 6, shift=1.0)
    detector.recalibrate(recent, rows=rows).recalibrate(recent[:50], rows=rows)
    detector.save(tmp_path / "d")
    loaded = isthmus.load(tmp_path / "d")
    assert loaded.recalibrations_ == detector.recalibrations_
    assert loaded.offset_ == detector.offset_
    np.testing.assert_array_equal(loaded.predict(new), detector.predict(new))
    if rows == "normal":
        np.testing.assert_array_equal(loaded.pvalues(new), detector.pvalues(new))
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "d").read_bytes()


@pytest.fixture(scope="module")
def written(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "d"
    trained(RULES[-1]).recalibrate(normal(50, 5)).save(path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t, one: one.update(when="today"), "when is 'today', not a time in UTC"),
        (lambda m, t, one: one.update(when="2026-03-01T09:30:00"), "not a time in UTC"),
        (lambda m, t, one: one.update(rows=0), "rows is 0, not a whole number of at least 1"),
        (lambda m, t, one: one.update(rows=49), "do not fit"),
        (lambda m, t, one: one.update(taken_for="any"), "do not fit"),
        (
            lambda m, t, one: one.update(taken_for="clean"),
            "taken_for is 'clean', not 'normal' or 'any'",
        ),
        (lambda m, t, one: one.update(old_threshold=float("nan")), "not finite thresholds"),
        (lambda m, t, one: one.pop("new_threshold"), "damaged"),
        (lambda m, t, one: m["fitted"].update(recalibrations={}), "not a list"),
        (lambda m, t, one: m["fitted"].update(recalibrations=[3]), "not a list"),
        (lambda m, t, one: m["fitted"].pop("recalibrations"), "folds do not number 2 folds"),
        (lambda m, t, one: t.pop("calibration_scores"), "do not fit"),
    ],
)
def test_a_trail_changed_by_hand_is_refused(written, change, message, tmp_path):
    path = tmp_path / "d"
    path.write_bytes(written)
    tensors, meta = read_tensors(path)
    change(meta, tensors, meta["fitted"]["recalibrations"][0])
    write_tensors(path, tensors, meta)
    with pytest.raises(ModelFileError, match=message):
        isthmus.load(path)


def test_a_file_without_a_trail_is_as_before(trained, tmp_path):
    trained({"target_fpr": 0.1}).save(tmp_path / "d")
    assert "recalibrations" not in read_tensors(tmp_path / "d")[1]["fitted"]
    assert isthmus.load(tmp_path / "d").recalibrations_ == []
