"""Populations against single fits, `tune` against scikit-learn's search, criteria against their
mathematics, and `isthmus tune`.
"""

import json
import re
from pathlib import Path

import jax
import numpy as np
import polars as pl
import pytest
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus import Autoencoder, DivergenceError, tune
from isthmus.autoencoder.network import build_net
from isthmus.autoencoder.rows import Prepared
from isthmus.cli.commands.tune import parse_grid
from isthmus.model.scaling import Affine
from isthmus.model.slots import resolve_slots
from isthmus.search import criteria as _criteria
from isthmus.search.importance import importances
from isthmus.search.tune import _rungs
from isthmus.training import groups as populations
from isthmus.training import trainer as engine
from isthmus.training.layerwise import movable_weights
from isthmus.training.runtime import computing
from isthmus.training.state import ScaledRows, TrainerSettings, first_state, to_device

ROOT = Path(__file__).parents[2]
SMALL = {"n_components": 2, "max_epochs": 4, "random_state": 0}


def rows(n=60, d=5, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)) + 0.1 * rng.normal(size=(n, d))


def trainers(n, *, seeds=(0,), own_rows=False, own_weights=False, freeze=None, **params):
    """Return trainers that differ in their rates, nets and, where asked for, seeds and rows."""
    members, shared = [], None
    for i in range(n):
        params = {
            "sparsity": "kl",
            "corruption": "gaussian",
            "architecture": "dense:hidden=[4]",
        } | params
        ae = Autoencoder(2, **params)
        slots = resolve_slots(ae)
        x = rows(seed=i if own_rows else 0).astype(ae.dtype)
        weight = 1 + (np.arange(len(x)) + i) % 3 if own_weights else np.ones(len(x))
        scaler = Affine(np.zeros(x.shape[1]), np.ones(x.shape[1]))
        scaled = ScaledRows(x, np.ones(len(x)), x[:0], np.ones(0))
        prepared = Prepared("standard", scaler, scaled, x.mean(axis=0))
        net = build_net(ae, slots, prepared, None, i)
        if shared is None or own_rows:
            shared = [to_device(x[10:], weight[10:]), to_device(x[:10], weight[:10])]
        data = (
            shared[0]._replace(weight=to_device(x[10:], weight[10:]).weight)
            if own_weights
            else shared[0]
        )
        objective = slots.bound_objective(x, ae.dtype, None)
        settings = TrainerSettings(
            16, 6, 1e-3 * (i + 1), seeds[i % len(seeds)], 5, evaluate_every=8
        )
        state = first_state(objective, net, ae.dtype)
        movable = movable_weights(net, freeze)
        members.append(engine.Trainer(objective, data, settings, state, shared[1], movable))
    return members


def assert_alike(one, other, tolerance=2e-5):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# -- populations ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"seeds": (1, 2)},
        {"own_rows": True},
        {"own_weights": True, "seeds": (3, 4, 5)},
        {"freeze": "encoder"},
        {"sparsity": "topk:k=1", "penalty": "contractive", "corruption": None},
        {"architecture": "dense:hidden=[4],dropout=0.2", "sparsity": None},
    ],
    ids=["alike", "seeds", "rows", "weights", "frozen", "contractive", "dropout"],
)
def test_members_are_trained_as_they_are_alone(how):
    together, alone = trainers(5, **how), trainers(5, **how)
    assert populations.train_together(together) == [None] * 5
    for a, b in zip(together, alone, strict=True):
        b.run()
        assert_alike(a.state.params, b.state.params)
        assert_alike(a.state.best_net, b.state.best_net)
        assert (a.state.step, a.state.wait, a.state.stopped) == (
            b.state.step,
            b.state.wait,
            b.state.stopped,
        )
        assert [r["epoch"] for r in a.state.history] == [r["epoch"] for r in b.state.history]
        for name in ("loss", "kl", "validation_loss", "learning_rate"):
            ours, theirs = ([r.get(name, 0) for r in t.state.history] for t in (a, b))
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_population_of_one_is_a_single_fit_to_the_bit():
    (together,), (alone,) = trainers(1), trainers(1)
    populations.train_together([together])
    alone.run()
    for a, b in zip(
        jax.tree.leaves(together.state.params), jax.tree.leaves(alone.state.params), strict=True
    ):
        assert np.array_equal(a, b)


def test_double_precision_reaches_the_threads():
    with computing("float64", None):
        together, alone = trainers(8, dtype="float64"), trainers(8, dtype="float64")
        populations.train_together(together, width=2)
        for a, b in zip(together, alone, strict=True):
            b.run()
            assert a.state.params.net.encoder[0].weight.dtype == np.float64
            assert_alike(a.state.params, b.state.params, 1e-11)


def test_members_of_several_shapes_and_lengths_are_trained_in_groups_of_their_own():
    members = [*trainers(3), *trainers(2, architecture="dense"), *trainers(2, own_rows=True)]
    members[1].settings = members[1].settings._replace(max_epochs=2)
    groups = list(populations._groups(members, 16))
    assert sorted(i for group in groups for i in group) == list(range(7))
    assert {frozenset(g) for g in groups} == {frozenset(g) for g in ({0, 2, 5, 6}, {1}, {3, 4})}


@pytest.mark.parametrize(("n", "width", "sizes"), [(9, 4, {3}), (5, 1, {1}), (3, 8, {3})])
def test_groups_are_even(n, width, sizes):
    groups = list(populations._groups(trainers(n), width))
    assert {len(group) for group in groups} == sizes


def test_rows_of_their_own_are_stacked_within_a_limit(monkeypatch):
    monkeypatch.setattr(populations, "MOST_BYTES", 3 * trainers(1)[0].data.x.nbytes)
    assert {len(g) for g in populations._groups(trainers(9, own_rows=True), 16)} == {3}
    assert max(len(g) for g in populations._groups(trainers(9), 16)) > 3


def test_a_paused_member_goes_on():
    paused, whole = trainers(3), trainers(3)
    for until in (5, 11, paused[0].total):
        for member in paused:
            member.until = until
        assert populations.train_together(paused) == [None] * 3
        assert {member.state.step for member in paused} == {until}
    populations.train_together(whole)
    for a, b in zip(paused, whole, strict=True):
        assert_alike(a.state.params, b.state.params, 1e-6)
        assert len(a.state.history) == len(b.state.history)


def test_a_member_that_diverges_leaves_the_others_alone():
    together, alone = trainers(4), trainers(4)
    for members in (together, alone):
        members[2].schedule = members[2].schedule._replace(rate=np.float32(1e30))
    errors = populations.train_together(together)
    assert [error is None for error in errors] == [True, True, False, True]
    assert "diverged in epoch 1" in str(errors[2])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(together[2].state.params.net))
    alone[3].run()
    assert_alike(together[3].state.params, alone[3].state.params)


def test_members_stop_when_their_own_patience_ends():
    together, alone = trainers(4), trainers(4)
    for members in (together, alone):
        for i in (0, 2):
            members[i].settings = members[i].settings._replace(tol=10.0, patience=1)
    populations.train_together(together)
    for a, b in zip(together, alone, strict=True):
        b.run()
        assert (a.state.step, a.state.stopped) == (b.state.step, b.state.stopped)
        assert_alike(a.state.params, b.state.params)
    steps, total = [member.state.step for member in together], together[1].total
    assert steps == [16, total, 16, total]


@pytest.mark.parametrize("width", [2, 8])
def test_an_interrupt_leaves_whole_states(width):
    members = trainers(8)

    def interrupt(steps):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        populations.train_together(members, width, interrupt)
    for member in members:
        assert 0 <= member.state.step < member.total
        assert_alike(member.run().params, member.state.params)
    (fresh, *_) = trainers(8)
    assert_alike(fresh.run().params, members[0].state.params)


def test_steps_are_counted():
    seen = []
    members = [*trainers(3), *trainers(1, architecture="dense")]
    populations.train_together(members, on_steps=seen.append)
    assert sum(seen) == sum(member.state.step for member in members)


# -- tune ----------------------------------------------------------------------------------------

GRID = {
    "learning_rate": [1e-3, 1e-2],
    "sparsity__rho": [0.05, 0.3],
    "corruption__0__std": [0.1, 1.0],
}


@pytest.mark.parametrize(
    "params",
    [
        {"sparsity": "kl", "corruption": ("gaussian",)},
        {"sparsity": "kl", "corruption": ("gaussian",), "early_stopping": True, "batch_size": 7},
        {
            "architecture": "dense:hidden=[4],activation=sigmoid",
            "sparsity": "kl",
            "corruption": ("gaussian",),
            "pretrain": "layerwise",
        },
    ],
    ids=["plain", "early stopping", "pretrained"],
)
def test_candidates_are_what_scikit_learn_trains_one_by_one(params):
    ae = Autoencoder(**SMALL, **params)
    cv = KFold(3, shuffle=True, random_state=0)
    ours, theirs = tune(ae, GRID, rows(), cv=3), GridSearchCV(ae, GRID, cv=cv).fit(rows())
    assert set(ours.cv_results_) == set(theirs.cv_results_)
    for name in ("mean_test_score", "std_test_score", "split2_test_score"):
        np.testing.assert_allclose(ours.cv_results_[name], theirs.cv_results_[name], atol=1e-4)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert np.array_equal(
        ours.cv_results_["rank_test_score"], theirs.cv_results_["rank_test_score"]
    )
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_index_ == theirs.best_index_
    assert np.array_equal(
        ours.best_estimator_.transform(rows()), theirs.best_estimator_.transform(rows())
    )


def test_images_and_convolutions_are_searched(digits):
    images = digits[:80].reshape(-1, 8, 8)
    ae = Autoencoder(2, "conv:channels=[2]", max_epochs=2, random_state=0)
    grid = {"learning_rate": [1e-3, 1e-2], "n_components": [2, 3]}
    ours = tune(ae, grid, images)
    theirs = GridSearchCV(ae, grid, cv=ShuffleSplit(1, test_size=0.2, random_state=0)).fit(images)
    ours, theirs = (s.cv_results_["mean_test_score"] for s in (ours, theirs))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_numbers_compile_nothing():
    ae = Autoencoder(**SMALL, sparsity="kl", corruption=("gaussian",))
    tune(ae, GRID, rows())
    programs = populations._advance_unshared._cache_size()
    assert programs
    grid = {
        "learning_rate": [2e-3, 3e-3],
        "sparsity__rho": [0.1, 0.2],
        "corruption__0__std": [2, 0.5],
    }
    tune(ae, grid, rows(seed=1))
    assert populations._advance_unshared._cache_size() == programs


def test_a_list_of_grids_addresses_slots_and_parts():
    grid = [
        {"sparsity": ["kl", isthmus.TopK(k=1)], "architecture": ["dense", "dense:hidden=[4]"]},
        {"penalty": [None, ("l2", "contractive")], "architecture__hidden": [[3]]},
        {"corruption__std": [0.1, (0.1, 0.5), (0.2, 0.6)]},
    ]
    found = tune(Autoencoder(**SMALL, corruption="gaussian"), grid, rows())
    assert len(found.cv_results_["params"]) == 9
    assert found.cv_results_["param_sparsity"].mask.tolist() == [False] * 4 + [True] * 5
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    json.dumps(found.facts(), allow_nan=False)


def test_candidates_are_drawn():
    grid = {"learning_rate": stats.loguniform(1e-4, 1e-1), "n_components": [1, 2]}
    ae = Autoencoder(**SMALL)
    found, again = (tune(ae, grid, rows(), n_iter=6) for _ in range(2))
    rates = [p["learning_rate"] for p in found.cv_results_["params"]]
    assert len(set(rates)) == 6
    assert min(rates) > 1e-4
    assert found.cv_results_["params"] == again.cv_results_["params"]
    other = tune(ae.set_params(random_state=1), grid, rows(), n_iter=6)
    assert other.cv_results_["params"] != found.cv_results_["params"]
    few = tune(ae, {"n_components": [1, 2, 3]}, rows(), n_iter=2)
    assert len(few.cv_results_["params"]) == 2


def test_the_same_seed_finds_the_same_and_global_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    ae, grid = Autoencoder(2, max_epochs=3, random_state=7), {"learning_rate": [1e-3, 1e-2]}
    one, two = (tune(ae, grid, rows()) for _ in range(2))
    assert np.array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert np.array_equal(
        one.best_estimator_.transform(rows()), two.best_estimator_.transform(rows())
    )
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert not hasattr(ae, "net_")
    assert ae.random_state == 7


def test_without_a_seed_candidates_still_share_one():
    found = tune(Autoencoder(2, max_epochs=2), {"tol": [1e-4, 1e-4, 1e-4]}, rows())
    assert len(set(found.cv_results_["mean_test_score"].round(5))) == 1
    varied = tune(Autoencoder(2, max_epochs=2), {"random_state": [0, 1, 2]}, rows())
    assert len(set(varied.cv_results_["mean_test_score"].round(5))) == 3


def test_frames_keep_their_names():
    import pandas as pd

    names = [f"c{i}" for i in range(5)]
    frames = pd.DataFrame(rows(), columns=names), pl.DataFrame(rows(), schema=names)
    for frame in frames:
        found = tune(Autoencoder(**SMALL), {"learning_rate": [1e-3, 1e-2]}, frame)
        assert list(found.best_estimator_.feature_names_in_) == names


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "X",
    [np.ones((10, 3)), np.c_[rows(30), np.ones(30)], rows(30, 1), np.repeat(rows(5), 6, axis=0)],
    ids=["equal rows", "constant column", "one feature", "duplicates"],
)
def test_odd_rows_are_searched(X):
    found = tune(Autoencoder(**SMALL | {"n_components": 1}), {"learning_rate": [1e-3, 1e-2]}, X)
    assert np.isfinite(found.best_score_)


# -- halving -------------------------------------------------------------------------------------


def test_halving_trains_the_best_again_for_longer():
    grid = {"learning_rate": list(np.geomspace(1e-5, 1e-1, 9))}
    ae = Autoencoder(2, max_epochs=18, random_state=0)
    found, full = tune(ae, grid, rows(), halving=True), tune(ae, grid, rows())
    results = found.cv_results_
    assert sorted(results["iter"]) == [0] * 6 + [1] * 2 + [2]
    assert [set(results["n_resources"][results["iter"] == k]) for k in range(3)] == [{2}, {6}, {18}]
    assert results["iter"][found.best_index_] == 2
    assert results["rank_test_score"][found.best_index_] == 1
    assert sorted(results["rank_test_score"]) == list(range(1, 10))
    longest = results["iter"] == 2
    ours, theirs = (r.cv_results_["mean_test_score"][longest] for r in (found, full))
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert set(tune(ae, grid, rows(), halving=True, factor=9).cv_results_["iter"]) == {0, 1}


def test_rungs():
    assert [r.n for r in _rungs(27, 3)] == [27, 9, 3]
    assert [round(1 / r.share) for r in _rungs(27, 3)] == [9, 3, 1]
    assert [(r.n, r.share) for r in _rungs(1, 3)] == [(1, 1.0)]
    assert [r.n for r in _rungs(5, 2)] == [5, 3, 2]


# -- criteria ------------------------------------------------------------------------------------


def test_similarity_is_that_of_the_definition(rng):
    a, b = rng.normal(size=(50, 3)), rng.normal(size=(50, 4))
    centre = np.eye(50) - 1 / 50

    def hsic(p, q):
        return np.trace(p @ p.T @ centre @ q @ q.T @ centre)

    expected = hsic(a, b) / np.sqrt(hsic(a, a) * hsic(b, b))
    assert _criteria.similarity(a, b) == pytest.approx(expected)
    turned = 3 * a @ stats.ortho_group.rvs(3, random_state=0) + 7
    assert _criteria.similarity(a, turned) == pytest.approx(1)
    assert _criteria.similarity(rng.normal(size=(5000, 3)), rng.normal(size=(5000, 3))) < 0.01
    assert _criteria.similarity(a, np.ones((50, 2))) == 0


def test_the_probe_prefers_codes_that_tell_classes_apart(rng):
    y = np.repeat(["a", "b"], 60)
    strong, weak = rng.normal(size=120), np.where(y == "a", 1, -1)
    X = np.c_[strong, strong, strong, weak, weak] + 0.1 * rng.normal(size=(120, 5))
    ae = Autoencoder(1, max_epochs=600, batch_size=96, random_state=0, learning_rate=2e-2)
    found = tune(ae, {"n_components": [1, 2]}, X, y, scoring="probe")
    one, two = found.cv_results_["mean_test_score"]
    assert one < 0.7
    assert two > 0.95
    assert found.best_params_ == {"n_components": 2}
    assert found.scoring_ == "probe"
    folds = tune(ae, {"n_components": [2]}, X, y, scoring="probe", cv=3)
    assert {f"split{i}_test_score" for i in range(3)} <= set(folds.cv_results_)


def test_stability_compares_two_seeds():
    found = tune(
        Autoencoder(2, max_epochs=60, learning_rate=1e-2, random_state=0, scaling=None),
        {"max_epochs": [1, 200]},
        rows(100) * [10, 5, 1, 1, 1],
        scoring="stability",
    )
    untrained, trained = found.cv_results_["mean_test_score"]
    assert 0 <= untrained < trained <= 1
    assert trained > 0.95  # both end in the plane of PCA


def test_a_function_scores_a_whole_model():
    seen = []

    def pca_beaten(model, X, y):
        seen.append((len(X), None if y is None else len(y)))
        return model.baseline_["pca"] - model.baseline_["model"]

    found = tune(
        Autoencoder(**SMALL),
        {"learning_rate": [1e-3, 1e-2]},
        rows(),
        np.arange(60),
        scoring=pca_beaten,
        cv=0.1,
    )
    assert seen == [(6, 6)] * 2
    assert found.scoring_ == "pca_beaten"


# -- importance, facts and the picture -----------------------------------------------------------


def test_importance_is_the_variance_between_values():
    candidates = [{"a": a, "b": b} for a in (0, 1, 2) for b in ("x", "y")]
    scores = np.array([3.0 * c["a"] + (c["b"] == "y") for c in candidates])
    found = importances(candidates, scores)
    assert found["a"] == pytest.approx(6 / 6.25)  # variances 9 * 2/3 and 1/4
    assert found["b"] == pytest.approx(0.25 / 6.25)
    assert list(importances(candidates, -scores)) == ["a", "b"]
    drawn = [
        {"rate": float(r), "noise": float(s)} for r, s in np.random.default_rng(0).random((200, 2))
    ]
    found = importances(drawn, np.array([c["rate"] for c in drawn]))
    assert found["rate"] == pytest.approx(1 - 1 / 16, abs=0.02)  # quarters of a uniform variable
    assert found["noise"] < 0.1
    assert importances(candidates, np.full(6, np.nan)) == {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize(
    "grid",
    [
        {"learning_rate": [1e-3, 1e-2, 1e30]},
        {"learning_rate": [1e-3, 1e-2], "sparsity": [None, "l1"], "tol": [0, 1e-3]},
        {"learning_rate": stats.loguniform(1e-4, 1e-1), "loss": ["mse", isthmus.Huber(delta=0.5)]},
    ],
    ids=["one", "three", "drawn"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_facts_and_the_picture(grid):
    found = tune(Autoencoder(**SMALL), grid, rows(), n_iter=9 if "loss" in grid else None)
    facts = json.loads(json.dumps(found.facts(), allow_nan=False))
    assert facts["best_params"] == facts["candidates"][0]["params"]
    assert [c["rank"] for c in facts["candidates"]] == sorted(
        c["rank"] for c in facts["candidates"]
    )
    assert facts["best_score"] == facts["candidates"][0]["score"]
    assert list(facts["importance"]) == list(found.importance_)
    figure = found.plot()
    figure.canvas.draw()
    words = " ".join(axes.get_xlabel() + axes.get_ylabel() for axes in figure.axes)
    assert all(name in words for name in list(found.importance_)[:2])
    assert repr(found).startswith(f"Search of {len(facts['candidates'])} candidates; best by recon")


# -- errors --------------------------------------------------------------------------------------


def test_a_candidate_that_diverges_is_ranked_last():
    grid = {"learning_rate": [1e30, 1e-3, 1e-2]}
    with pytest.warns(
        FitFailedWarning, match=r"1 of 3 candidates diverged .* learning_rate=1e\+30\."
    ):
        found = tune(Autoencoder(**SMALL), grid, rows(), cv=2)
    assert np.isnan(found.cv_results_["mean_test_score"]).tolist() == [True, False, False]
    assert found.cv_results_["rank_test_score"][0] == 3
    assert found.facts()["candidates"][-1]["score"] is None


@pytest.mark.parametrize("halving", [False, True])
def test_when_all_diverge_it_is_an_error(halving):
    grid = {"learning_rate": [1e30, 1e31, 1e32]}
    with pytest.raises(
        DivergenceError, match=r"All 3 candidates diverged; the first, learning_rate"
    ):
        tune(Autoencoder(**SMALL), grid, rows(), halving=halving)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"grid": {}}, "The grid is empty"),
        ({"grid": []}, "The grid is empty"),
        ({"grid": [{}]}, "The grid is empty"),
        ({"grid": {"tol": []}}, "non-empty"),
        ({"grid": {"learning_rat": [1]}}, "names 'learning_rat', .* Did you mean 'learning_rate'"),
        ({"grid": {"sparsity__roh": [1]}}, "sparsity__roh=1 cannot be trained"),
        (
            {"grid": {"sparsity": ["kl"], "sparsity__roh": [1]}},
            "no parameter 'roh'. Did you mean 'rho'",
        ),
        ({"grid": {"learning_rate": [1e-3, -1]}}, "candidate learning_rate=-1 cannot be trained"),
        ({"grid": {"sparsity": ["topk:k=9"]}}, "candidate sparsity=topk:k=9 .* k to be at most"),
        ({"scoring": "probe"}, "give y"),
        ({"scoring": "probe", "y": np.linspace(0, 1, 60)}, "these values are continuous"),
        ({"scoring": "reconstuction"}, "Did you mean 'reconstruction'"),
        ({"y": [0, 1]}, "X has 60 rows, but y has 2"),
        ({"X": rows(3)}, "needs at least 4; got 3"),
        ({"cv": 1.5}, r"\(0, 1\) where it is a share; got 1.5"),
        ({"cv": 61}, "n_splits=61"),
        ({"halving": True, "factor": 1}, "factor must be a whole number of at least 2"),
        ({"n_iter": 0}, "n_iter must be a whole number of at least 1"),
        ({"X": [[1.0, np.nan]] * 6}, "contains NaN"),
    ],
)
def test_errors(arguments, message):
    given = {"grid": {"learning_rate": [1e-3]}, "X": rows()} | arguments
    with pytest.raises(ValueError, match=message):
        tune(Autoencoder(**SMALL), **given)


def test_a_scoring_must_return_a_number():
    with pytest.raises(DivergenceError, match=r"the first, tol=0: Its score is nan\."):
        tune(Autoencoder(**SMALL), {"tol": [0]}, rows(), scoring=lambda model, X, y: np.nan)
    with pytest.raises(TypeError, match="must return a number; got None"):
        tune(Autoencoder(**SMALL), {"tol": [0]}, rows(), scoring=lambda model, X, y: None)


# -- other searches ------------------------------------------------------------------------------


def test_scikit_learns_halving_search():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    search = HalvingGridSearchCV(
        Autoencoder(**SMALL),
        {"learning_rate": [1e-4, 1e-3, 1e-2]},
        resource="max_epochs",
        min_resources=1,
        max_resources=9,
        cv=2,
    ).fit(rows())
    assert set(search.cv_results_["n_resources"]) >= {1, 3}
    assert search.best_estimator_.transform(rows()).shape == (60, 2)


def test_optuna():
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        width = trial.suggest_int("n_components", 1, 3)
        return (
            Autoencoder(width, max_epochs=3, learning_rate=rate, random_state=0)
            .fit(rows())
            .score(rows())
        )

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=5)
    assert set(study.best_params) == {"learning_rate", "n_components"}
    assert len({trial.value for trial in study.trials}) == 5


# -- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n-components=2, 4", {"n_components": [2, 4]}),
        ("learning_rate=1e-3,1e-2", {"learning_rate": [1e-3, 1e-2]}),
        (
            "sparsity=none,kl:rho=0.1,weight=2,topk",
            {"sparsity": [None, "kl:rho=0.1,weight=2", "topk"]},
        ),
        (
            "architecture=dense:hidden=[8,4],dense",
            {"architecture": ["dense:hidden=[8,4]", "dense"]},
        ),
        ("architecture__hidden=[8,4],[8]", {"architecture__hidden": [(8, 4), (8,)]}),
        (
            "corruption=swap + gaussian:std=1e+0,none",
            {"corruption": [("swap", "gaussian:std=1e+0"), None]},
        ),
        (
            "corruption=gaussian:std=[0.1,0.2],swap",
            {"corruption": ["gaussian:std=[0.1,0.2]", "swap"]},
        ),
        ("corruption__std=0.1,[0.1,0.2]", {"corruption__std": [0.1, (0.1, 0.2)]}),
        ("penalty=l2:weight=1e+1", {"penalty": ["l2:weight=1e+1"]}),
        ("early_stopping=true,false,auto", {"early_stopping": [True, False, "auto"]}),
    ],
)
def test_grids_are_read_from_text(text, values):
    assert parse_grid((text,)) == values


def test_the_steps_are_drawn_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes the standard error for a terminal
    ae = Autoencoder(2, max_epochs=3, random_state=0, verbose=1)
    tune(ae, {"learning_rate": [1e-3, 1e-2]}, rows())
    assert "6/6 steps" in capsys.readouterr().err
    isthmus.OutlierDetector(random_state=0, verbose=1).fit(rows())
    assert " steps" in capsys.readouterr().err


def test_grids_add_up_and_draw():
    assert parse_grid(("tol=1", "a=b", "tol=2")) == {"tol": [1, 2], "a": ["b"]}
    drawn = parse_grid(("tol=uniform(1,3)", "k=randint(2,3)", "r=loguniform(1e-4,1e-1)"))
    assert drawn["tol"].support() == (1, 3)
    assert drawn["k"].support() == (2, 3)
    assert drawn["r"].ppf(0.5) == pytest.approx(10**-2.5)


@pytest.fixture
def cli(cli):
    """Run `isthmus tune t.csv` in an empty folder."""
    frame = pl.DataFrame(rows(), schema=[f"c{i}" for i in range(5)])
    frame.with_columns(kind=pl.Series(["x", "y"] * 30)).write_csv("t.csv")

    return lambda *words: cli("tune", "t.csv", "--max-epochs", 3, "--random-state", 0, *words)


def test_the_command_writes_the_best_model_a_table_and_a_picture(cli):
    grid = ("--grid", "n_components=1,2", "--grid", "learning_rate=1e-3,1e-2")
    status, out, err = cli("--ignore", "kind", *grid, "--table", "r.csv", "--picture", "p.png")
    assert status == 0
    assert "tune: " in err
    assert "candidates  4, 0 diverged" in out
    model, table = isthmus.load("t.isthmus"), pl.read_csv("r.csv")
    X = pl.read_csv("t.csv").drop("kind")
    direct = tune(
        Autoencoder(max_epochs=3, random_state=0),
        {"n_components": [1, 2], "learning_rate": [1e-3, 1e-2]},
        X,
    )
    assert np.array_equal(model.transform(X), direct.best_estimator_.transform(X))
    assert table["rank"].to_list() == sorted(table["rank"])
    assert table["score"][0] == pytest.approx(direct.best_score_, abs=1e-9)
    assert table["n_components"][0] == direct.best_params_["n_components"]
    assert Path("p.png").read_bytes().startswith(b"\x89PNG")
    assert cli("--ignore", "kind", *grid)[0] == 1  # t.isthmus exists


def test_the_command_scores_by_classes_and_tells_json(cli):
    status, out, err = cli(
        "--label", "kind", "--scoring", "probe", "--grid", "sparsity=none,topk:k=1", "--json",
        "--quiet", "--picture", "p.svg", "--halving", "--factor", 2, "--cv", 2, "-o", "best.isthmus",
    )  # fmt: skip
    told = json.loads(out)
    assert (status, told["scoring"], told["model"]) == (0, "probe", "best.isthmus")
    assert {c["params"]["sparsity"] for c in told["candidates"]} == {None, "topk:k=1"}
    assert "tune" not in err.replace("isthmus: ", "")
    assert "<svg" in Path("p.svg").read_text()
    assert "kind" not in isthmus.load("best.isthmus").feature_names_in_


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "nothing to search over"),
        (["--grid", "n_components"], 2, "not of the form NAME=VALUE"),
        (["--grid", "learning_rat=1"], 2, "Did you mean 'learning_rate'"),
        (["--grid", "tol=1", "--scoring", "probe"], 2, "give --label"),
        (["--grid", "tol=normal(0,1)"], 2, "known: uniform"),
        (["--grid", "tol=uniform(0,1),2"], 2, "mixes a distribution"),
        (["--grid", "tol=1", "--cv", "many"], 2, "--cv must be"),
        (["--grid", "tol=1", "--picture", "p.jpg"], 1, "must end in .png or .svg"),
        (["--grid", "tol=1", "--table", "t.csv"], 1, "also an input"),
        (["--grid", "tol=-1", "--ignore", "kind"], 1, "candidate tol=-1 cannot be trained"),
    ],
)
def test_errors_of_the_command(cli, words, status, message):
    ended, _, err = cli(*words)
    assert ended == status
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not Path("t.isthmus").exists()


# -- the guide -----------------------------------------------------------------------------------


def test_the_guide_runs(monkeypatch, tmp_path):
    pytest.importorskip("optuna")
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "guides" / "tune.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "tune.md", "exec"), space)
    assert space["found"].best_score_ > 0.3
    assert space["narrowed"].cv_results_["iter"].max() == 2


def test_missing_classes_are_counted():
    X, labels = np.random.default_rng(0).normal(size=(150, 4)), np.array(["a", "b"] * 75, object)
    labels[:3] = None
    with pytest.raises(ValueError, match="a class for each row; 3 of 150 are missing"):
        tune(Autoencoder(2), {"learning_rate": [0.01]}, X, labels, scoring="probe")


def test_what_goes_wrong_beside_the_training_is_told(iris, monkeypatch):
    """An error in making the next split ready, and one in the rehearsal of the last fit."""
    from isthmus.search.race import Scorer

    ae = Autoencoder(2, max_epochs=2, random_state=0)
    grid = {"learning_rate": [1e-3, 1e-2]}
    calm = tune(ae, grid, iris, cv=3)

    def broken(self, X):
        raise ZeroDivisionError

    monkeypatch.setattr(Scorer, "_rehearse", broken)
    same = tune(ae, grid, iris, cv=3)
    np.testing.assert_array_equal(
        same.cv_results_["mean_test_score"], calm.cv_results_["mean_test_score"]
    )
    ready = Scorer._ready

    def second(self, k, *rest):
        return ready(self, k, *rest) if k == 0 else 1 / 0

    monkeypatch.setattr(Scorer, "_ready", second)
    with pytest.raises(ZeroDivisionError):
        tune(ae, grid, iris, cv=3)


# -- tables of mixed types -----------------------------------------------------------------------------


def gappy(n=40):
    """A table with a gap in one row alone, and a level in one row alone."""
    rng = np.random.default_rng(0)
    town = ["Rom", *rng.choice(["Ulm", "Kiel"], n - 1)]
    return pl.DataFrame({"x": [*rng.normal(size=n - 1), None], "town": town})


def test_candidates_on_a_mixed_table_are_what_fits_are():
    table, ae = gappy(), Autoencoder(**SMALL)
    grid = {"column_weights": [None, {"town": 5.0}], "learning_rate": [0.001, 0.01]}
    found = tune(ae, grid, table, cv=KFold(2))
    train, held = next(iter(KFold(2).split(table)))
    for i, params in enumerate(found.cv_results_["params"]):
        alone = Autoencoder(**SMALL, columns=found.best_estimator_.schema_).set_params(**params)
        score = alone.fit(table[train]).score(table[held])
        assert found.cv_results_["split0_test_score"][i] == pytest.approx(score, abs=1e-4)
    assert found.best_estimator_.columns is None
    assert [c.kind for c in found.best_estimator_.schema_.columns] == ["number", "category"]
    assert len(set(found.cv_results_["mean_test_score"])) == 4


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({"columns": [{"x": "number"}]}, "all candidates must see the same"),
        ({"column_weights": [{"y": 1.0}]}, "column_weights names 'y'"),
    ],
)
def test_what_a_grid_cannot_say_of_columns_is_refused(grid, words):
    with pytest.raises(ValueError, match=words):
        tune(Autoencoder(**SMALL), grid, gappy())


def test_codes_of_a_mixed_table_are_probed():
    table = gappy()
    y = (table["town"] == "Ulm").to_numpy()
    found = tune(Autoencoder(**SMALL), {"learning_rate": [0.01]}, table, y, scoring="probe", cv=2)
    assert 0.4 < found.best_score_ <= 1


# -- pipelines ----------------------------------------------------------------------------------------


def pipeline():
    """An autoencoder behind steps of which one learns from the classes."""
    steps = make_column_transformer((StandardScaler(), slice(0, 3)), remainder="passthrough")
    return make_pipeline(steps, SelectKBest(f_classif, k=3), Autoencoder(**SMALL))


def test_a_pipeline_is_searched_as_by_scikit_learn(iris):
    """Steps in front learn from the rows to train on alone, and so the scores are the same."""
    y, cv = np.arange(len(iris)) % 3, KFold(3, shuffle=True, random_state=0)
    grid = {"autoencoder__learning_rate": [1e-3, 3e-2], "autoencoder__n_components": [1, 2]}
    found = tune(pipeline(), grid, iris, y, cv=cv)
    theirs = GridSearchCV(pipeline(), grid, cv=cv).fit(iris, y)
    for name in ("mean_test_score", "split2_test_score"):
        ours = found.cv_results_[name]
        np.testing.assert_allclose(ours, theirs.cv_results_[name], rtol=1e-4, atol=1e-4)
    assert found.best_params_ == theirs.best_params_
    np.testing.assert_allclose(
        found.best_estimator_.transform(iris), theirs.best_estimator_.transform(iris), atol=1e-4
    )


def test_a_function_scores_whole_pipelines_on_rows_as_they_were_given(iris):
    table = pl.DataFrame(iris, schema=list("abcd"))
    asked = []

    def scoring(model, X, y):
        asked.append((type(model).__name__, X.columns, y.tolist()))
        return model.score(X)

    y = np.arange(len(iris)) % 3
    grid = {"autoencoder__n_components": [1, 2]}
    found = tune(pipeline(), grid, table, y, scoring=scoring, cv=KFold(2))
    usual = tune(pipeline(), grid, table, y, cv=KFold(2))
    name = "mean_test_score"
    np.testing.assert_array_equal(found.cv_results_[name], usual.cv_results_[name])
    assert asked[0] == ("Pipeline", ["a", "b", "c", "d"], y[:75].tolist())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("learning_rate", "give them as autoencoder__learning_rate"),
        ("selectkbest__k", "those of other steps are set beforehand"),
        ("autoencoder__learning_rat", "Did you mean 'learning_rate'"),
    ],
)
def test_parameters_that_a_pipeline_cannot_be_searched_over(iris, name, said):
    with pytest.raises(ValueError, match=said):
        tune(pipeline(), {name: [1, 2]}, iris, np.arange(len(iris)) % 3)


def test_a_pipeline_without_an_autoencoder_at_its_end(iris):
    with pytest.raises(TypeError, match="or a Pipeline that ends in one; got Pipeline"):
        tune(pipeline()[:-1], {"selectkbest__k": [1]}, iris)
