"""One model a group: as a fit on its rows alone, whatever company it has, in memory and in a file."""

import copy
import datetime
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus import Autoencoder, OutlierDetector
from isthmus.autoencoder.groups import LEAST_ROWS, Grouped, fit_stack
from isthmus.autoencoder.rows import Rows
from isthmus.fleet import sorted_keys
from isthmus.fleet.stack import TILE, in_tiles
from isthmus.model import resolve_slots
from isthmus.training import DivergenceError, windows

SIZES = [5, 31, 33, 40, 100, 256, 300]
G = np.concatenate([np.repeat(f"m{i}", n) for i, n in enumerate(SIZES)])
np.random.default_rng(1).shuffle(G)


def made(g):
    """Return rows whose columns depend on each other in another way in each group."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(len(g), 5))
    X[:, 1] = X[:, 0] * np.array([int(key[1:]) - 3 for key in g]) + 0.1 * X[:, 1] + 50
    return X


X = made(G)


@pytest.fixture(scope="module")
def ae():
    return Autoencoder(2, random_state=0, max_epochs=30).fit(X, groups=G)


def test_a_group_has_the_model_of_a_fit_on_its_rows_alone(ae):
    for group in ("m2", "m4", "m6"):
        rows = X[group == G]
        alone = Autoencoder(2, random_state=0, max_epochs=30, early_stopping=False).fit(rows)
        scores = ae.score_samples(rows, groups=[group] * len(rows))
        np.testing.assert_allclose(scores, alone.score_samples(rows), rtol=2e-4, atol=1e-6)
        np.testing.assert_allclose(
            ae.score(rows, groups=[group] * len(rows)), alone.score(rows), rtol=1e-4
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"corruption": "gaussian:std=0.3"},
        {"sparsity": "kl", "architecture": "dense:activation=sigmoid"},
        {"loss": "mae", "scaling": "minmax", "batch_size": 16},
    ],
)
def test_every_slot_is_the_same_in_a_group(settings):
    settings = {"max_epochs": 4, "random_state": 0, **settings}
    both = np.isin(G, ["m3", "m4"])
    many = Autoencoder(2, **settings).fit(X[both], groups=G[both])
    rows = X[G == "m4"]
    alone = Autoencoder(2, early_stopping=False, **settings).fit(rows)
    scores = many.score_samples(rows, groups=["m4"] * len(rows))
    np.testing.assert_allclose(scores, alone.score_samples(rows), rtol=2e-3, atol=1e-5)


def test_a_model_does_not_depend_on_other_groups(ae):
    some = np.isin(G, ["m2", "m5"])
    fewer = Autoencoder(2, random_state=0, max_epochs=30).fit(X[some], groups=G[some])
    for group in ("m2", "m5"):
        ours, theirs = (a.of_group(group).net_.encoder[0].weight for a in (ae, fewer))
        np.testing.assert_array_equal(ours, theirs)


def test_a_row_has_the_same_answer_in_any_company(ae):
    order = np.random.default_rng(2).permutation(len(X))
    scores = ae.score_samples(X, groups=G)
    np.testing.assert_array_equal(ae.score_samples(X[order], groups=G[order]), scores[order])
    for i in range(0, len(X), 100):
        assert ae.score_samples(X[i : i + 1], groups=G[i : i + 1])[0] == scores[i]


def test_the_same_seed_gives_the_same_bits(ae):
    again = Autoencoder(2, random_state=0, max_epochs=30).fit_transform(X, groups=G)
    np.testing.assert_array_equal(again, ae.transform(X, groups=G))


def test_small_and_unseen_groups_are_answered_by_the_pooled_model(ae):
    fleet = ae.fleet_
    assert dict(zip(fleet.keys.values, fleet.rows.tolist(), strict=True)) == dict(
        zip((f"m{i}" for i in range(len(SIZES))), SIZES, strict=True)
    )
    assert fleet.n_own == sum(n >= LEAST_ROWS for n in SIZES)
    pooled = Autoencoder(2, random_state=0, max_epochs=30).fit(X).score_samples(X[:3])
    np.testing.assert_allclose(ae.score_samples(X[:3], groups=["m1"] * 3), pooled, rtol=1e-4)
    with pytest.warns(
        UserWarning, match="1 row is of 1 group .* 'new', and 1 row has no group"
    ) as told:
        scores = ae.score_samples(X[:3], groups=["new", None, "m0"])
    assert len(told) == 1
    np.testing.assert_allclose(scores, pooled, rtol=1e-4)


def test_methods_know_groups(ae):
    codes = ae.transform(X, groups=G)
    again = ae.reconstruct(X, groups=G)
    np.testing.assert_allclose(ae.inverse_transform(codes, groups=G), again, rtol=1e-5)
    np.testing.assert_array_equal(ae.encode(X, 1, groups=G), codes)
    why = ae.explain(X[:9], groups=G[:9])
    scores = ae.score_samples(X[:9], groups=G[:9])
    np.testing.assert_allclose(why.contribution.sum(axis=1), -scores, rtol=1e-5)
    frame = pl.DataFrame(X, schema=list("abcde"))
    named = Autoencoder(2, random_state=0, max_epochs=2).fit(frame, groups=G)
    assert named.reconstruct(frame[:2], groups=G[:2]).columns == list("abcde")


@pytest.mark.parametrize(
    ("groups", "kind"),
    [
        ([3, 1], "whole"),
        (np.array([3.0, 1.0]), "whole"),
        (pd.Series([3, 1], name="m"), "whole"),
        (pl.Series("m", ["b", "a"]), "text"),
        (pl.Series(["b", "a"], dtype=pl.Categorical), "text"),
        (pd.Series(["b", "a"], dtype="category"), "text"),
        (np.array(["b", "a"]), "text"),
        ([datetime.date(2026, 2, 1), datetime.date(2026, 1, 1)], "date"),
        (np.array(["2026-02-01", "2026-01-01"], "M8[D]"), "date"),
        (pl.Series([datetime.datetime(2026, 2, 1), datetime.datetime(2026, 1, 1)]), "date"),
    ],
)
def test_keys_of_every_kind_are_found_again(groups, kind, tmp_path):
    keys, numbers = sorted_keys(groups)
    assert keys.kind == kind
    assert numbers.tolist() == [1, 0]
    assert keys.find(groups)[0].tolist() == [1, 0]
    assert keys.text(keys.values[0]) in ("1", "a", "2026-01-01 00:00:00", "2026-01-01")
    g = [groups[i] for i in [0] * 40 + [1] * 40]
    ae = Autoencoder(2, random_state=0, max_epochs=1).fit(X[:80], groups=g)
    ae.save(tmp_path / "m.isthmus")
    again = isthmus.load(tmp_path / "m.isthmus")
    assert again.fleet_.keys.values == ae.fleet_.keys.values
    np.testing.assert_array_equal(again.transform(X[:80], g), ae.transform(X[:80], g))


def test_files_and_pickles_keep_all(ae, tmp_path):
    scores, path = ae.score_samples(X, groups=G), tmp_path / "m.isthmus"
    ae.save(path)
    for again in (isthmus.load(path), pickle.loads(pickle.dumps(ae))):
        np.testing.assert_array_equal(again.score_samples(X, groups=G), scores)
    ae.save(path, part="encoder")
    encoder = isthmus.load(path)
    np.testing.assert_array_equal(encoder.transform(X, groups=G), ae.transform(X, groups=G))
    with pytest.raises(ValueError, match="can only encode"):
        encoder.score_samples(X, groups=G)
    assert clone(ae).fleet_ is None


def test_a_fit_without_groups_forgets_them(ae):
    again = pickle.loads(pickle.dumps(ae)).fit(X)
    assert again.fleet_ is None
    again.score_samples(X)


def test_one_group_can_be_taken_out(ae):
    one, rows = ae.of_group("m5"), X[G == "m5"]
    np.testing.assert_allclose(
        one.score_samples(rows), ae.score_samples(rows, groups=["m5"] * len(rows)), rtol=1e-5
    )
    with pytest.raises(ValueError, match="no group 'm99'"):
        ae.of_group("m99")


WITH_GAPS = np.where(X > 52, np.nan, X)
ODD = pl.DataFrame({"a": X[:, 0], "s": G, "flag": G}).with_columns(
    day=datetime.date(2026, 1, 1), yes=pl.col("a") > 0, gap=pl.Series([None, np.nan, *X[2:, 0]])
)


@pytest.mark.parametrize(
    ("settings", "rows", "groups", "words"),
    [
        ({"early_stopping": True}, X, G, "early_stopping=True is not for groups"),
        ({"pretrain": 3}, X, G, "pretrain=3 is not for groups"),
        ({"warm_start": True}, X, G, "warm_start=True is not"),
        ({"scaling": "asinh"}, X, G, "'asinh' is not for groups"),
        ({"scaling": "anscombe"}, X, G, "'anscombe' is not for groups"),
        ({"scaling": StandardScaler()}, X, G, "is not for groups"),
        ({}, WITH_GAPS, G, r"do not take \(x\d: \d+ cells? missing\): drop, encode or fill"),
        ({}, ODD, G, r"\(s, flag: words; day: dates; yes: truths; gap: 2 cells missing\)"),
        ({"columns": {"a": "category"}}, ODD[["a"]], G, "a: asked for as category"),
        ({}, X, G[:-1], "765 rows, and groups 764 values"),
        ({}, X, np.arange(len(X)), "None of the 765 groups has 32 rows"),
        ({}, X, [None, *G[1:]], "no value in row 0: fill it"),
        (
            {},
            X,
            [*G[:3], None, None, *G[5:]],
            "no value in 2 rows, the first of them row 3: fill them",
        ),
        ({}, X, [1.5] * len(X), "texts, whole numbers or dates; got 1.5"),
        ({}, X, np.ones((len(X), 2)), "a column with a value for each row"),
        ({}, X, [3, *G[1:]], "of one kind"),
    ],
)
def test_what_groups_cannot_be_is_said_before_any_work(settings, rows, groups, words):
    with pytest.raises(ValueError, match=words):
        Autoencoder(2, max_epochs=10**9, **settings).fit(rows, groups=groups)


def test_what_a_model_cannot_answer_is_said(ae):
    for call, words in (
        (lambda: ae.score_samples(X), "give the group of each row"),
        (lambda: ae.score_samples(X, groups=np.arange(len(X))), "those of the fit were texts"),
        (lambda: ae.score_samples(X, groups=G[:3]), "765 rows, and groups 3 values"),
        (lambda: ae.of_group("m5").score_samples(X, groups=G), "fitted without groups"),
        (lambda: ae.export("x.onnx"), "holds one model, and this one has 7 groups"),
        (lambda: ae.partial_fit(X), "cannot learn more rows"),
        (lambda: ae.score_samples(np.full((1, 5), 1e39), groups=["m2"]), "too large for dtype"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize(("far", "own"), [(slice(0, 80), [-1, 0]), (slice(None), None)])
def test_a_group_that_diverges_is_pooled_and_the_others_are_not(far, own):
    rows, (keys, numbers) = np.vstack([X[:80], X[:80]]), sorted_keys(["bad"] * 80 + ["good"] * 80)
    rows[far] *= 1e30
    ae = Autoencoder(2, max_epochs=2, scaling=None)
    given = Grouped(Rows(rows, np.ones(160), None), keys, numbers)
    if own is None:
        with pytest.raises(DivergenceError, match="of all groups"):
            fit_stack(ae, resolve_slots(ae), given, 0)
        return
    with pytest.warns(ConvergenceWarning, match="such as 'bad', diverged"):
        stack, places = fit_stack(ae, resolve_slots(ae), given, 0)
    assert places.tolist() == own
    assert len(stack) == 1


def test_weights_count_in_a_group():
    weight = np.where(np.arange(len(X)) % 3, 1.0, 0.0)
    kept = weight > 0
    weighed = Autoencoder(2, random_state=0, max_epochs=3).fit(X, None, weight, groups=G)
    fewer = Autoencoder(2, random_state=0, max_epochs=3).fit(X[kept], groups=G[kept])
    np.testing.assert_array_equal(
        weighed.score_samples(X, groups=G), fewer.score_samples(X, groups=G)
    )


def test_groups_of_a_splitter_go_to_nobody_else():
    ae, rows = Autoencoder(2, max_epochs=2, random_state=0), X[G == "m6"]
    groups = np.arange(len(rows)) % 4
    plain = cross_val_score(ae, rows, groups=groups, cv=GroupKFold(2))
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_val_score(ae, rows, params={"groups": groups}, cv=GroupKFold(2))
        pipe = make_pipeline(
            StandardScaler(),
            clone(ae).set_fit_request(groups=True).set_transform_request(groups=True),
        )
        codes = pipe.fit(X, groups=G).transform(X, groups=G)
    np.testing.assert_array_equal(plain, routed)
    assert codes.shape == (len(X), 2)


def test_tiles_hold_every_row_once_and_one_model_each():
    numbers = np.random.default_rng(0).integers(0, 9, 1000)
    found = np.full(1000, -1)
    for cut in in_tiles(numbers):
        assert cut.slot.max() < TILE
        assert len({*zip(cut.tile.tolist(), cut.slot.tolist(), strict=True)}) == len(cut.order)
        found[cut.order] = cut.numbers[cut.tile]
    np.testing.assert_array_equal(found, numbers)


def test_one_model_from_a_model_of_groups_is_said_to_start_from_the_pooled_one(ae):
    said = "a model for each of 7 groups: training starts from the pooled one"
    with pytest.warns(UserWarning, match=said):
        Autoencoder(2, random_state=0, max_epochs=1).fit(X, init=ae)
    again = copy.copy(ae).set_params(warm_start=True, max_epochs=1)
    with pytest.warns(UserWarning, match=said):
        again.fit(X)
    assert again.fleet_ is None


def test_warnings_about_training_say_of_which_model_they_are():
    few = X[G == "m6"]
    with pytest.warns(ConvergenceWarning) as caught:
        Autoencoder(2, random_state=0, max_epochs=1, learning_rate=1e-9).fit(
            few, groups=G[G == "m6"]
        )
    assert [
        str(w.message).startswith("Of the pooled model: The model's error") for w in caught
    ] == [True]
    assert caught[0].filename == __file__


def test_a_source_that_is_small_enough_is_read(ae, monkeypatch):
    lazy = pl.LazyFrame(X, schema=list("abcde"))
    found = Autoencoder(2, random_state=0, max_epochs=2).fit(lazy, groups=G)
    right = Autoencoder(2, random_state=0, max_epochs=2).fit(lazy.collect(), groups=G)
    np.testing.assert_array_equal(*(e.score_samples(lazy, groups=G) for e in (found, right)))
    monkeypatch.setattr(windows, "WINDOW", 1000)
    for estimator in (Autoencoder(2), OutlierDetector()):
        with pytest.raises(
            ValueError, match="the LazyFrame has 765 rows, more than are read unasked"
        ):
            estimator.fit(lazy, groups=G)
