"""Models that learn from noisy rows alone: what they are worth, what they are judged by, refusals."""

import numpy as np
import pytest

import isthmus
from isthmus import Autoencoder, presets, tune
from isthmus.training import trainer as engine

RNG = np.random.default_rng(0)
CLEAN = RNG.normal(size=(700, 2)) @ RNG.normal(size=(2, 12))
NOISY = CLEAN + RNG.normal(size=CLEAN.shape)
WIDE = {
    "n_components": 12,
    "architecture": "dense:hidden=[24]",
    "random_state": 0,
    "max_epochs": 60,
}


def error(ae, noisy=NOISY, clean=CLEAN):
    return np.mean((ae.reconstruct(noisy) - clean) ** 2)


@pytest.fixture(scope="module")
def blind():
    return Autoencoder(corruption="blindspot:rate=0.1", **WIDE).fit(NOISY)


def test_a_table_is_cleaned_by_noisy_rows_alone(blind):
    assert error(blind) < 0.45 < 0.9 < np.mean((NOISY - CLEAN) ** 2)
    whole = Autoencoder(corruption="swap:rate=0.1", **WIDE).fit(NOISY)  # the loss counts all values
    assert error(blind) < 0.85 * error(whole)


def test_it_is_judged_by_what_it_did_not_see(blind):
    held = [v for v in blind.history_["validation_loss"] if v == v]
    assert held[-1] < 0.8 * held[0]
    copied = -blind.score_samples(NOISY).mean()  # in the same units
    assert blind.baseline_["model"] > 1.1 * copied
    assert blind.baseline_["model"] == pytest.approx(min(held), rel=0.1)
    assert np.isnan(blind.baseline_["pca"])
    assert 0.2 < blind.score(NOISY) < 0.8
    assert blind.score(NOISY, sample_weight=np.ones(700)) == blind.score(NOISY)
    assert blind.score(NOISY) == pytest.approx(blind.baseline_["score"], abs=0.1)
    text = blind.summary()
    assert "corrupted as in training" in text
    assert "PCA" not in text


def test_weights_are_repetitions():
    weight = np.where(np.arange(700) < 350, 1.0, 0.0)
    ae = Autoencoder(corruption="blindspot:rate=0.1", **WIDE | {"max_epochs": 3})
    half = ae.fit(NOISY[:350]).reconstruct(NOISY[:5])
    np.testing.assert_array_equal(ae.fit(NOISY, sample_weight=weight).reconstruct(NOISY[:5]), half)


def test_a_file_keeps_all(blind, tmp_path):
    blind.save(tmp_path / "m.isthmus")
    again = isthmus.load(tmp_path / "m.isthmus")
    np.testing.assert_array_equal(again.reconstruct(NOISY), blind.reconstruct(NOISY))
    assert again.score(NOISY) == blind.score(NOISY)
    assert again.slots_.corruption[0].to_string() == "blindspot:rate=0.1"


def test_an_interrupted_fit_goes_on_to_the_bit(monkeypatch):
    monkeypatch.setattr(engine, "chunk_length", lambda *_: 1)
    parameters = WIDE | {"max_epochs": 20}
    whole = Autoencoder(corruption="blindspot", **parameters).fit(NOISY[:200])

    def stop(row):
        if row["epoch"] == 12:
            raise KeyboardInterrupt

    part = Autoencoder(corruption="blindspot", warm_start=True, **parameters)
    with pytest.raises(KeyboardInterrupt):
        part.fit(NOISY[:200], on_epoch=stop)
    part.fit(NOISY[:200])
    np.testing.assert_array_equal(part.reconstruct(NOISY), whole.reconstruct(NOISY))
    np.testing.assert_array_equal(
        part.history_["validation_loss"], whole.history_["validation_loss"]
    )


def test_a_search_ranks_by_what_is_hidden():
    candidates = {"n_components": [1, 2]}
    base = Autoencoder(
        None, "dense:hidden=[24]", "blindspot:rate=0.1", max_epochs=40, random_state=0
    )
    found = tune(base, candidates, NOISY, cv=2)
    scores = found.cv_results_["mean_test_score"]
    assert (scores > 0.05).all()
    assert scores.max() < 0.8  # a copy would score 1


def test_models_of_groups_learn_alike():
    groups = np.arange(700) % 2
    ae = Autoencoder(corruption="blindspot:rate=0.1", **WIDE).fit(NOISY, groups=groups)
    assert np.mean((ae.reconstruct(NOISY, groups=groups) - CLEAN) ** 2) < 0.7
    with pytest.raises(ValueError, match="score the rows of a group"):
        ae.score(NOISY, groups=groups)
    assert ae.of_group(0).score(NOISY[::2]) > 0.2


def test_signals_are_cleaned():
    turns = np.linspace(0, 4 * np.pi, 48)
    clean = np.sin(turns + RNG.uniform(0, 6, (300, 1)))
    noisy = clean + 0.5 * RNG.normal(size=clean.shape)
    net = "conv1d:channels=[12,12],kernel=7,stride=1,output=identity,code=maps"
    ae = Autoencoder(None, net, "blindspot:rate=0.1", max_epochs=40, random_state=0).fit(noisy)
    assert error(ae, noisy, clean) < 0.12 < 0.24 < np.mean((noisy - clean) ** 2)


@pytest.mark.parametrize("std", [None, 0.1])
def test_pictures_are_cleaned(std):
    i, j = np.mgrid[:64, :64]
    clean = np.stack(
        [128 + 80 * np.sin(i / a) * np.cos(j / b) for a, b in RNG.uniform(2, 9, (12, 2))]
    )
    noisy = np.clip(np.rint(clean + RNG.normal(scale=25, size=clean.shape)), 0, 255).astype(
        np.uint8
    )
    patches = isthmus.images.patches(noisy, 400, (16, 16))
    net = "conv:channels=[12,12],kernel=5,stride=1,output=identity,code=maps"
    ae = presets.blind_denoiser(std, architecture=net, max_epochs=12, random_state=0).fit(patches)
    tiles = (v.reshape(12, 4, 16, 4, 16).swapaxes(2, 3).reshape(-1, 16, 16) for v in (noisy, clean))
    given, wanted = tiles
    assert error(ae, given, wanted) < 0.4 * np.mean((given - wanted) ** 2)
    assert ae.baseline_["least"] == pytest.approx(0 if std is None else 0.04)
    assert 0.2 < ae.baseline_["score"] < 1


@pytest.mark.parametrize(
    ("changes", "X", "message"),
    [
        ({"corruption": ("blindspot", "blindspot")}, NOISY, "keep one of them"),
        ({"loss": "cosine"}, NOISY, "needs a loss that is a sum over columns"),
        ({"pretrain": "layerwise"}, NOISY, "set pretrain=None"),
        ({"corruption": "recorrupt", "loss": "mae"}, NOISY, "use loss='mse'; got 'mae'"),
        ({}, np.where(NOISY > 4, np.nan, NOISY), "is for rows of plain numbers"),
        ({"corruption": "blindspot:rate=0.6"}, NOISY, r"in \[0.001, 0.5\]; got 0.6"),
        ({}, NOISY[:, 0, None, None], "a row has a single one"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(changes, X, message):
    with pytest.raises(ValueError, match=message):
        Autoencoder(**{"corruption": "blindspot", "max_epochs": 1} | changes).fit(X)


def test_one_row_has_no_score(blind):
    with pytest.raises(ValueError, match="give two at least"):
        blind.score(NOISY[:1])
