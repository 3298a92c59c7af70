"""Training: PCA, identity, sparsity, exact repetition and resumption, weights, budgets of compiling."""

import random
from itertools import combinations, product

import jax
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import isthmus
from isthmus import (
    BCE,
    KL,
    L1,
    L2,
    Autoencoder,
    Contractive,
    Conv,
    Conv1d,
    Cosine,
    Dense,
    DivergenceError,
    Gaussian,
    Huber,
    Lp,
    Masking,
    Poisson,
    SaltPepper,
    Swap,
    TopK,
    Uniform,
)
from isthmus.training import trainer as engine
from isthmus.training.state import bucket


def weights(ae):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(ae.net_)]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(130, 3)) @ rng.normal(size=(3, 6)) + 0.1 * rng.normal(size=(130, 6))


# -- truth ---------------------------------------------------------------------------------------


def test_a_linear_autoencoder_reaches_pcas_error_and_subspace(digits):
    X = digits - digits.mean(0)
    ae = Autoencoder(
        8,
        "dense:activation=identity",
        scaling=None,
        early_stopping=False,
        batch_size=len(X),
        max_epochs=3000,
        learning_rate=1e-2,
        dtype="float64",
        random_state=0,
    ).fit(X)
    pca = PCA(8).fit(X)
    error = np.mean((X - ae.reconstruct(X)) ** 2)
    best = np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    assert best <= error < 1.001 * best
    decoder = np.linalg.qr(np.asarray(ae.net_.decoder[0].weight).T)[0]
    cosines = np.linalg.svd(decoder.T @ pca.components_.T, compute_uv=False)
    assert cosines.min() > 0.999
    assert ae.baseline_["pca"] == pytest.approx(best, rel=1e-9)


def test_the_identity_is_learned_without_a_constraint_and_not_with_one():
    X = np.random.default_rng(1).normal(size=(300, 4))
    common = {"n_components": 8, "architecture": "dense:activation=identity", "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="can learn the identity, which is useless: add a"):
        free = Autoencoder(**common).fit(X)
    noise = np.random.default_rng(0).uniform(-3, 3, size=(200, 4))
    assert free.score(noise) > 0.99  # reproduces what it never saw: useless
    for constraint in (
        {"sparsity": "topk:k=1"},
        {"penalty": "contractive:weight=10"},
        {"corruption": "gaussian:std=1"},
        {"sparsity": "l1:weight=1", "penalty": "l2:weight=.1,on=both"},
    ):
        held = Autoencoder(**common, **constraint).fit(X)
        assert held.score(noise) < 0.9, constraint


@pytest.mark.parametrize("scaling", ["range", "standard"])
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_kl_keeps_units_at_or_under_rho_over_the_whole_training_set(digits, scaling, activation):
    architecture = Dense(activation=activation)
    ae = Autoencoder(100, architecture, sparsity=KL(rho=0.05), scaling=scaling, random_state=0)
    ae.fit(digits)
    assert np.mean(ae.mean_activation_ <= 1.1 * 0.05) >= 0.95
    z = ae.transform(digits)
    low, high = (0, 1) if activation == "sigmoid" else (-1, 1)
    activity = (z.mean(0) - low) / (high - low)
    np.testing.assert_allclose(ae.mean_activation_, activity, atol=0.005)
    assert ae.score(digits) > 0.6
    assert ae.history_["kl"][-1] < 0.1 * ae.history_["kl"][0] or ae.history_["kl"][-1] < 0.05


def test_kl_at_the_width_of_mnist(digits):
    images = np.pad(
        np.kron(digits[:600].reshape(-1, 8, 8), np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))
    )
    ae = Autoencoder(800, sparsity="kl", max_epochs=100, random_state=0).fit(images)
    assert images.shape == (600, 28, 28)
    assert np.mean(ae.mean_activation_ <= 1.1 * 0.05) >= 0.95


def test_without_kl_units_are_not_sparse(digits):
    ae = Autoencoder(
        100, "dense:activation=sigmoid", scaling="range", max_epochs=30, random_state=0
    )
    assert np.mean(ae.fit(digits).mean_activation_ <= 1.1 * 0.05) < 0.5


def test_a_denoiser_removes_noise_it_has_not_seen(digits):
    ae = Autoencoder(
        64, "dense:hidden=[128]", "gaussian:std=0.3", scaling="range", random_state=0
    ).fit(digits[:1500])
    clean = digits[1500:]
    noisy = clean + 16 * 0.3 * np.random.default_rng(1).normal(size=clean.shape)
    assert np.mean((ae.reconstruct(noisy) - clean) ** 2) < 0.4 * np.mean((noisy - clean) ** 2)


def test_a_deep_autoencoder_beats_pca_of_its_width(digits):
    ae = Autoencoder(8, "dense:hidden=[64]", random_state=0).fit(digits)
    assert ae.baseline_["model"] < 0.8 * ae.baseline_["pca"] < ae.baseline_["mean"]


def test_layerwise_training_shows_its_phases_and_lowers_the_error_in_each(digits):
    ae = Autoencoder(
        8,
        "dense:hidden=[32],activation=sigmoid",
        pretrain="layerwise",
        max_epochs=20,
        random_state=0,
        early_stopping=False,
    ).fit(digits)
    phases = np.array(ae.history_["phase"])
    assert list(dict.fromkeys(phases)) == ["layer 1", "layer 2", "fit"]
    for phase in set(phases):
        losses = np.array(ae.history_["loss"])[phases == phase]
        assert losses[-1] < losses[0]
    assert np.all(np.diff(ae.history_["seconds"]) >= 0)


# -- repetition ----------------------------------------------------------------------------------

KINDS = [
    {},
    {"sparsity": "kl", "corruption": ("gaussian", "swap"), "penalty": "contractive"},
    {"architecture": "dense:hidden=[5],dropout=0.2,tied=true", "early_stopping": False},
    {"architecture": "dense:hidden=[5]", "pretrain": "layerwise"},
]


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_bits(table, kind):
    a, b = (Autoencoder(2, **kind, max_epochs=6, random_state=5).fit(table) for _ in range(2))
    other = Autoencoder(2, **kind, max_epochs=6, random_state=6).fit(table)
    assert same(a, b)
    assert not same(a, other)
    assert same(a, a.fit(table))


@pytest.mark.parametrize(
    "seed", [0, np.int64(3), np.random.RandomState(0), np.random.default_rng(0)]
)
def test_every_kind_of_seed(table, seed):
    Autoencoder(2, max_epochs=1, random_state=seed).fit(table)


def test_global_random_state_is_untouched(table):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    ae = Autoencoder(2, corruption="gaussian", max_epochs=2).fit(table)
    ae.score(table)
    assert random.getstate() == before[0]
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def interrupt_at(epoch):
    def stop(row):
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epoch", [1, 3])
@pytest.mark.parametrize("through_file", [False, True])
def test_an_interrupted_fit_resumed_equals_the_uninterrupted_one(
    table, kind, epoch, through_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(engine, "chunk_length", lambda *_: 1)  # so that an epoch is interrupted
    common = {**kind, "max_epochs": 6, "batch_size": 30, "random_state": 5}
    whole = Autoencoder(2, **common).fit(table)
    ae = Autoencoder(2, **common, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(table, on_epoch=interrupt_at(epoch))
    assert 0 < ae.n_iter_ < whole.n_iter_
    assert np.isfinite(ae.score_samples(table)).all()  # usable as it is
    assert ae.mean_activation_.shape == (2,)
    if through_file:
        ae.save(tmp_path / "half.isthmus", resume=True)
        ae = isthmus.load(tmp_path / "half.isthmus")
    ae.fit(table)
    assert same(ae, whole)
    assert ae.history_["loss"] == whole.history_["loss"]
    assert ae.baseline_ == whole.baseline_


def test_an_interrupt_between_any_two_steps_leaves_a_whole_state(table, monkeypatch):
    monkeypatch.setattr(engine, "chunk_length", lambda *_: 1)
    whole = Autoencoder(2, max_epochs=4, batch_size=30, random_state=5).fit(table)
    run, calls = engine.Trainer._run_chunk, []

    def interrupted(self, state, count):
        calls.append(1)
        result = run(self, state, count)
        if len(calls) == 6:  # in the middle of the second epoch, with the result lost
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(engine.Trainer, "_run_chunk", interrupted)
    ae = Autoencoder(2, max_epochs=4, batch_size=30, random_state=5, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(table)
    assert same(ae.fit(table), whole)


def test_partial_fit_goes_on_after_saving_to_the_bit(table, tmp_path):
    straight = Autoencoder(2, sparsity="kl", random_state=0)
    halted = clone(straight)
    for i in range(4):
        straight.partial_fit(table[i::4])
    for i in range(2):
        halted.partial_fit(table[i::4])
    halted.save(tmp_path / "m.isthmus", resume=True)
    halted = isthmus.load(tmp_path / "m.isthmus")
    for i in range(2, 4):
        halted.partial_fit(table[i::4])
    assert same(straight, halted)
    assert straight.n_iter_ == halted.n_iter_ == 4


def test_partial_fit_learns_and_keeps_its_first_scaling(table):
    ae = Autoencoder(2, "dense:hidden=[8]", random_state=0)
    ae.partial_fit(table)
    scaler, first = ae.scaler_, ae.score(table)
    for _ in range(60):
        ae.partial_fit(table)
    assert ae.scaler_ is scaler
    assert ae.score(table) > first + 0.3
    fitted = Autoencoder(2, "dense:hidden=[8]", random_state=0).fit(table)
    before = fitted.score(table)
    assert fitted.partial_fit(table).score(table) > before - 0.1  # goes on, does not start anew


def test_warm_start_on_other_rows_starts_from_the_weights(table):
    ae = Autoencoder(2, warm_start=True, max_epochs=100, random_state=0).fit(table)
    cold = Autoencoder(2, max_epochs=1, learning_rate=1e-5, random_state=0).fit(table[:120])
    ae.set_params(max_epochs=1, learning_rate=1e-5).fit(table[:120])
    assert ae.score(table) > cold.score(table) + 0.3


def test_on_epoch_sees_every_epoch_and_stops_the_run(table):
    seen = []
    ae = Autoencoder(2, max_epochs=9, random_state=0, early_stopping=False)
    ae.fit(table, on_epoch=seen.append)
    assert [row["epoch"] for row in seen] == list(range(1, 10))
    assert ae.n_iter_ == 9
    ae.set_params(early_stopping=True, n_iter_no_change=1000, max_epochs=500)
    ae.fit(table, on_epoch=lambda row: row["epoch"] >= 60)
    assert 60 <= ae.n_iter_ < 200


# -- early stopping, divergence, weights ----------------------------------------------------------


def test_early_stopping_stops_and_restores_the_best_weights():
    X = np.random.default_rng(0).normal(size=(120, 20))  # nothing to learn: it overfits
    ae = Autoencoder(
        10,
        "dense:hidden=[100]",
        max_epochs=1000,
        learning_rate=1e-2,
        random_state=0,
        n_iter_no_change=3,
    ).fit(X)
    measured = np.array(ae.history_["validation_loss"])
    assert ae.n_iter_ < 1000
    assert ae.baseline_["model"] == pytest.approx(np.nanmin(measured), rel=1e-5)
    assert ae.baseline_["model"] < measured[-1]


def test_divergence_names_the_epoch_and_keeps_the_last_good_weights(table):
    ae = Autoencoder(
        2,
        "dense:activation=identity",
        loss="lp:p=8",
        learning_rate=1e4,
        random_state=0,
        early_stopping=False,
    )
    with pytest.raises(DivergenceError, match=r"diverged in epoch \d+: .*Lower learning_rate"):
        ae.fit(1e3 * table)
    assert all(np.isfinite(w).all() for w in weights(ae))


def test_weighting_a_row_twice_is_having_it_twice_in_float64(table):
    rng = np.random.default_rng(0)
    w = rng.integers(0, 4, len(table))
    common = {"max_epochs": 30, "batch_size": 1000, "early_stopping": False, "dtype": "float64"}
    a = Autoencoder(2, **common, sparsity="l1", random_state=0).fit(table, sample_weight=w)
    b = Autoencoder(2, **common, sparsity="l1", random_state=0).fit(np.repeat(table, w, axis=0))
    np.testing.assert_allclose(a.transform(table), b.transform(table), rtol=1e-7)
    np.testing.assert_allclose(a.mean_activation_, b.mean_activation_)
    assert a.baseline_["pca"] == pytest.approx(b.baseline_["pca"])


def test_weights_reach_validation_scaling_and_score(table):
    w = np.random.default_rng(0).uniform(0.1, 5, len(table))
    a = Autoencoder(2, max_epochs=3, random_state=0).fit(table)
    b = Autoencoder(2, max_epochs=3, random_state=0).fit(table, sample_weight=w)
    assert a.baseline_["mean"] != b.baseline_["mean"]
    assert not np.allclose(a.scaler_.centre, b.scaler_.centre)
    assert a.score(table) != a.score(table, sample_weight=w)


@pytest.mark.parametrize("n", [2, 3, 31, 32, 33, 63, 64, 65])
def test_no_row_is_dropped(n):
    """Every row moves the weights, whatever the batch size leaves over."""
    X = np.random.default_rng(0).normal(size=(n, 3))
    common = {
        "scaling": None,
        "max_epochs": 1,
        "batch_size": 32,
        "random_state": 0,
        "early_stopping": False,
    }
    ae = Autoencoder(2, **common).fit(X)
    for i in {0, n // 2, n - 1}:
        moved = X.copy()
        moved[i] += 1.0
        assert not same(ae, Autoencoder(2, **common).fit(moved)), i


# -- every parameter matters ----------------------------------------------------------------------

CHANGES = {
    "n_components": 3,
    "architecture": "dense:hidden=[7]",
    "corruption": "gaussian",
    "sparsity": "l1:weight=1",
    "penalty": "l2:weight=1",
    "loss": "mae",
    "scaling": "minmax",
    "pretrain": "layerwise",
    "freeze": 1,
    "max_epochs": 3,
    "batch_size": 16,
    "learning_rate": 1e-2,
    "early_stopping": False,
    "validation_fraction": 0.4,
    "dtype": "float64",
    "random_state": 1,
}


def outcome(table, **changes):
    base = {"n_components": 2, "max_epochs": 8, "batch_size": 32, "random_state": 0}
    return Autoencoder(**{**base, **changes}).fit(table)


@pytest.mark.parametrize("name", CHANGES)
def test_every_constructor_parameter_changes_the_outcome(table, name):
    a, b = outcome(table), outcome(table, **{name: CHANGES[name]})
    za, zb = a.transform(table), b.transform(table)
    assert za.shape != zb.shape or za.dtype != zb.dtype or not np.array_equal(za, zb)


def test_the_remaining_constructor_parameters_change_the_outcome(table, capsys):
    long = {"max_epochs": 400, "learning_rate": 3e-2}
    few, many = (outcome(table, **long, n_iter_no_change=n) for n in (1, 40))
    assert few.n_iter_ < many.n_iter_
    strict = outcome(table, **long, tol=0.9, n_iter_no_change=3)
    loose = outcome(table, **long, tol=0.0, n_iter_no_change=3)
    assert strict.n_iter_ < loose.n_iter_
    assert capsys.readouterr() == ("", "")  # verbose=0 is silent
    outcome(table, verbose=1)
    assert "8 of 8 epochs" in capsys.readouterr().err
    with pytest.raises(ValueError, match="No device 'moon' here; use None or one of cpu"):
        outcome(table, device="moon")
    warm = outcome(table, warm_start=True)
    before = weights(warm)
    assert not all(
        np.array_equal(a, b) for a, b in zip(before, weights(warm.fit(table)), strict=True)
    )
    mixed = {"x1": "number"}  # any of these goes the way of tables of mixed types
    plain, weighed = (
        outcome(table, columns=mixed, column_weights=w).transform(table) for w in (None, {"x1": 9})
    )
    assert not np.array_equal(plain, outcome(table).transform(table))
    assert not np.array_equal(plain, weighed)
    others = {"n_iter_no_change", "tol", "verbose", "device", "warm_start"}
    others |= {"columns", "column_weights"}
    assert set(CHANGES) | others == set(Autoencoder().get_params(deep=False))


DENSE = {"hidden": (4,)}
CONV = {"channels": (2,), "input_shape": (2, 3)}
CONVOLUTIONAL = {
    "channels": (3,),
    "kernel": 2,
    "stride": 1,
    "padding": "full",
    "activation": "tanh",
    "code_activation": "tanh",
    "output": "tanh",
    "tied": True,
    "dropout": 0.3,
    "input_dropout": 0.3,
    "norm": "layer",
    "code": "maps",
    "residual": True,
    "skips": True,
}
FIELDS = [
    (
        "architecture",
        Dense(**DENSE),
        {
            "hidden": (5,),
            "activation": "tanh",
            "code_activation": "tanh",
            "output": "tanh",
            "tied": True,
            "dropout": 0.3,
            "input_dropout": 0.3,
            "norm": "layer",
            "residual": True,
            "skips": True,
        },
    ),
    ("architecture", Conv(**CONV), {**CONVOLUTIONAL, "input_shape": (3, 2)}),
    ("architecture", Conv1d(channels=(2,)), {**CONVOLUTIONAL, "input_shape": (3, 2)}),
    ("corruption", Gaussian(), {"std": 1.0}),
    ("corruption", Uniform(), {"width": 2.0}),
    ("corruption", Masking(), {"rate": 0.7, "value": 3.0, "spread": 0.2}),
    ("corruption", SaltPepper(), {"rate": 0.7, "low": -9.0, "high": 9.0}),
    ("corruption", Swap(), {"rate": 0.7}),
    ("sparsity", KL(), {"rho": 0.3, "weight": 0.01}),
    ("sparsity", L1(weight=0.1), {"weight": 1.0}),
    ("sparsity", TopK(k=1), {"k": 2}),
    ("penalty", L2(weight=0.1), {"weight": 1.0, "on": "both"}),
    ("penalty", Contractive(weight=0.1), {"weight": 1.0, "probes": 1}),
    ("loss", Lp(), {"p": 3.0}),
    ("loss", Huber(), {"delta": 0.1}),
    ("loss", BCE(), {"deviance": False}),
    ("loss", Poisson(), {"deviance": False}),
    ("loss", Cosine(), {"normalise": False}),
]


@pytest.mark.parametrize(
    ("slot", "part", "field", "value"),
    [(slot, part, f, v) for slot, part, changes in FIELDS for f, v in changes.items()],
)
def test_every_field_of_every_part_changes_the_outcome(table, slot, part, field, value):
    scaling = "minmax" if field == "output" or slot == "loss" else "auto"
    changed = clone(part).set_params(**{field: value})
    common = {"n_components": None, "scaling": scaling, "early_stopping": False}
    a, b = (outcome(table, **common, **{slot: p}) for p in (part, changed))
    kept = a.net_.encoder[0].bias, b.net_.encoder[0].bias  # of one shape, whatever the field
    if field == "deviance":  # which training knows nothing of
        kept = a.score_samples(table), b.score_samples(table)
    assert kept[0].shape != kept[1].shape or not np.array_equal(*kept)


def test_the_fields_above_are_all_fields():
    from isthmus.model.slots import SLOTS

    tested = {type(part): set(changes) for _, part, changes in FIELDS}
    elsewhere = {"blindspot", "recorrupt", "poisson", "stripes", "jpeg"}  # tests/parts has theirs
    for name, (slot, _) in SLOTS.items():
        for part in slot.known.values():
            if name == "corruption" and part.name in elsewhere:
                continue
            assert tested.get(part, set()) == set(part().get_params()), part


LOSSES = ("mse", "mae", "lp", "huber", "bce", "poisson", "cosine")
SPARSITIES = (None, "kl", "l1", "topk:k=1")
PENALTIES = ("l2", "contractive", "contractive:probes=2")
NOISE = ("gaussian", "uniform", "masking", "saltpepper", "swap")
NETS = (Dense(tied=True), Dense(hidden=(4,), dropout=0.1, norm="layer"))


def combination(i, j):
    """Return what the i-th loss and the j-th sparsity are tried with."""
    return {
        "loss": LOSSES[i],
        "sparsity": SPARSITIES[j],
        "penalty": PENALTIES[(i + j) % 3],
        "corruption": (NOISE[(i + j) % 5], NOISE[(i + j + 1) % 5]),
        "architecture": NETS[(i + j // 2) % 2],
    }


COMBINATIONS = [combination(i, j) for i in range(7) for j in range(4)]


def test_every_two_parts_meet_in_some_combination():
    def met(*slots):
        return {
            (str(a), str(b))
            for chosen in COMBINATIONS
            for a in np.atleast_1d(np.array(chosen[slots[0]], object))
            for b in np.atleast_1d(np.array(chosen[slots[1]], object))
        }

    parts = {
        "loss": LOSSES,
        "sparsity": SPARSITIES,
        "penalty": PENALTIES,
        "corruption": NOISE,
        "architecture": NETS,
    }
    for one, other in combinations(parts, 2):
        assert met(one, other) == set(product(map(str, parts[one]), map(str, parts[other])))


@pytest.mark.parametrize(
    "parts", COMBINATIONS, ids=lambda parts: f"{parts['loss']}-{parts['sparsity']}"
)
def test_everything_combines_with_everything(table, parts):
    ae = Autoencoder(2, **parts, scaling="minmax", max_epochs=2, random_state=0).fit(table)
    assert np.isfinite(ae.score_samples(table)).all()
    assert np.isfinite([v for v in ae.baseline_.values() if not isinstance(v, str)]).all()


def test_every_combination_lowers_its_loss(digits):
    for loss in (BCE(), Poisson(), Cosine()):
        X = digits[:600] if isinstance(loss, Poisson) else digits[:600] / 16
        ae = Autoencoder(
            8, "dense:hidden=[32]", "masking", loss=loss, max_epochs=60, random_state=0
        ).fit(X)
        assert ae.score(X) > 0.2
        assert ("nats" in ae.baseline_) == loss.likelihood


@pytest.mark.parametrize("mean", [0.5, 5, 50, 1000])
def test_poisson_on_counts_of_every_size(mean):
    rng = np.random.default_rng(0)
    rates = mean * np.exp(rng.normal(size=(400, 2)) @ (0.5 * rng.normal(size=(2, 8))))
    counts = rng.poisson(rates)
    ae = Autoencoder(2, "dense:hidden=[16]", loss="poisson", random_state=0).fit(counts)
    assert 0.2 < ae.score(counts) <= 1
    assert ae.score(counts) > Autoencoder(
        2, "dense:hidden=[16]", loss="poisson", max_epochs=1, random_state=0
    ).fit(counts).score(counts)
    assert np.isfinite(ae.reconstruct(counts)).all()
    assert (ae.reconstruct(counts) >= 0).all()


def test_scores_are_comparable_across_losses():
    rng = np.random.default_rng(0)
    X = 1 / (1 + np.exp(-rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6))))
    scores = [
        Autoencoder(2, "dense:hidden=[16]", loss=loss, scaling=None, random_state=0).fit(X).score(X)
        for loss in ("mse", "bce")
    ]
    assert min(scores) > 0.9


@pytest.mark.parametrize("loss", ["bce", "poisson"])
def test_a_row_far_outside_the_domain_is_no_normal_row(table, loss):
    ae = Autoencoder(2, loss=loss, scaling="minmax", max_epochs=20, random_state=0).fit(table)
    for far in (500.0, -500.0):
        assert ae.score_samples(table + far).max() < ae.score_samples(table).min()


def test_held_out_rows_are_checked_as_the_others(table):
    X = 1 / (1 + np.exp(-table))
    for i in range(0, 130, 10):
        bad = X.copy()
        bad[i, 0] = -3
        with pytest.raises(ValueError, match=r"loss 'bce' needs data in \[0, 1\]"):
            Autoencoder(loss="bce", max_epochs=1, random_state=0).fit(bad)


def test_a_loss_that_is_not_finite_on_padding_is_still_measured(table):
    def relative(x_out, x):
        return jax.numpy.sum((x_out - x) ** 2, axis=1) / jax.numpy.sum(x**2, axis=1)

    ae = Autoencoder(2, loss=relative, max_epochs=60, random_state=0).fit(table)
    assert np.isfinite(ae.history_["validation_loss"]).any()


def test_no_noise_brings_in_the_padding_of_rows(table, monkeypatch):
    settings = {"batch_size": 8, "max_epochs": 3, "early_stopping": False, "random_state": 0}
    ae = Autoencoder(2, corruption=NOISE, **settings)
    X, begin = table[:33], engine.Trainer.__init__
    history = ae.fit(X).history_["loss"]

    def poisoned(self, objective, data, *others):
        assert len(data.x) > data.n
        begin(self, objective, data._replace(x=data.x.at[data.n :].set(np.nan)), *others)

    monkeypatch.setattr(engine.Trainer, "__init__", poisoned)
    assert ae.fit(X).history_["loss"] == history


def test_a_penalty_may_not_take_a_columns_name(table):
    def loss(step):
        return step.z.sum()

    def vector(step):
        return step.z.sum(axis=1)

    with pytest.raises(ValueError, match="named 'loss', which is a column of the history: rename"):
        Autoencoder(penalty=loss).fit(table)
    with pytest.raises(ValueError, match="'vector' must return one number .* shape"):
        Autoencoder(penalty=vector, max_epochs=1).fit(table)


def test_user_functions_in_numpy_are_told_apart(table):
    with pytest.raises(TypeError, match="must be written with jax.numpy"):
        Autoencoder(loss=lambda x_out, x: np.asarray(x_out).sum(1), max_epochs=1).fit(table)


CHANGED = [
    ({"pretrain": "layerwise"}, {"pretrain": None}),
    ({"early_stopping": False}, {"early_stopping": True}),
    ({"batch_size": 30}, {"batch_size": 64}),
    ({"scaling": "standard"}, {"scaling": "minmax"}),
    ({"penalty": "l2"}, {"penalty": "l2:weight=1"}),
]


@pytest.mark.parametrize(("before", "after"), CHANGED)
def test_a_resumed_fit_with_other_settings_is_a_new_run_from_its_weights(table, before, after):
    common = {"architecture": "dense:hidden=[5]", "max_epochs": 60, "random_state": 0}
    ae = Autoencoder(2, **{**common, **before}, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(table, on_epoch=interrupt_at(3))
    ae.set_params(**after).fit(table)
    assert ae.history_["epoch"][0] == 1
    assert ae.transform(table).shape == (130, 2)
    assert ae.baseline_["model"] == pytest.approx(
        min(v for v in ae.history_["validation_loss"][-60:] if v == v)
        if ae.baseline_["rows"] == "held-out"
        else ae.baseline_["model"],
        rel=1e-4,
    )
    assert ae.n_iter_ >= 60


@pytest.mark.parametrize(
    "change",
    [
        {"sparsity": "kl"},
        {"loss": "bce"},
        {"n_components": 3},
        {"dtype": "float64"},
        {"architecture": "dense:hidden=[6]"},
        {"architecture": "dense:hidden=[5],tied=true"},
    ],
)
@pytest.mark.parametrize("how", ["fit", "partial_fit"])
def test_what_needs_other_layers_is_refused(table, change, how):
    X = 1 / (1 + np.exp(-table))
    ae = Autoencoder(2, "dense:hidden=[5]", warm_start=True, scaling=None, max_epochs=1).fit(X)
    kept = weights(ae)
    with pytest.raises(ValueError, match="The fitted layers are kept, .*set warm_start=False"):
        getattr(ae.set_params(**change), how)(X)
    assert all(np.array_equal(a, b) for a, b in zip(kept, weights(ae), strict=True))
    with pytest.raises(ValueError, match="k to be at most"):
        ae.set_params(n_components=2, sparsity="topk:k=9", loss="mse", dtype="float32").fit(X)


def test_rows_held_out_stay_held_out_in_warm_refits():
    X = np.random.default_rng(0).normal(size=(200, 30))
    ae = Autoencoder(10, "dense:hidden=[60]", warm_start=True, random_state=None, max_epochs=40)
    errors = [ae.fit(X).baseline_ for _ in range(4)]
    assert len({error["mean"] for error in errors}) == 1  # the same rows
    assert errors[-1]["model"] > 0.8 * errors[0]["model"]


def test_a_refused_partial_fit_leaves_nothing_fitted(table):
    ae = Autoencoder(loss="bce")
    with pytest.raises(ValueError, match="bce"):
        ae.partial_fit(table)
    assert not hasattr(ae, "net_")
    ae.set_params(loss="mse", n_components=1).partial_fit(table)
    assert ae.transform(table).shape == (130, 1)


def test_partial_fit_takes_a_changed_equation(table):
    plain, changed = (Autoencoder(2, random_state=0).partial_fit(table) for _ in range(2))
    plain.partial_fit(table)
    changed.set_params(penalty="l2:weight=1").partial_fit(table)
    assert "l2" in changed.history_
    assert not same(plain, changed)


def test_partial_fit_after_fit_appends_to_the_history_and_drops_the_old_baseline(table):
    ae = Autoencoder(2, max_epochs=5, random_state=0, early_stopping=False).fit(table)
    before = weights(ae)
    ae.partial_fit(table).partial_fit(table)
    assert ae.history_["phase"] == ["fit"] * 5 + ["partial"] * 2
    assert ae.n_iter_ == 7
    assert not hasattr(ae, "baseline_")
    assert not all(np.array_equal(a, b) for a, b in zip(before, weights(ae), strict=True))
    assert "2 components" in ae.summary()


def test_on_epoch_stops_all_phases(table):
    ae = Autoencoder(2, "dense:hidden=[5]", pretrain="layerwise", max_epochs=400, random_state=0)
    ae.fit(table, on_epoch=lambda row: True)
    assert set(ae.history_["phase"]) == {"layer 1"}
    assert ae.score(table) < 1


def test_user_functions_in_the_slots(table):
    def noise(key, x):
        return x + jax.random.laplace(key, x.shape, x.dtype)

    def pinball(x_out, x):
        return jax.numpy.mean(jax.numpy.maximum(0.9 * (x - x_out), 0.1 * (x_out - x)), axis=1)

    def decorrelate(step):
        z = step.z - step.z.mean(0)
        return (z[:, 0] * z[:, 1]).mean() ** 2

    ae = Autoencoder(2, "dense:hidden=[6]", noise, None, decorrelate, pinball, random_state=0)
    ae.fit(table)
    assert ae.history_["decorrelate"][-1] < 0.1 * max(ae.history_["decorrelate"])
    assert ae.score(table) > 0.2
    with pytest.raises(
        isthmus.ModelFileError, match="holds no code, and the corruption is a function"
    ):
        ae.save("/nowhere/x")


# -- compiling ------------------------------------------------------------------------------------


@pytest.fixture
def compilations():
    counted = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counted
    jax.monitoring.unregister_event_duration_listener(listen)


def test_a_grid_search_over_numbers_and_folds_compiles_nothing_new(digits, compilations):
    model = Autoencoder(
        4,
        Dense(hidden=(8,), dropout=0.1),
        ("gaussian", "swap"),
        "kl",
        "l2",
        "huber",
        max_epochs=2,
        random_state=0,
    )
    X = digits[:600]
    for fold in (np.delete(X, np.s_[i::3], axis=0) for i in range(3)):
        model.fit(fold).score(X)
    assert compilations  # the listener listens
    compilations.clear()
    numbers = {
        "sparsity__rho": [0.1, 0.2],
        "sparsity__weight": [1, np.float64(0.5)],
        "corruption__0__std": [0.1, np.float32(0.2)],
        "corruption__1__rate": [0.3],
        "penalty__weight": [1e-3],
        "loss__delta": [0.5, 2],
        "architecture__dropout": [0.2],
        "learning_rate": [1e-2, 0.001],
        "max_epochs": [3],
    }
    grid = [{name: values} for name, values in numbers.items()]
    together = {name: values[-1:] for name, values in numbers.items()}
    GridSearchCV(model, [*grid, together], cv=3, refit=False).fit(X[:598])
    assert compilations == []


def test_scan_and_step_by_step_agree(table, monkeypatch):
    scanned = Autoencoder(2, "dense:hidden=[6]", "gaussian", "kl", max_epochs=5, random_state=0)
    scanned.fit(table)
    monkeypatch.setattr(engine, "chunk_length", lambda *_: 1)
    stepped = clone(scanned).fit(table)
    for a, b in zip(weights(scanned), weights(stepped), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_chunks_are_long_for_small_work_and_one_step_for_large():
    assert engine.chunk_length(32, 3_000, "cpu") >= 512
    assert engine.chunk_length(1000, 2_800_000, "cpu") == 4
    assert engine.chunk_length(4000, 10_000_000, "cpu") == 1
    assert engine.chunk_length(1000, 2_800_000, "gpu") > 1


def test_buckets_waste_at_most_an_eighth():
    for n in range(1, 5000):
        assert n <= bucket(n) <= n * 1.125 + 1
    assert len({bucket(n) for n in range(1000, 1100)}) <= 3
