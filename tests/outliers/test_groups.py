"""A detector of groups: rows are strange to their own group, and one rate holds for all."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import scale

import isthmus
from isthmus import OutlierDetector
from isthmus.outliers.shrinkage import DRAWS, noise_of, shrunk

BRIEF = {"autoencoder": {"max_epochs": 60}, "n_estimators": 2, "random_state": 0}


def family(sizes, seed=0, d=8, share=0.0):
    """Return rows whose columns depend on each other in another way in each group.

    The first of each group are outliers, a share of them: cells of several rows.
    """
    rng, X, y = np.random.default_rng(seed), [], []
    for i, n in enumerate(sizes):
        own = np.random.default_rng(100 + i)
        mix, centre = own.normal(size=(2, d)), 5 * own.normal(size=d)
        x = rng.normal(size=(n, 2)) @ mix + 0.2 * rng.normal(size=(n, d))
        bad = round(share * n)
        x[:bad] = np.take_along_axis(x, rng.integers(bad, n, (bad, d)), axis=0)
        X.append(centre + x)
        y.append(np.arange(n) < bad)
    return (
        np.concatenate(X),
        np.repeat([f"m{i}" for i in range(len(sizes))], sizes),
        np.concatenate(y),
    )


SIZES = [20, 40, 60, 90, 150, 256, 300]
X, G, Y = family(SIZES, share=0.08)
MANY = [20] + [60] * 10 + [200] * 20


@pytest.fixture(scope="module")
def detector():
    return OutlierDetector(contamination=0.08, **BRIEF).fit(X, groups=G)


@pytest.fixture(scope="module")
def clean():
    rows, groups, _ = family(MANY)
    return OutlierDetector(contamination="none", **BRIEF).fit(rows, groups=groups)


def test_rows_are_strange_to_their_own_group(detector):
    pooled = OutlierDetector(contamination=0.08, **BRIEF).fit(X)

    def auroc(scores):
        return np.mean([roc_auc_score(Y[m == G], -scores[m == G]) for m in np.unique(G)[3:]])

    ours, theirs = auroc(detector.score_samples(X, groups=G)), auroc(pooled.score_samples(X))
    assert ours > 0.9
    assert ours > theirs + 0.1
    assert detector.fleet_.fleet.n_own == 6


def test_a_share_of_all_rows_is_found(detector):
    found = detector.predict(X, groups=G) == -1
    assert abs(found.mean() - 0.08) < 0.01
    again = OutlierDetector(contamination=0.08, **BRIEF).fit_predict(X, groups=G)
    np.testing.assert_array_equal(again == -1, found)
    np.testing.assert_array_equal(detector.decision_function(X, groups=G) < 0, found)


def test_a_row_has_the_same_score_in_any_company(detector):
    scores, order = (
        detector.score_samples(X, groups=G),
        np.random.default_rng(0).permutation(len(X)),
    )
    np.testing.assert_array_equal(detector.score_samples(X[order], groups=G[order]), scores[order])
    for i in range(0, len(X), 150):
        assert detector.score_samples(X[i : i + 1], groups=G[i : i + 1])[0] == scores[i]


def test_a_group_is_judged_alike_beside_others(detector):
    some = np.isin(G, ["m3", "m5"])
    fewer = OutlierDetector(contamination=0.08, **BRIEF).fit(X[some], groups=G[some])
    # the seed of groups is drawn behind the members', so the arithmetic is compared, not the bits
    rows = X[G == "m5"]
    ours, theirs = (d.score_samples(rows, groups=["m5"] * len(rows)) for d in (detector, fewer))
    assert np.corrcoef(np.log(-ours), np.log(-theirs))[0, 1] > 0.9


def test_false_positives_are_near_the_target_in_groups(clean):
    rows, groups, _ = family([400] * len(MANY), seed=1)
    found = clean.predict(rows, groups=groups) == -1
    np.testing.assert_array_equal(clean.pvalues(rows, groups=groups) <= 0.05, found)
    rates = np.array([found[groups == f"m{i}"].mean() for i in range(1, len(MANY))])
    assert np.average(rates, weights=MANY[1:]) == pytest.approx(0.05, abs=0.015)
    assert rates.max() < 0.2
    flat = replace(clean.fleet_, factors=np.ones(len(MANY) - 1))
    places = clean.fleet_.fleet.find(groups, len(rows))
    own = places >= 0
    raw = flat.strangeness(clean.members_, rows[own], places[own])
    limit = np.quantile(raw, 1 - found[own].mean())  # as many alarms without shrunk thresholds
    unsettled = [(raw[groups[own] == f"m{i}"] > limit).mean() for i in range(1, len(MANY))]
    assert rates.std() < np.std(unsettled)


def test_contributions_add_up_to_scores_in_groups(detector):
    rows = np.arange(0, len(X), 40)
    why = detector.explain(X[rows], groups=G[rows])
    scores = detector.score_samples(X[rows], groups=G[rows])
    np.testing.assert_allclose(why.contribution.sum(axis=1), -scores, rtol=1e-4)


def test_files_and_pickles_keep_all(detector, clean, tmp_path):
    for found in (detector, clean):
        found.save(tmp_path / "d.isthmus")
        scores = found.score_samples(X, groups=G)
        for again in (isthmus.load(tmp_path / "d.isthmus"), pickle.loads(pickle.dumps(found))):
            np.testing.assert_array_equal(again.score_samples(X, groups=G), scores)
            np.testing.assert_array_equal(again.predict(X, groups=G), found.predict(X, groups=G))


def test_a_column_that_never_changed_in_a_group_is_new_when_it_does():
    rows = X.copy()
    rows[G == "m4", 2] = 7.0
    detector = OutlierDetector(contamination="none", **BRIEF).fit(rows, groups=G)
    odd = rows[G == "m4"][:5].copy()
    usual = detector.score_samples(odd, groups=["m4"] * 5)
    odd[:, 2] += 0.001
    assert (detector.score_samples(odd, groups=["m4"] * 5) < 3 * usual).all()
    kept = detector.fleet_.constants[detector.fleet_.fleet.place_of("m4")]
    assert kept[2] == 7.0
    assert np.isnan(kept[[0, 1, 3]]).all()


def test_an_absurd_cell_does_not_hide_the_outliers_of_its_group(detector):
    rows = X.copy()
    rows[np.flatnonzero(G == "m5")[-1], 3] = 1e12
    found = OutlierDetector(contamination=0.08, **BRIEF).fit(rows, groups=G)
    mine, theirs = (d.score_samples(X[G == "m5"], groups=G[G == "m5"]) for d in (found, detector))
    assert np.corrcoef(np.log(-mine), np.log(-theirs))[0, 1] > 0.95


def test_small_and_unseen_groups_are_judged_by_the_members(detector):
    pooled = OutlierDetector(contamination=0.08, **BRIEF).fit(X)
    factor = detector.fleet_.pooled_factor
    with pytest.warns(UserWarning, match="5 rows are of 1 group that fit did not see"):
        scores = detector.score_samples(X[:5], groups=["new"] * 5)
    np.testing.assert_allclose(scores, factor * pooled.score_samples(X[:5]), rtol=1e-5)
    np.testing.assert_allclose(detector.score_samples(X[:5], groups=["m0"] * 5), scores, rtol=1e-6)


def test_thresholds_are_shrunk_by_their_equation():
    rng = np.random.default_rng(0)
    own, sizes, t, noise = np.exp(rng.normal(0.3, 0.5, 40)), rng.integers(32, 400, 40), 1.2, 9.0
    own[::7] = np.nan
    known = ~np.isnan(own)
    deviation = np.log(own[known]) - np.log(t)
    truth = max(0, np.mean(deviation**2 - noise / sizes[known]))
    right = np.full(40, np.log(t))
    right[known] += truth / (truth + noise / sizes[known]) * deviation
    np.testing.assert_allclose(np.log(shrunk(own, sizes, t, noise)), right)


def test_shrunk_thresholds_are_nearer_the_truth():
    rng, n = np.random.default_rng(0), 60
    true = np.exp(0.15 * rng.normal(size=200))
    scores = true[:, None] * np.exp(0.4 * rng.normal(size=(200, n)))

    def rule(values):
        return float(np.quantile(values, 0.95))

    own = np.array([rule(row) for row in scores])
    pooled = rule(scores.ravel())
    noise = noise_of(rule, scores.ravel(), n, rng)
    assert noise == pytest.approx(n * np.var(np.log(own / true)), rel=0.5)
    right = true * np.exp(0.4 * 1.645)
    found = shrunk(own, np.full(200, n), pooled, noise)
    errors = [np.mean(np.log(t / right) ** 2) for t in (found, own, np.full(200, pooled))]
    assert errors[0] < min(errors[1:])
    assert DRAWS >= 100


@pytest.mark.parametrize(
    ("settings", "rows", "groups", "words"),
    [
        ({"calibration": "cross", "alpha": 0.1}, X, G, "calibration='cross' is not for groups"),
        ({"columns": {"x0": "category"}}, X, G, "x0: asked for as category"),
        ({}, np.where(X > 9, np.nan, X), G, "x0: 68 cells missing"),
        ({}, X, G[1:], "916 rows, and groups 915 values"),
        ({}, X, np.arange(len(X)), "None of the 916 groups has 32 rows"),
        ({"autoencoder": {"scaling": "asinh"}}, X, G, "'asinh' is not for groups"),
        ({"autoencoder": {"early_stopping": True}}, X, G, "is not for groups"),
    ],
)
def test_what_groups_cannot_be_is_said_before_any_work(settings, rows, groups, words):
    with pytest.raises(ValueError, match=words):
        OutlierDetector(**settings).fit(rows, groups=groups)


def test_what_a_detector_of_groups_cannot_do_is_said(detector):
    for call, words in (
        (lambda: detector.score_samples(X), "give the group of each row"),
        (lambda: detector.predict(X, groups=G[:2]), "916 rows, and groups 2 values"),
        (lambda: detector.export("x.onnx"), "7 groups"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


def test_defaults_of_a_group_are_narrow_and_scores_of_separate_fits_are_no_better():
    rows, groups, y = family([256] * 3, seed=5, d=10, share=0.06)
    rows = scale(rows)
    ours = OutlierDetector(n_estimators=2, random_state=0).fit(rows, groups=groups)
    assert ours.fleet_.fleet.stack.like.n_parameters < 500
    scores = ours.score_samples(rows, groups=groups)
    for m in np.unique(groups):
        mine = groups == m
        alone = OutlierDetector(n_estimators=2, random_state=0).fit(rows[mine])
        theirs = roc_auc_score(y[mine], -alone.score_samples(rows[mine]))
        assert roc_auc_score(y[mine], -scores[mine]) > theirs - 0.03
