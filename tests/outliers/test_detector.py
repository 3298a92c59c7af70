"""The outlier detector: scikit-learn's contract, thresholds that keep their word, explanations."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_digits, load_wine
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import (
    check_outliers_fit_predict,
    check_outliers_train,
    parametrize_with_checks,
)

from isthmus import Autoencoder, DivergenceError, OutlierDetector, load
from isthmus.autoencoder.many import begin_courses
from isthmus.autoencoder.run import fingerprint
from isthmus.outliers import conformal, default_autoencoder
from isthmus.outliers.members import strangeness

SMALL = Autoencoder(2, "dense:hidden=[4]", max_epochs=2, early_stopping=False)
NUMBERS = {"n_estimators": 2, "random_state": 0}


def quick(**parameters):
    return OutlierDetector(**{"autoencoder": SMALL, **NUMBERS, **parameters})


def planted(n=300, d=5, outliers=15, seed=0):
    """Return rows near a plane, the last of them far off it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2)) @ rng.normal(size=(2, d)) + 0.1 * rng.normal(size=(n, d))
    X[-outliers:] = 4 * rng.normal(size=(outliers, d))
    return X, np.arange(n) >= n - outliers


@pytest.fixture(scope="module")
def fitted():
    X, odd = planted()
    return OutlierDetector(random_state=0, n_estimators=4).fit(X), X, odd


def expected_failures(estimator):
    """Weights are copies to the bit where rows keep their order, and the check puts them in another."""
    reason = "batches and references are drawn by the order of rows; see test_weighting"
    checks = ("dense_data", "sparse_data")
    return {f"check_sample_weight_equivalence_on_{kind}": reason for kind in checks}


@parametrize_with_checks(
    [
        OutlierDetector(SMALL, n_estimators=2, random_state=0),
        OutlierDetector(SMALL, n_estimators=1, contamination=0.1, random_state=0),
    ],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


# -- scores --------------------------------------------------------------------------------------


def test_planted_outliers_are_found(fitted):
    detector, X, odd = fitted
    assert roc_auc_score(odd, -detector.score_samples(X)) > 0.99
    assert (detector.predict(X[odd]) == -1).mean() > 0.8
    assert (detector.predict(X[~odd]) == 1).mean() > 0.9


def test_a_group_of_outliers_does_not_vouch_for_itself():
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(400, 4)), 6 + 0.05 * rng.normal(size=(20, 4))])
    odd = np.arange(420) >= 400
    few = OutlierDetector(random_state=0, n_estimators=8).fit(X)
    many = OutlierDetector(random_state=0, n_estimators=8, contamination="none").fit(X)
    areas = [roc_auc_score(odd, -d.score_samples(X)) for d in (few, many)]
    assert areas[0] > 0.99
    assert areas[1] < 0.9  # told that they are normal


def terms(models, known, x, rows):
    """Return the mean loss of rows, and their mean distance from the nearest of each draw."""
    again = [model.scaler.forward(model.reconstruct(rows), "float32") for model in models]
    loss = np.mean([((a - x) ** 2).mean(axis=1) for a in again], axis=0)
    apart = ((x[:, None, None] - known[None]) ** 2).mean(axis=3)
    near = np.sort(apart, axis=2)
    return loss, np.where(near[..., 0] == 0, near[..., 1], near[..., 0]).mean(axis=1)


def test_the_score_is_the_formula():
    X, _ = planted(60)
    detector = quick(n_references=7).fit(X)
    models, known = [m.model for m in detector.members_], detector.members_[0].references
    assert known.shape == (128, 7, 5)
    x = models[0].scaler.forward(X, "float32").astype(float)
    loss, distance = (part / np.median(part) + 2**-10 for part in terms(models, known, x, X))
    expected = -(loss**0.2) * distance**0.8
    np.testing.assert_allclose(detector.score_samples(X), expected, rtol=1e-4)


def test_a_row_that_is_the_only_reference_is_compared_with_itself():
    X, _ = planted(60)
    scores = quick(n_references=1).fit(X).score_samples(X)
    assert scores.min() > -1e3


def test_rows_that_repeat_score_alike_whatever_rounding_makes_of_them():
    rng = np.random.default_rng(0)
    X = 1.7 * rng.integers(0, 2, (600, 5)) + 0.3
    detector = quick(contamination="none").fit(X)
    _, distance = detector.members_[0].panel.terms(X)
    assert (distance == 0).all()  # each has copies among the references
    new = np.full((1, 5), 5.0)
    assert detector.score_samples(new)[0] < 3 * detector.score_samples(X).min()


def test_which_rows_are_looked_at_first_does_not_depend_on_their_order(monkeypatch):
    monkeypatch.setattr("isthmus.outliers.panel.FIRST_ROWS", 200)
    X = np.random.default_rng(0).normal(size=(400, 4))
    X[1::2] += 6  # two machines that take turns
    strange = -quick().fit_score_samples(X)
    assert 0.5 < np.median(strange[::2]) / np.median(strange[1::2]) < 2


def test_an_explanation_of_one_row_is_that_among_all():
    X, _ = planted(90)
    detector = quick().fit(X)
    whole = detector.explain(X).contribution
    alone = np.concatenate([detector.explain(X[i : i + 1]).contribution for i in range(90)])
    np.testing.assert_allclose(whole, alone, rtol=1e-5)


def test_references_are_rows_of_the_half_that_looks_most_normal():
    X, odd = planted()
    detector = OutlierDetector(random_state=0, n_estimators=2).fit(X)
    known = detector.members_[0].references.reshape(-1, 5)
    x = detector.members_[0].model.scaled(X)
    nearest = np.abs(known[:, None] - x[None]).sum(axis=2)
    assert (nearest.min(axis=1) == 0).all()
    used = np.unique(nearest.argmin(axis=1))
    assert len(used) <= 150
    assert not odd[used].any()


def test_members_that_scale_on_their_own_judge_as_they_do_alone():
    X, _ = planted(90)
    ae = Autoencoder(2, "dense:hidden=[4]", max_epochs=3)  # each holds out other rows
    detector = OutlierDetector(ae, n_estimators=3, random_state=0).fit(X)
    loss, _ = detector.members_[0].panel.terms(X)
    alone = np.mean([member.model.losses(X) for member in detector.members_], axis=0)
    np.testing.assert_allclose(loss, alone, rtol=1e-6)


def test_rows_beyond_what_a_program_takes():
    X, _ = planted()
    detector = quick().fit(X)
    many = np.tile(X, (40, 1))  # several blocks, the last not whole
    scores = detector.score_samples(many)
    assert np.array_equal(scores.reshape(40, -1), np.tile(detector.score_samples(X), (40, 1)))


def test_members_see_a_sample_of_many_rows():
    X, _ = planted(300)
    small = quick(max_samples=100).fit(X)
    assert np.array_equal(small.score_samples(X), quick(max_samples=100).fit(X).score_samples(X))
    assert not np.array_equal(small.score_samples(X), quick().fit(X).score_samples(X))
    assert np.array_equal(small.fit_score_samples(X), small.score_samples(X))
    assert np.array_equal(
        quick(max_samples=300).fit(X).score_samples(X), quick().fit(X).score_samples(X)
    )


def test_rows_score_the_same_alone(fitted):
    detector, X, _ = fitted
    together = detector.score_samples(X)
    alone = np.concatenate([detector.score_samples(X[i : i + 1]) for i in range(0, 300, 50)])
    assert np.array_equal(together[::50], alone)


def test_the_same_seed_gives_the_same_scores():
    X, _ = planted(80)
    a, b = (quick().fit(X).score_samples(X) for _ in range(2))
    assert np.array_equal(a, b)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    quick(random_state=None).fit(X)
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


# -- thresholds ----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2])
def test_contamination_is_the_share_of_training_rows_found(share):
    X, _ = planted(200)
    detector = quick(contamination=share).fit(X)
    assert (detector.predict(X) == -1).sum() == round(share * 200)
    assert detector.offset_ == np.quantile(detector.score_samples(X), share)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_false_positives_stay_at_alpha(alpha):
    """Over 200 fresh calibration sets, within what beta-binomial counts vary by."""
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(3, 6))

    def normal(n):
        return rng.normal(size=(n, 3)) @ mixing + 0.3 * rng.normal(size=(n, 6))

    detector = quick(contamination="none").fit(normal(300))
    repetitions, n, m = 200, 199, 50
    scores = detector.score_samples(normal(repetitions * (n + m))).reshape(repetitions, n + m)
    p = np.array([conformal.conformal_pvalues(-s[n:], -s[:n]) for s in scores])
    k = np.floor(alpha * (n + 1) + 1e-9)
    mean = k / (n + 1)
    beta = k * (n + 1 - k) / ((n + 1) ** 2 * (n + 2))
    spread = np.sqrt((beta * (1 - 1 / m) + mean * (1 - mean) / m) / repetitions)
    assert abs((p <= alpha).mean() - mean) < 4 * spread
    cuts = np.array([conformal.conformal_threshold(-s[:n], alpha) for s in scores])
    assert np.array_equal(-scores[:, n:] > cuts[:, None], p <= alpha)


def test_pvalues_and_decisions_agree():
    X, _ = planted(400, outliers=1)
    detector = quick(contamination="none", target_fpr=0.1).fit(X[:300])
    assert len(detector.calibration_scores_) == 60
    p = detector.pvalues(X[300:])
    assert p.min() >= 1 / 61
    assert p.max() <= 1
    assert np.array_equal(detector.predict(X[300:]) == -1, p <= 0.1)
    same = quick(contamination="none", alpha=0.1).fit(X[:300])
    assert np.array_equal(detector.predict(X[300:]), same.predict(X[300:]))


@pytest.fixture
def trained_on(monkeypatch):
    """The fingerprints of the rows that members were trained on, part by part."""
    marks = []

    def spy(rows):
        courses = begin_courses(rows)
        marks.append(courses.mark)
        return courses

    monkeypatch.setattr("isthmus.outliers.detector.begin_courses", spy)
    return marks


def test_calibration_rows_are_not_trained_on(trained_on):
    X, _ = planted(100, outliers=1)
    detector = quick(contamination="none").fit(X)
    scores = detector.score_samples(X)
    held = np.isin(scores, detector.calibration_scores_)
    assert held.sum() == 20
    assert trained_on == [fingerprint(X[~held], np.ones(80))]


# -- cross-fitted --------------------------------------------------------------------------------


def test_cross_fitted_pvalues_by_their_definition():
    rng = np.random.default_rng(0)
    new, held = rng.integers(0, 9, (7, 3)).astype(float), rng.integers(0, 9, 20).astype(float)
    folds = np.resize(np.arange(3), 20)
    p = conformal.conformal_pvalues(new, held, folds)
    for row, value in zip(new, p, strict=True):
        count = sum(held[i] >= row[folds[i]] for i in range(20))
        assert value == (1 + count) / 21


def test_each_row_is_scored_by_the_members_that_did_not_train_on_it(trained_on):
    X, _ = planted(103, outliers=1)
    detector = quick(contamination="none", calibration="cross", n_estimators=7).fit(X)
    folds, held = detector.calibration_folds_, detector.calibration_scores_
    assert np.bincount(folds).tolist() == [21, 21, 21, 20, 20]
    for k in range(5):
        members = detector.members_[k::5]
        scores = -strangeness(members, X)
        rows = np.flatnonzero(np.isin(scores, held[folds == k]))
        assert np.array_equal(scores[rows], held[folds == k])
        assert trained_on[k] == fingerprint(np.delete(X, rows, axis=0), np.ones(103 - len(rows)))


def test_cross_fitted_decisions_follow_their_pvalues():
    X, _ = planted(300, outliers=1)
    detector = quick(contamination="none", alpha=0.1, calibration="cross").fit(X[:200])
    p, found = detector.pvalues(X[200:]), detector.predict(X[200:])
    assert np.array_equal(found == -1, p <= 0.1)
    assert p.min() >= 1 / 201
    scores = detector.score_samples(X[200:])
    assert np.array_equal(detector.decide(scores, p), found)
    with pytest.raises(ValueError, match="give decide those of pvalues"):
        detector.decide(scores)
    found = detector.set_params(fdr=True).predict(np.vstack([X[200:], 20 * np.ones((9, 5))])) == -1
    assert found[-9:].all()
    for given, rate in (({"target_fpr": 0.1}, 0.1), ({}, 0.05)):
        other = quick(contamination="none", calibration="cross", **given).fit(X[:200])
        assert np.array_equal(other.predict(X[200:]) == -1, other.pvalues(X[200:]) <= rate)


def test_cross_fitted_false_positives_keep_their_bound():
    """Over 40 fresh training sets: at most 2a + 2 (1 - 1/K) / (n/K + 1), and here near a."""
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(2, 4))
    n, m, a = 100, 100, 0.1
    rates = []
    for seed in range(40):
        X = rng.normal(size=(n + m, 2)) @ mixing + 0.3 * rng.normal(size=(n + m, 4))
        detector = quick(alpha=a, contamination="none", calibration="cross", n_estimators=5)
        detector.set_params(random_state=seed).fit(X[:n])
        assert np.bincount(detector.calibration_folds_).tolist() == [20] * 5
        rates.append((detector.predict(X[n:]) == -1).mean())
    error = np.std(rates) / np.sqrt(len(rates))
    assert np.mean(rates) <= 2 * a + 2 * 0.8 / (n / 5 + 1) + 3 * error
    assert abs(np.mean(rates) - a) < 0.03 + 3 * error


def test_benjamini_and_hochberg_by_hand():
    p = np.array([0.01, 0.02, 0.03, 0.5, 0.9])
    assert conformal.discoveries(p, 0.05).tolist() == [True, True, True, False, False]
    assert conformal.discoveries(p, 0.01).tolist() == [False] * 5
    X, _ = planted(400, outliers=1)
    detector = quick(contamination="none", alpha=0.2, fdr=True).fit(X[:300])
    rows = np.vstack([X[300:340], 20 * np.ones((10, 5))])
    found = detector.predict(rows) == -1
    assert found[40:].all()
    assert np.array_equal(found, conformal.discoveries(detector.pvalues(rows), 0.2))


def test_auto_finds_few_where_none_are():
    X = np.random.default_rng(0).normal(size=(300, 4))
    found = OutlierDetector(random_state=0, n_estimators=4).fit(X).predict(X) == -1
    assert 0 < found.mean() < 0.08


# -- explanations --------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "lp:p=1.5", "bce", "poisson"])
def test_contributions_add_up_to_scores(loss):
    X = np.random.default_rng(0).uniform(size=(60, 4))
    ae = Autoencoder(2, loss=loss, max_epochs=2, early_stopping=False)
    detector = OutlierDetector(ae, **NUMBERS).fit(X)
    found = detector.explain(X)
    np.testing.assert_allclose(
        found.contribution.sum(axis=1), -detector.score_samples(X), atol=1e-6
    )
    assert found.columns == ("x0", "x1", "x2", "x3")


def test_the_column_that_was_changed_is_named():
    X, _ = planted(300, outliers=1)
    frame = pd.DataFrame(X, columns=list("abcde"))
    detector = OutlierDetector(random_state=0, n_estimators=4, contamination="none").fit(frame)
    changed = frame.iloc[:5].copy()
    changed["c"] += 8 * frame["c"].std()
    found = detector.explain(changed)
    assert {found.columns[i] for i in found.contribution.argmax(axis=1)} == {"c"}
    table = found.frame(top=2)
    assert table.columns == ["row", "column", "contribution", "observed", "expected"]
    assert len(table) == 10
    first = table.filter(pl.col("column") == "c").row(0, named=True)
    assert first["observed"] == pytest.approx(changed["c"].iloc[0])
    truth = np.median(np.abs(found.expected[:, 2] - frame["c"].iloc[:5]))
    assert truth < np.median(np.abs(found.expected[:, 2] - changed["c"]))


def test_a_loss_without_columns_explains_none():
    X, _ = planted(60)
    ae = Autoencoder(2, loss="cosine", max_epochs=1, early_stopping=False)
    detector = OutlierDetector(ae, **NUMBERS).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    with pytest.raises(ValueError, match="cosine is no sum over columns"):
        detector.explain(X)


# -- parameters ----------------------------------------------------------------------------------

CHANGES = {
    "autoencoder": Autoencoder(1, max_epochs=2, early_stopping=False),
    "n_estimators": 3,
    "contamination": "none",
    "target_fpr": 0.2,
    "n_references": 5,
    "max_samples": 60,
    "random_state": 1,
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_parameter_matters(name):
    X, _ = planted(120)
    before, after = quick().fit(X), quick(**{name: CHANGES[name]}).fit(X)
    assert not np.array_equal(before.decision_function(X), after.decision_function(X))


def test_the_parameters_of_held_out_rows_matter():
    X, _ = planted(120)
    base = quick(alpha=0.1).fit(X)
    assert base.offset_ != quick(alpha=0.2).fit(X).offset_
    assert base.offset_ != quick(alpha=0.1, calibration_fraction=0.4).fit(X).offset_
    assert base.offset_ != quick(alpha=0.1, calibration="cross").fit(X).offset_
    with pytest.warns(UserWarning, match="stranger than all 24 calibration rows, too few"):
        assert quick(alpha=0.1, fdr=True).fit(X).predict(X).sum() != base.predict(X).sum()


def test_verbose_tells_on_the_standard_error(capsys):
    X, _ = planted(60)
    quick().fit(X)
    assert capsys.readouterr() == ("", "")
    quick(verbose=1).fit(X)
    out, err = capsys.readouterr()
    assert out == ""
    assert "detector" in err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"contamination": 0.7}, r"'auto', 'none' or a number in \[0, 0.5\]; got 0.7. What more"),
        ({"contamination": 1}, "got 1. A share is no percentage: 1 % is 0.01."),
        ({"contamination": True}, "a number in .*; got True.$"),
        ({"contamination": None}, "got None. 'none' says that the rows are clean, 'auto' that"),
        ({"contamination": "some"}, "contamination must be 'auto', 'none' or a number"),
        ({"alpha": 1.5}, r"alpha must be a number in \(0, 1\); got 1.5"),
        ({"target_fpr": 0.1, "alpha": 0.1}, "two thresholds: give one"),
        ({"fdr": True}, "fdr=True needs alpha"),
        ({"n_estimators": 0}, "n_estimators must be a whole number of at least 1"),
        ({"n_references": 0}, "n_references must be 'auto' or a whole number"),
        ({"max_samples": 1}, "max_samples must be 'auto' or a whole number"),
        ({"calibration": "fold"}, "calibration must be 'split' or 'cross'; got 'fold'"),
        ({"calibration": "cross"}, "how rows are held out, and with contamination='auto' none are"),
        ({"calibration": "cross", "contamination": 0.1}, "with contamination=0.1 none are: give"),
        ({"autoencoder": {"max_epoch": 3}}, "no parameter 'max_epoch'. Did you mean 'max_epochs'"),
        ({"calibration": "cross", "n_estimators": 1}, "needs n_estimators of at least 2; got 1"),
        ({"alpha": 0.001, "calibration": "cross"}, "p-values from 120 calibration rows are at"),
        ({"alpha": 0.001}, "p-values from 24 calibration rows are at least 0.04"),
    ],
)
def test_bad_parameters(parameters, message):
    X, _ = planted(120)
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(X)


def test_too_few_calibration_rows_for_discoveries_are_said_to_be_too_few():
    X, _ = planted(120)
    new = np.concatenate([X[:37], np.full((3, X.shape[1]), 1e3)])
    few = quick(contamination="none", alpha=0.1, fdr=True).fit(X)
    with pytest.warns(UserWarning, match="3 rows are stranger than all 24 .* which takes 133:"):
        assert (few.predict(new) == 1).all()
    enough = quick(contamination="none", alpha=0.1, fdr=True)
    enough.set_params(calibration_fraction=0.5).fit(np.concatenate([X, X + 0.01, X - 0.01]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert enough.predict(new).tolist()[37:] == [-1] * 3
        assert (few.predict(X[:20]) == 1).all()  # none is stranger than all


def test_other_errors():
    X, _ = planted(60)
    with pytest.raises(TypeError, match="must be an Autoencoder"):
        OutlierDetector(StandardScaler()).fit(X)
    with pytest.raises(ValueError, match="none were held out: fit with contamination='none'"):
        quick().fit(X).pvalues(X)
    for parameters, n in (({}, 2), ({"calibration": "cross", "n_estimators": 5}, 9)):
        with pytest.raises(ValueError, match=f"{n} rows cannot be divided"):
            quick(contamination="none", **parameters).fit(X[:n])
    wild = Autoencoder(2, learning_rate=1e30, max_epochs=2, early_stopping=False)
    with pytest.raises(DivergenceError):
        OutlierDetector(wild, **NUMBERS).fit(X)


# -- kinds of data -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        np.ones((30, 3)),
        np.column_stack([np.ones(30), np.arange(30.0)]),
        np.arange(30.0)[:, None],
        np.repeat(np.arange(3.0), 10)[:, None] * [1.0, 2.0],
        np.array([[0.0, 1.0], [1.0, 0.0]]),
    ],
    ids=["equal rows", "constant column", "one feature", "duplicates", "two rows"],
)
def test_odd_data_are_scored(X):
    detector = quick().fit(X)
    scores = detector.score_samples(X)
    assert np.isfinite(scores).all()
    assert np.isfinite(detector.offset_)
    if len(np.unique(X, axis=0)) == 1:
        assert (detector.predict(X) == 1).all()
        assert (detector.predict(X + 5) == -1).all()


def test_images_and_pipelines():
    X = load_digits().images[:120]
    conv = Autoencoder(4, "conv:channels=[4]", max_epochs=1, early_stopping=False)
    detector = OutlierDetector(conv, **NUMBERS).fit(X)
    assert detector.transform(X).shape == (120, 4)
    flat = detector.explain(X[:3])
    assert flat.expected.shape == (3, 64)
    scored = detector.score_samples(X)
    assert scored.shape == (120,)
    pipe = make_pipeline(StandardScaler(), quick(contamination=0.1))
    rows = load_wine().data
    assert (pipe.fit_predict(rows) == -1).sum() == 18


def test_a_detector_clones_and_keeps_names():
    frame = pl.DataFrame(load_wine().data[:60, :3], schema=["a", "b", "c"])
    detector = clone(quick()).fit(frame)
    assert detector.feature_names_in_.tolist() == ["a", "b", "c"]
    assert detector.get_feature_names_out().tolist() == ["code0", "code1"]
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(frame.rename({"a": "z"}).to_pandas())


def test_the_default_autoencoder_follows_the_rows():
    assert default_autoencoder(np.zeros((100, 4))).n_components == 4
    assert default_autoencoder(np.zeros((100, 900))).n_components == 32
    assert default_autoencoder(np.zeros((100, 4))).max_epochs == 300
    assert default_autoencoder(np.zeros((100_000, 4))).max_epochs == 1


def test_parameters_of_the_default_autoencoder_can_be_set(tmp_path):
    X, _ = planted(60)
    detector = OutlierDetector(**NUMBERS).set_params(autoencoder__max_epochs=2, n_references=3)
    detector = clone(detector.set_params(autoencoder__corruption__rate=0.2)).fit(X)
    given = default_autoencoder(X).set_params(max_epochs=2, corruption__rate=0.2)
    same = OutlierDetector(given, n_references=3, **NUMBERS).fit(X)
    assert np.array_equal(detector.score_samples(X), same.score_samples(X))
    detector.save(tmp_path / "d")
    assert load(tmp_path / "d").autoencoder.max_epochs == 2
    same.set_params(autoencoder__max_epochs=3)
    assert same.autoencoder.max_epochs == 3
    assert OutlierDetector().set_params(n_estimators=2).autoencoder is None
    with pytest.raises(ValueError, match="no parameter 'epochs'. Did you mean 'max_epochs'"):
        OutlierDetector({"epochs": 3}, **NUMBERS).fit(X)


@pytest.mark.parametrize("output", ["pandas", "polars"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"alpha": 0.1, "calibration": "cross"}, {"autoencoder": {"scaling": StandardScaler()}}],
    ids=str,
)
def test_frames_as_the_output_of_all_transformers(output, settings):
    X = pd.DataFrame(load_wine().data[:60, :3], columns=["a", "b", "c"])
    plain = OutlierDetector(**NUMBERS, **settings).set_params(autoencoder__max_epochs=2)
    framed = clone(plain)
    plain.fit(X)
    with config_context(transform_output=output):
        assert np.array_equal(framed.fit_predict(X), plain.predict(X))
        assert np.array_equal(framed.score_samples(X), plain.score_samples(X))
        assert framed.explain(X).columns == ("a", "b", "c")
        codes = framed.transform(X)
        assert len(make_pipeline(StandardScaler(), clone(framed)).fit(X).predict(X)) == 60
    assert list(codes.columns) == plain.get_feature_names_out().tolist()
    assert np.array_equal(np.asarray(codes), plain.transform(X))


def test_repeated_rows_do_not_make_all_others_outliers():
    rng = np.random.default_rng(0)
    X = np.vstack([np.zeros((400, 3)), rng.normal(size=(100, 3))])
    found = OutlierDetector(n_estimators=4, random_state=0).fit_predict(X) == -1
    assert found.mean() < 0.05
    same = OutlierDetector(n_estimators=2, random_state=0).fit(np.ones((50, 3)))
    assert (same.predict(np.ones((50, 3))) == 1).all()
    assert same.predict([[9.0, 9.0, 9.0]])[0] == -1


@pytest.mark.parametrize("seed", range(3))
def test_of_normal_rows_a_few_per_cent_are_outliers_by_default(seed):
    X = np.random.default_rng(seed).normal(size=(600, 5))
    found = OutlierDetector(n_estimators=4, random_state=seed).fit_predict(X) == -1
    assert 0.005 < found.mean() < 0.06


def test_a_detector_with_other_members_than_asked_for_is_not_saved(tmp_path, fitted):
    detector = clone(fitted[0]).fit(fitted[1])
    with pytest.raises(ValueError, match="n_estimators is 3, but 4 members were fitted"):
        detector.set_params(n_estimators=3).save(tmp_path / "detector")
    assert not (tmp_path / "detector").exists()


def test_a_loss_that_refuses_rows_in_its_own_way_has_no_columns():
    def strict(x_out, x):
        assert x.shape[1] == 5
        return ((x_out - x) ** 2).mean(axis=1)

    X, _ = planted(60)
    ae = Autoencoder(2, loss=strict, max_epochs=2)
    detector = OutlierDetector(ae, n_estimators=2, random_state=0).fit(X)
    with pytest.raises(ValueError, match="no sum over columns"):
        detector.explain(X)


def test_the_default_autoencoder_passes_the_checks_of_outlier_detectors():
    detector = OutlierDetector(n_estimators=2, random_state=0)
    check_outliers_train("OutlierDetector", detector)
    check_outliers_fit_predict("OutlierDetector", detector)


def test_too_few_rows_for_a_rate_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(OutlierDetector, "_trained", lambda *_: pytest.fail("it trained"))
    with pytest.raises(ValueError, match="12 calibration rows are at least 0.0769"):
        OutlierDetector(alpha=0.01).fit(planted(60)[0])


def test_progress_ends_with_the_steps_that_were_taken(capsys):
    X, _ = planted(60)
    quick(verbose=1).fit(X)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "detector: 0 of 4 steps"
    assert told[-1] == "detector: 4 of 4 steps"


@pytest.mark.filterwarnings("ignore:.* stranger than all")
def test_scores_alone_are_enough_to_decide():
    X, _ = planted(150)
    detector = quick(alpha=0.2, fdr=True).fit(X)
    for parameters in ({}, {"fdr": False}):
        detector.set_params(**parameters)
        assert np.array_equal(detector.decide(detector.score_samples(X)), detector.predict(X))


@pytest.mark.parametrize("size", [1e18, 1e25, 1e37])
def test_rows_whose_loss_no_float_can_hold_are_the_strangest(size, rng):
    X = rng.normal(size=(120, 4))
    detector = OutlierDetector(n_estimators=2, random_state=0).fit(X)
    far = size * X[:3]
    scores = detector.score_samples(far)
    assert np.isfinite(scores).all()
    assert scores.max() < detector.score_samples(X).min()
    np.testing.assert_allclose(detector.explain(far).contribution.sum(axis=1), -scores, rtol=1e-5)
    assert (detector.predict(far) == -1).all()


def test_a_name_that_the_default_autoencoder_lacks_is_refused_at_once():
    with pytest.raises(ValueError, match="bogus"):
        OutlierDetector().set_params(autoencoder__bogus=1)
