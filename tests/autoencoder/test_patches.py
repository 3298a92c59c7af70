"""Fits on patches: others in each epoch, the same bits for the same seed, and what is held out."""

import re

import numpy as np
import pytest
from PIL import Image

from isthmus import Autoencoder, OutlierDetector
from isthmus.autoencoder import sources
from isthmus.autoencoder.large import look_at_fresh
from isthmus.autoencoder.rows import Rows
from isthmus.images import patches
from isthmus.training import windows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SIZE = (4, 4)


@pytest.fixture(scope="module")
def photographs():
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 200, (h, w), np.uint8) // 2 + np.arange(w, dtype=np.uint8)
        for h, w in [(20, 30), (9, 8), (25, 25)] * 4
    ]


def model(**params):
    given = {"max_epochs": 3, "batch_size": 32, "random_state": 0, **params}
    return Autoencoder(2, "dense:hidden=[4]", **given)


def alike(a, b):
    """Whether two fits left the same, whatever time they took."""
    histories = [{k: v for k, v in m.history_.items() if k != "seconds"} for m in (a, b)]
    np.testing.assert_equal(*histories)
    weights = [np.asarray(layer.weight) for m in (a, b) for layer in m.net_.encoder]
    half = len(weights) // 2
    assert a.baseline_ == b.baseline_
    return all(map(np.array_equal, weights[:half], weights[half:]))


@pytest.fixture(scope="module")
def whole(photographs):
    return model().fit(patches(photographs, 300, SIZE))


@pytest.fixture
def seen(monkeypatch):
    """Return the windows that fits are given, which are made of rows as they lie."""
    found, read = [], windows.Windows._read

    def noted(feed, turn, stopped):
        rows = read(feed, turn, stopped)
        found.append((turn, np.asarray(rows.x)[: rows.n]))
        return rows

    monkeypatch.setattr(windows.Windows, "_read", noted)
    return found


def test_each_epoch_has_rows_of_its_own_and_all_rows_are_as_the_source_says(photographs, seen):
    rows = patches(photographs, 300, SIZE)
    model(early_stopping=False, scaling="range").fit(rows)
    assert [turn for turn, _ in seen] == [0, 1, 2]
    for epoch, given in seen:
        wanted = rows.at(epoch).read(0, 300).reshape(300, -1)
        np.testing.assert_allclose(given, wanted / 255, atol=1e-6)
    assert not np.array_equal(seen[0][1], seen[1][1])


def test_folders_and_arrays_of_the_same_pictures_give_the_same_bits(photographs, whole, tmp_path):
    for i, array in enumerate(photographs):
        Image.fromarray(array).save(tmp_path / f"{i:02}.png")
    assert alike(model().fit(patches(tmp_path, 300, SIZE)), whole)
    assert not np.array_equal(
        model().fit(patches(photographs, 300, SIZE, random_state=1)).history_["loss"],
        whole.history_["loss"],
    )


@pytest.mark.parametrize("window", [2**26, 4 * 64 * 16])
@pytest.mark.parametrize("n", [1, 3])
def test_an_interrupted_fit_goes_on_exactly(photographs, monkeypatch, window, n):
    monkeypatch.setattr(windows, "WINDOW", window)
    ae, most, begun = model(warm_start=True), windows.Windows.most, iter(range(n))

    def interrupted(feed, step):
        if next(begun, None) is None:
            raise KeyboardInterrupt
        return min(most(feed, step), 4)

    wanted = model().fit(patches(photographs, 300, SIZE))
    with monkeypatch.context() as patch:
        patch.setattr(windows.Windows, "most", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ae.fit(patches(photographs, 300, SIZE))
    assert ae.unfinished_epochs is not None
    assert alike(ae.fit(patches(photographs, 300, SIZE)), wanted)


def test_other_patches_are_not_gone_on_with(photographs, whole):
    marks = {
        sources.mark_of(sources.BlockRows(rows, lambda rows, start: rows.reshape(len(rows), -1)))
        for rows in (
            patches(photographs, 300, SIZE),
            patches(photographs, 300, SIZE, random_state=1),
            patches(photographs, 300, SIZE, turns=False),
            patches(photographs[::-1], 300, SIZE),
            patches([array + 1 for array in photographs], 300, SIZE),
        )
    }
    assert len(marks) == 5


@pytest.mark.parametrize(
    ("dtype", "params", "scale"),
    [
        (np.uint8, {}, 255),
        (np.uint16, {}, 65535),
        (np.uint8, {"scaling": "range"}, 255),
        (np.uint8, {"scaling": "minmax"}, 255),
    ],
)
def test_the_range_is_that_of_the_type(photographs, dtype, params, scale):
    ae = model(max_epochs=1, **params).fit(
        patches([p.astype(dtype) for p in photographs], 40, SIZE)
    )
    assert ae.sample_shape_ == SIZE
    np.testing.assert_array_equal(ae.scaler_.centre, 0)
    np.testing.assert_array_equal(ae.scaler_.scale, scale)


def test_columns_that_are_standardised_are_so_by_a_sample(photographs):
    ae = model(max_epochs=1, scaling="standard").fit(patches(photographs, 5000, SIZE))
    pixels = np.concatenate([p.ravel() for p in photographs])
    np.testing.assert_allclose(ae.scaler_.centre, pixels.mean(), rtol=0.05)
    np.testing.assert_allclose(ae.scaler_.scale, pixels.std(), rtol=0.05)


@pytest.mark.parametrize(
    ("n", "params", "held"),
    [
        (300, {}, 30),
        (99, {}, 0),
        (130, {"batch_size": 128}, 20),  # a last batch of few
        (10, {}, 0),  # fewer than a batch
        (1, {}, 0),
        (30, {"early_stopping": True}, 15),
        (200, {"early_stopping": False}, 0),
        (200, {"pretrain": 1}, 20),
    ],
)
def test_any_number_of_patches_is_trained_on(photographs, n, params, held, seen):
    ae = model(**params).fit(patches(photographs, n, SIZE))
    assert np.isfinite(ae.history_["loss"]).all()
    assert ae.baseline_["rows"] == ("held-out" if held else "training")
    assert all(len(rows) == n - held for _, rows in seen)


def test_many_short_epochs_of_one_picture_in_colour():
    rows = patches(np.random.default_rng(0).integers(0, 255, (1, 9, 9, 3), np.uint8), 40, SIZE)
    ae = model(max_epochs=200).fit(rows)
    assert ae.sample_shape_ == (4, 4, 3)
    assert len(ae.history_["loss"]) == 200
    assert ae.history_["loss"][-1] < ae.history_["loss"][0]


def test_rows_held_out_are_of_other_pictures(photographs):
    marked = [np.full_like(p, i) for i, p in enumerate(photographs)]
    ae = model()
    source = patches(marked, 2000, SIZE)
    rows = sources.BlockRows(source, lambda rows, start: rows.reshape(len(rows), -1))
    given, split, known = look_at_fresh(Rows(rows, np.ones(2000), SIZE), "auto", 0.2, seed=3)
    held, trained = {*known.held.ravel()}, {*given.X[:].ravel()}
    assert len(held) == 2
    assert not held & trained
    assert {*known.sample.ravel()} == trained
    assert (len(known.held), split.n_train) == (400, 1600)
    assert ae.fit(source).fitted_.batch_size == 32


def test_what_takes_rows_takes_those_of_the_first_epoch(photographs, whole):
    rows = patches(photographs, 300, SIZE)
    first = np.asarray(rows)
    np.testing.assert_array_equal(whole.transform(rows), whole.transform(first))
    np.testing.assert_array_equal(whole.score_samples(rows), whole.score_samples(first))
    assert whole.score(rows) == whole.score(first)
    assert whole.reconstruct(rows).shape == (300, *SIZE)
    small = Autoencoder(2, max_epochs=2, random_state=0)
    detectors = [
        OutlierDetector(small, n_estimators=1, random_state=0).fit(X) for X in (rows, first)
    ]
    np.testing.assert_array_equal(*(d.score_samples(first) for d in detectors))


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"sample_weight": np.ones(300)}, "sample_weight is not for patches"),
        ({"groups": np.zeros(300, int)}, "groups are for rows in memory"),
    ],
)
def test_what_belongs_to_single_rows_is_refused(photographs, given, match):
    with pytest.raises(ValueError, match=re.escape(match)):
        model().fit(patches(photographs, 300, SIZE), **given)
