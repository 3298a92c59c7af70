"""Layer-wise training, transfer of weights and frozen layers, of dense and convolutional nets."""

import re

import jax
import numpy as np
import pytest
from sklearn.decomposition import PCA

import isthmus
from isthmus import MSE, Autoencoder, Dense, SaltPepper
from isthmus.autoencoder import run
from isthmus.training import layerwise as stacking
from isthmus.training import trainer as engine

ARCHITECTURES = {"dense": "dense:hidden=[12,6]", "conv": "conv:channels=[3,4],code=maps"}
DEPTHS = {"dense": 3, "conv": 2}
SHALLOW = {"dense": "dense:hidden=[6]", "conv": ARCHITECTURES["conv"]}  # of two layers
PHASES = {"dense": ["layer 1", "layer 2", "layer 3", "fit"], "conv": ["layer 1", "layer 2", "fit"]}
BRIEF = {"batch_size": 32, "early_stopping": False, "random_state": 0}  # few programs, many tests


@pytest.fixture(params=ARCHITECTURES)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def images(digits):
    return digits[:130].reshape(-1, 8, 8)


def stacked(kind, **parameters):
    common = {"architecture": ARCHITECTURES[kind], "pretrain": 2, "max_epochs": 3, **BRIEF}
    return Autoencoder(**{"n_components": 3 if kind == "dense" else None, **common, **parameters})


def weights(net):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(getattr(net, "net_", net))]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def by_phase(ae, name):
    values, phases = np.array(ae.history_[name]), np.array(ae.history_["phase"])
    return {phase: values[phases == phase] for phase in dict.fromkeys(ae.history_["phase"])}


@pytest.fixture
def trainers(monkeypatch):
    """Return a list to which every phase adds its trainer."""
    seen, run = [], engine.Trainer.run

    def spy(self, hook=None):
        self.start = self.state
        seen.append(self)
        return run(self, hook)

    monkeypatch.setattr(engine.Trainer, "run", spy)
    return seen


# -- phases --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pretrain", "most", "each"),
    [(5, 8, {3: 5, 2: 5}), ("layerwise", 16, {3: 5, 2: 8}), ("layerwise", 2, {3: 1, 2: 1})],
)
def test_phases_come_in_order_with_the_epochs_asked_for(images, kind, pretrain, most, each):
    ae = stacked(kind, pretrain=pretrain, max_epochs=most).fit(images)
    epochs, depth = by_phase(ae, "epoch"), DEPTHS[kind]
    assert list(epochs) == PHASES[kind]
    assert [len(counted) for counted in epochs.values()] == [each[depth]] * depth + [most]
    assert all(list(counted) == list(range(1, len(counted) + 1)) for counted in epochs.values())
    assert np.all(np.diff(ae.history_["seconds"]) >= 0)
    assert ae.n_iter_ == depth * each[depth] + most


def test_each_phase_lowers_its_own_error(images, kind):
    ae = stacked(kind, pretrain=15, max_epochs=15, learning_rate=1e-2).fit(images)
    for phase, errors in by_phase(ae, "reconstruction").items():
        assert errors[-1] < 0.9 * errors[0], phase


def test_a_phase_moves_its_own_layer_and_no_other(images, kind):
    ae, nets, pairs = stacked(kind), {}, range(DEPTHS[kind])
    ae.fit(
        images, on_epoch=lambda row: nets.setdefault(ae.history_["phase"][-1], []).append(ae.net_)
    )
    before = nets["layer 1"][0]
    for i, phase in enumerate(PHASES[kind][:-1]):
        for net in nets[phase]:
            for j in pairs:
                still = same(stacking.layer_pair(net, j), stacking.layer_pair(before, j))
                assert still == (j != i) or net is before, (phase, j)
        before = nets[phase][-1]
    assert not any(
        same(stacking.layer_pair(nets["fit"][-1], j), stacking.layer_pair(before, j)) for j in pairs
    )


def test_each_pair_learns_to_code_what_the_layers_below_make(images, kind, trainers):
    ae, codes = stacked(kind), []
    ae.fit(images, on_epoch=lambda row: codes.append(ae.encode(images, 1)))
    first, second, *_, whole = trainers
    np.testing.assert_array_equal(first.data.x, whole.data.x)
    np.testing.assert_array_equal(np.asarray(second.data.x)[: second.data.n], codes[1])
    widths = [layer.n_in for layer in ae.net_.encoder]
    assert [t.data.x.shape[1] for t in trainers] == [*widths, widths[0]]
    assert isinstance(second.objective.loss, MSE)


def test_inner_codes_are_compared_by_squared_error(images, trainers):
    stacked("conv", loss="bce", scaling="range").fit(images)
    assert [t.objective.loss.name for t in trainers] == ["bce", "mse", "bce"]


def test_the_held_out_rows_are_coded_too(images, trainers):
    stacked("dense", early_stopping=True).fit(images)
    assert [t.validation.x.shape[1] for t in trainers] == [64, 12, 6, 64]
    assert [t.settings.patience for t in trainers] == [10] * 4


TUNED = {
    "denoising": {"architecture": "dense:hidden=[32]", "corruption": "gaussian:std=0.2"},
    "kl": {"architecture": "dense:hidden=[32],activation=sigmoid", "sparsity": "kl"},
    "conv": {"architecture": "conv:channels=[4]"},
    "conv, denoising": {"architecture": "conv:channels=[4],tied=true", "corruption": "masking"},
}


@pytest.mark.parametrize("name", TUNED)
def test_fine_tuning_makes_the_whole_better(digits, name):
    X, errors = digits[:300].reshape(-1, 8, 8), {}
    common = {"max_epochs": 20, "learning_rate": 1e-2, "scaling": "range", "early_stopping": False}
    ae = Autoencoder(10, **TUNED[name], pretrain=20, **common, random_state=0)

    def measure(row):
        phase = ae.history_["phase"][-1]
        if row["epoch"] == 20:
            errors[phase] = np.mean((ae.reconstruct(X) - X) ** 2)

    ae.fit(X, on_epoch=measure)
    *_, before, after = errors.values()
    assert np.mean((ae.reconstruct(X) - X) ** 2) == after < before


def test_a_deep_saturating_net_needs_its_layers_trained_one_by_one(digits):
    common = {
        "architecture": Dense(hidden=(64, 64, 64, 64), activation="sigmoid"),
        "scaling": "range",
        "early_stopping": False,
        "random_state": 0,
    }
    X = digits[:1000]
    ours = Autoencoder(10, pretrain=12, max_epochs=24, learning_rate=1e-2, **common).fit(X)
    plain = [
        Autoencoder(10, max_epochs=84, learning_rate=rate, **common).fit(X)
        for rate in (3e-3, 1e-2)  # whichever suits it better
    ]
    assert ours.n_iter_ == plain[0].n_iter_
    assert ours.baseline_["model"] < 0.6 * min(ae.baseline_["model"] for ae in plain)


def test_every_depth_has_its_codes(images, kind):
    ae, depth = stacked(kind).fit(images), DEPTHS[kind]
    x = ae.scaler_.forward(images.reshape(130, -1), "float32")
    for i, layer in enumerate(ae.net_.encoder):
        x = np.asarray(jax.jit(lambda x, layer=layer: layer.activate(layer.linear(x)))(x))
        np.testing.assert_allclose(ae.encode(images, layer=i + 1), x, atol=1e-5)
        np.testing.assert_array_equal(ae.encode(images, i + 1), ae.encode(images, i - depth))
    np.testing.assert_array_equal(ae.encode(images), ae.transform(images))
    for wrong in (0, depth + 1, -depth - 1, 1.5, "1"):
        with pytest.raises(ValueError, match=f"from 1 to {depth}, or negative; got {wrong!r}"):
            ae.encode(images, layer=wrong)


# -- the equation in each phase -------------------------------------------------------------------

NOISE = ("gaussian", "masking", "swap", "uniform", "saltpepper")
EQUATIONS = {
    "l1, l2": (
        "dropout=0.3,input_dropout=0.1,norm=layer",
        {"sparsity": "l1", "penalty": "l2", "corruption": NOISE},
    ),
    "kl, contractive": ("activation=sigmoid", {"sparsity": "kl", "penalty": "contractive"}),
    "topk": ("tied=true", {"sparsity": "topk:k=2"}),
}


@pytest.mark.parametrize("name", EQUATIONS)
def test_every_equation_holds_in_every_phase(images, kind, name, trainers):
    settings, equation = EQUATIONS[name]
    ae = stacked(kind, architecture=f"{SHALLOW[kind]},{settings}", **equation).fit(images)
    assert np.isfinite([*ae.history_["loss"], *ae.score_samples(images)]).all()
    for term in name.split(", ") if name != "topk" else ():
        assert all(np.all(values > 0) for values in by_phase(ae, term).values())
    for trainer in trainers:
        objective = trainer.objective
        assert len(objective.corruption) == len(ae.slots_.corruption)
        assert (objective.sparsity is None) == (ae.slots_.sparsity is None)
        assert len(objective.penalty) == len(ae.slots_.penalty)
    if name == "topk":
        assert ((ae.transform(images) != 0).sum(1) == 2).all()


def test_kl_reaches_its_activity_in_each_layer_that_can_carry_it(digits, trainers):
    ae = Autoencoder(
        20,
        "dense:hidden=[30],activation=sigmoid",
        sparsity="kl:rho=0.1",
        pretrain=30,
        max_epochs=30,
        learning_rate=1e-2,
        random_state=0,
    ).fit(digits[:300])
    for i, phase in enumerate(("layer 1", "layer 2")):
        assert by_phase(ae, "kl")[phase][-1] < 0.05
        assert trainers[i].state.params.sparsity["mean"].shape == (ae.net_.encoder[i].n_out,)
    np.testing.assert_allclose(ae.mean_activation_, 0.1, atol=0.02)


@pytest.mark.parametrize(
    ("sparsity", "inner"),
    [("kl", [None, None]), ("topk:k=7", ["topk", None]), ("l1", ["l1", "l1"])],
)
def test_layers_that_cannot_carry_a_sparsity_do_without(images, sparsity, inner, trainers):
    ae = stacked("dense", n_components=8, sparsity=sparsity).fit(images)
    names = [t.objective.sparsity and t.objective.sparsity.name for t in trainers]
    assert names == [*inner, ae.slots_.sparsity.name, ae.slots_.sparsity.name]


def test_dropout_acts_in_a_pair_where_it_acts_in_the_whole(images, trainers):
    stacked("dense", architecture="dense:hidden=[12,6],dropout=0.3,input_dropout=0.1").fit(images)
    rates = [
        [r if r is None else round(float(r), 3) for r in t.objective.dropout] for t in trainers
    ]
    assert rates == [[0.1, 0.3], [0.3, 0.3], [0.3, None], [0.1, 0.3]]


def test_noise_is_put_on_every_layers_input(images, kind, trainers):
    widths = []

    def noise(key, x):
        widths.append(x.shape[1])
        return x

    ae = stacked(kind, corruption=noise).fit(images)
    assert {layer.n_in for layer in ae.net_.encoder} == set(widths)


@pytest.mark.parametrize("rate", [0, 1])
def test_no_filter_moves_where_all_of_its_input_is_masked(images, kind, rate, trainers):
    stacked(kind, architecture=SHALLOW[kind], corruption=f"masking:rate={rate}").fit(images)
    for trainer in trainers:
        before, after = (state.params.net for state in (trainer.start, trainer.state))
        assert np.array_equal(before.encoder[0].weight, after.encoder[0].weight) == (rate == 1)
        assert not np.array_equal(before.decoder[0].bias, after.decoder[0].bias)


def test_salt_and_pepper_know_the_range_of_each_layers_input(images, kind, trainers):
    stacked(kind, architecture=SHALLOW[kind], corruption=SaltPepper()).fit(images)
    for trainer in trainers:
        noise, x = trainer.objective.corruption[0], trainer.data.x[: trainer.data.n]
        np.testing.assert_allclose((noise.low, noise.high), (x.min(), x.max()), rtol=1e-6)


# -- interrupts ----------------------------------------------------------------------------------

INTERRUPTED = {
    "dense": {
        "architecture": "dense:hidden=[6],activation=sigmoid",
        "sparsity": "kl",
        "corruption": "saltpepper",
        "early_stopping": True,
    },
    "conv": {
        "architecture": "conv:channels=[3],tied=true",
        "n_components": 3,
        "freeze": 1,
    },
}


def interrupt_in(ae, phase, epoch):
    def stop(row):
        if ae.history_["phase"][-1] == phase and row["epoch"] == epoch:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    ("phase", "epoch", "through_file"),
    [
        ("layer 1", 1, True),
        ("layer 1", 3, False),
        ("layer 2", 1, False),
        ("layer 2", 3, True),
        ("fit", 1, False),
        ("fit", 3, True),
    ],
)
def test_an_interrupted_fit_resumed_equals_the_uninterrupted_one(
    images, kind, phase, epoch, through_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(engine, "chunk_length", lambda *_: 1)
    common = {**INTERRUPTED[kind], "pretrain": 3, "max_epochs": 4}
    whole = stacked(kind, **common).fit(images)
    ae = stacked(kind, **common, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(images, on_epoch=interrupt_in(ae, phase, epoch))
    assert ae.history_["phase"][-1] == phase
    assert np.isfinite(ae.score_samples(images)).all()
    if through_file:
        ae.save(tmp_path / "half", resume=True)
        ae = isthmus.load(tmp_path / "half")
    ae.fit(images)
    assert same(ae, whole)
    assert (ae.history_["loss"], ae.history_["phase"]) == (
        whole.history_["loss"],
        whole.history_["phase"],
    )
    assert ae.baseline_ == whole.baseline_


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_an_interrupt_between_two_phases_leaves_a_whole_model(images, layer, monkeypatch):
    whole = stacked("dense").fit(images)
    ae, below = stacked("dense", warm_start=True), stacking.codes_below

    def interrupted(*arguments):
        if arguments[-1] == layer:
            raise KeyboardInterrupt
        return below(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run, "codes_below", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ae.fit(images)
    if layer:
        assert list(dict.fromkeys(ae.history_["phase"])) == PHASES["dense"][:layer]
        assert np.isfinite(ae.score_samples(images)).all()
    assert same(ae.fit(images), whole)
    assert ae.history_["phase"] == whole.history_["phase"]


@pytest.mark.parametrize("pretrain", [2, np.int64(2)])
def test_the_number_of_epochs_may_be_numpys(images, pretrain, tmp_path):
    whole = stacked("dense", pretrain=pretrain).fit(images)
    ae = stacked("dense", pretrain=pretrain, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(images, on_epoch=interrupt_in(ae, "layer 2", 1))
    ae.save(tmp_path / "half", resume=True)
    assert same(isthmus.load(tmp_path / "half").fit(images), whole)


def test_other_settings_start_a_new_run(images):
    for change in ({"pretrain": 3}, {"pretrain": None}, {"freeze": 1}):
        ae = stacked("dense", warm_start=True)
        with pytest.raises(KeyboardInterrupt):
            ae.fit(images, on_epoch=interrupt_in(ae, "layer 2", 1))
        ae.set_params(**change).fit(images)
        assert ae.history_["epoch"][0] == 1
        assert ae.n_iter_ == 3 * (ae.pretrain or 0) + 3


# -- transfer ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sources(images):
    """Return fitted models to start from."""
    return {kind: stacked(kind, pretrain=None).fit(images) for kind in ARCHITECTURES}


def beginner(kind, **parameters):
    still = {"pretrain": None, "max_epochs": 1, "learning_rate": 1e-7, "random_state": 1}
    return stacked(kind, **{**still, **parameters})


def test_a_fit_starts_from_the_weights_of_another_model(images, kind, sources):
    source = sources[kind]
    before, history = weights(source), str(source.history_)
    ae, fresh = beginner(kind).fit(3 * images, init=source), beginner(kind).fit(3 * images)
    for mine, theirs in zip(weights(ae), before, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)
    assert not np.allclose(weights(ae)[0], weights(fresh)[0], atol=1e-3)
    assert ae.history_["epoch"] == [1]
    assert not np.allclose(ae.scaler_.scale, source.scaler_.scale)  # its own
    beginner(kind, learning_rate=1.0).fit(images, init=source).partial_fit(images)
    assert same(source, source.net_)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(source), strict=True))
    assert str(source.history_) == history


def test_a_model_may_start_from_itself_and_a_warm_start_from_another(images, sources):
    source = sources["dense"]
    ae = beginner("dense", warm_start=True).fit(images)
    assert not np.allclose(weights(ae)[0], weights(source)[0], atol=1e-3)
    ae.fit(images, init=source)
    np.testing.assert_allclose(weights(ae)[0], weights(source)[0], atol=1e-5)
    ae.set_params(warm_start=False).fit(images, init=ae)
    np.testing.assert_allclose(weights(ae)[0], weights(source)[0], atol=1e-5)


def test_layers_are_trained_one_by_one_from_the_weights_of_another_model(images, sources):
    ae = beginner("dense", pretrain=1).fit(images, init=sources["dense"])
    np.testing.assert_allclose(weights(ae)[0], weights(sources["dense"])[0], atol=1e-5)
    assert list(dict.fromkeys(ae.history_["phase"])) == PHASES["dense"]


def test_an_interrupted_transfer_goes_on_to_the_bit(images, sources, tmp_path):
    parameters = {"max_epochs": 4, "learning_rate": 1e-2, "freeze": 1}
    whole = beginner("conv", **parameters).fit(images, init=sources["conv"])
    ae = beginner("conv", **parameters, warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        ae.fit(images, init=sources["conv"], on_epoch=interrupt_in(ae, "fit", 2))
    ae.save(tmp_path / "half", resume=True)
    assert same(isthmus.load(tmp_path / "half").fit(images), whole)


def test_float64_starts_from_float32(images, kind, sources):
    ae = beginner(kind, dtype="float64").fit(images, init=sources[kind])
    assert {w.dtype for w in weights(ae)} == {np.dtype("float64")}
    np.testing.assert_allclose(weights(ae)[0], weights(sources[kind])[0], atol=1e-5)
    assert {w.dtype for w in weights(sources[kind])} == {np.dtype("float32")}


MISFITS = [
    ("dense", {"n_components": 4}, "layer 3 of its encoder is 6x3 identity, not 6x4 identity"),
    ("dense", {"n_components": 4}, "layer 3 of its decoder is 3x6 gelu, not 4x6 gelu"),
    ("dense", {"architecture": "dense:hidden=[12]"}, "its encoder has 3 layers, not 2"),
    (
        "dense",
        {"architecture": "dense:hidden=[12,6],activation=tanh"},
        "layer 1 of its encoder is 64x12 gelu, not 64x12 tanh",
    ),
    (
        "dense",
        {"architecture": "dense:hidden=[12,6],norm=layer"},
        "layer 2 of its encoder is 12x6 gelu, not 12x6 gelu with layer norm",
    ),
    (
        "dense",
        {"architecture": "dense:hidden=[12,6],tied=true"},
        "layer 1 of its decoder is 12x64 identity, not tied identity",
    ),
    (
        "dense",
        {"architecture": "conv:channels=[3,4]"},
        "not 3x3x1x3 over 8x8 (stride 2, zeros 0+1) gelu",
    ),
    (
        "conv",
        {"architecture": "conv:channels=[3,4],code=maps,kernel=2"},
        "encoder is 3x3x3x4 over 4x4 (stride 2, zeros 0+1) identity, not 2x2x3x4 over 4x4 (stride 2,",
    ),
    (
        "conv",
        {"architecture": "conv:channels=[3,4],code=maps,stride=1"},
        "8x8 (stride 2, zeros 0+1) gelu, not 3x3x1x3 over 8x8 (stride 1, zeros 1+1) gelu",
    ),
]


@pytest.mark.parametrize(("kind", "change", "message"), MISFITS)
def test_weights_that_do_not_fit_are_named_in_one_sentence(images, kind, change, message, sources):
    ae = beginner(kind, scaling="range" if "tied" in str(change) else "auto", **change)
    message = message.replace("identity, not tied identity", "sigmoid, not tied sigmoid")
    with pytest.raises(
        ValueError, match=f"The weights of init do not fit: .*{re.escape(message)}"
    ) as raised:
        ae.fit(images, init=sources[kind])
    assert "Give this model the same architecture, n_components and number" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not hasattr(ae, "net_")


def test_weights_for_other_features_do_not_fit(digits, sources):
    with pytest.raises(ValueError, match="layer 1 of its encoder is 64x12 gelu, not 30x12 gelu"):
        beginner("dense").fit(digits[:100, 20:50], init=sources["dense"])


def test_weights_of_maps_with_other_padding_do_not_fit(images):
    same_size, full = (
        beginner(
            "conv", n_components=None, architecture=f"conv:channels=[3],code=maps,stride=1,{p}"
        )
        for p in ("padding=same", "padding=full")
    )
    with pytest.raises(ValueError, match="The weights of init do not fit"):
        full.fit(images, init=same_size.fit(images))


def test_what_is_no_fitted_model_cannot_be_started_from(images, digits, sources, tmp_path):
    for wrong in (Autoencoder(), "model.isthmus", PCA(2).fit(digits), Autoencoder):
        with pytest.raises(ValueError, match="The init must be a fitted Autoencoder; got"):
            beginner("dense").fit(images, init=wrong)
    sources["dense"].save(tmp_path / "encoder", part="encoder")
    with pytest.raises(ValueError, match="saved as an encoder alone: it can only encode"):
        beginner("dense").fit(images, init=isthmus.load(tmp_path / "encoder"))


@pytest.mark.parametrize("freeze", [None, "encoder"])
def test_few_rows_are_learned_faster_from_a_fitted_model(digits, freeze):
    few, unseen = digits[1000:1060], digits[1060:]
    common = {"architecture": "dense:hidden=[32]", "random_state": 0, "learning_rate": 1e-2}
    source = Autoencoder(8, max_epochs=40, **common).fit(digits[:1000])
    scratch = Autoencoder(8, max_epochs=20, **common).fit(few)
    tuned = Autoencoder(8, max_epochs=20, freeze=freeze, **common).fit(few, init=source)
    assert tuned.score(unseen) > scratch.score(unseen) + 0.1


# -- frozen layers -------------------------------------------------------------------------------


def moved(before, after):
    """Return by side and layer whether each array moved."""
    return {
        side: [
            [not np.array_equal(a, b) for a, b in zip(weights(was), weights(now), strict=True)]
            for was, now in zip(getattr(before, side), getattr(after, side), strict=True)
        ]
        for side in ("encoder", "decoder")
    }


FROZEN = {"encoder": (3, 0), "decoder": (0, 3), 0: (0, 0), 1: (1, 0), np.int64(2): (2, 0)}


@pytest.mark.parametrize("freeze", FROZEN)
@pytest.mark.parametrize("pretrain", [None, 1])
def test_frozen_arrays_stay_to_the_bit_and_all_others_move(images, kind, freeze, pretrain, sources):
    ae = beginner(kind, freeze=freeze, pretrain=pretrain, learning_rate=1e-2)
    ae.fit(images, init=sources[kind])
    expected = {
        side: [[i >= n] * 2 for i in range(DEPTHS[kind])]
        for side, n in zip(("encoder", "decoder"), FROZEN[freeze], strict=True)
    }
    assert moved(sources[kind].net_, ae.net_) == expected
    fitted = ae.net_
    ae.set_params(warm_start=True, pretrain=None).fit(images[:129])
    assert moved(fitted, ae.net_) == expected
    fitted = ae.net_
    assert moved(fitted, ae.partial_fit(images).net_) == expected


@pytest.mark.parametrize(
    "architecture", ["dense:hidden=[6],tied=true", "conv:channels=[3],tied=true"]
)
def test_either_frozen_side_of_a_tied_net_holds_the_filters_of_both(images, architecture):
    source = stacked("dense", architecture=architecture, pretrain=None).fit(images)
    ae = beginner("dense", architecture=architecture, freeze="encoder", learning_rate=1e-2)
    ae.fit(images, init=source)
    assert moved(source.net_, ae.net_) == {"encoder": [[False] * 2] * 2, "decoder": [[True]] * 2}
    ae.set_params(freeze="decoder").fit(images, init=source)  # which holds the shared weights
    expected = {"encoder": [[False, True]] * 2, "decoder": [[False]] * 2}
    assert moved(source.net_, ae.net_) == expected


@pytest.mark.parametrize("freeze", ["encoder", "decoder", 1])
def test_kl_prepares_no_frozen_layer(images, freeze):
    kl = {
        "architecture": "dense:hidden=[6],activation=sigmoid",
        "sparsity": "kl",
        "scaling": "range",
    }
    source = stacked("dense", **kl, pretrain=None).fit(images)
    ae = beginner("dense", **kl, freeze=freeze, pretrain=1).fit(images, init=source)
    change = moved(source.net_, ae.net_)
    n = {"encoder": (2, 0), "decoder": (0, 2), 1: (1, 0)}[freeze]
    assert not np.any([change["encoder"][: n[0]], change["decoder"][: n[1]]][freeze == "decoder"])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_more_frozen_layers_than_there_are_is_an_error(images, method):
    ae = stacked("dense", freeze=9)
    with pytest.raises(ValueError, match="With freeze=9 the encoder .*it has 3"):
        getattr(ae, method)(images)
    assert not hasattr(ae, "net_")


@pytest.fixture
def compilations():
    counted = []

    def listen(event, duration, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            counted.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield counted
    jax.monitoring.unregister_event_duration_listener(listen)


def test_freezing_adds_one_program_whatever_is_frozen(images, compilations):
    common = {"architecture": "dense:hidden=[11,5]", "max_epochs": 2, "learning_rate": 1e-2}
    source = beginner("dense", **common).fit(images)
    assert compilations
    compilations.clear()
    beginner("dense", **common, freeze=1).fit(images, init=source)
    assert len(compilations) == 1
    for freeze in (0, 2, 3, "encoder", "decoder"):
        beginner("dense", **common, freeze=freeze).fit(images, init=source)
    assert len(compilations) == 1


def test_layerwise_training_of_other_numbers_compiles_nothing_new(images, compilations):
    common = {"architecture": "dense:hidden=[11,5]", "corruption": "gaussian"}
    ae = stacked("dense", **common).fit(images)
    assert compilations
    compilations.clear()
    ae.set_params(pretrain=3, corruption__std=0.3, learning_rate=1e-2).fit(images[:129])
    assert compilations == []


# -- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize("pretrain", ["greedy", 0, -1, True, False, 2.0, (5,)])
def test_pretrain_is_none_a_word_or_a_number_of_epochs(images, pretrain):
    with pytest.raises(ValueError, match="pretrain must be None, 'layerwise' or the number .*got"):
        stacked("dense", pretrain=pretrain).fit(images)


@pytest.mark.parametrize("freeze", ["all", "Encoder", -1, True, False, 1.0, ("encoder",)])
def test_freeze_is_none_a_side_or_a_number_of_layers(images, freeze):
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match="freeze must be None, 'encoder', 'decoder' or .*got"):
            getattr(stacked("dense", freeze=freeze), method)(images)


def test_no_frozen_layer_is_none_frozen(images):
    kl = {"architecture": "dense:hidden=[6],activation=sigmoid", "sparsity": "kl"}
    a, b = (stacked("dense", freeze=f, **kl).fit(images) for f in (None, 0))
    assert same(a, b)
