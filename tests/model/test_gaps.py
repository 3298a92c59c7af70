"""What is learned of missing cells from cells that were hidden."""

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder
from isthmus.io import ModelFileError, read_tensors, write_tensors
from isthmus.model.gaps import Gaps, Hidden, settled


def hidden(said, truth, constant=0.0, number=True):
    """Return what one round said of one column."""
    said, truth = np.asarray(said, float)[None, :, None], np.asarray(truth, float)[:, None]
    return Hidden(said, np.full_like(truth, constant), truth, np.array([number]))


def test_a_column_that_is_known_takes_the_models_word(rng):
    truth = rng.normal(size=200)
    gaps = settled(hidden(truth + 0.01 * rng.normal(size=200), truth), held_out=True)
    assert gaps.shares == [1]
    assert gaps.misses[0].max() < 0.06


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_says_too_much_goes_half_the_way(seed):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=500)
    gaps = settled(hidden(2 * truth + 0.1 * rng.normal(size=500), truth), held_out=True)
    assert gaps.shares[0] == pytest.approx(0.5, abs=0.051)


def test_a_model_that_knows_nothing_is_not_asked(rng):
    known = [
        settled(hidden(rng.normal(size=100), rng.normal(size=100)), held_out=True).shares[0]
        for _ in range(60)
    ]
    assert np.mean(np.array(known) == 0) > 0.7
    assert np.mean(known) < 0.05


def test_levels_are_shared_by_their_surprise(rng):
    told = rng.uniform(0.7, 0.9, 200)  # of the true level; the constant says 0.4
    gaps = settled(hidden(told, np.ones(200), 0.4, number=False), held_out=True)
    assert gaps.shares == [1]
    np.testing.assert_allclose(gaps.misses[0], np.sort(1 - told), rtol=1e-6)


def test_more_rounds_are_taken_where_they_gain(rng):
    truth = rng.normal(size=300)
    one = hidden(truth + rng.normal(size=300), truth)
    two = one._replace(said=np.concatenate([one.said, truth[None, :, None]]))
    same = one._replace(said=np.concatenate([one.said, one.said]))
    assert settled(two, held_out=True).rounds == 2
    assert settled(same, held_out=True).rounds == 1


@pytest.mark.parametrize(
    ("n", "level", "rank"),
    [(9, 0.9, 9), (8, 0.9, None), (19, 0.9, 18), (99, 0.5, 50), (0, 0.5, None)],
)
def test_a_radius_is_the_conformal_quantile(n, level, rank):
    gaps = Gaps(1, np.ones(1), (np.arange(1.0, n + 1),), held_out=True)
    assert gaps.radius(0, level) == (np.inf if rank is None else rank)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=120), "level": rng.choice(["a", "b"], 120)})
    path = tmp_path_factory.mktemp("gaps") / "m.isthmus"
    Autoencoder(1, max_epochs=1, random_state=0).fit(frame).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("gaps.shares", np.array([0.5, 1.5]), "measurements of hidden cells do not fit"),
        ("gaps.shares", np.ones(3), "has shape"),
        ("gaps.counts", np.array([1, 2]), "measurements of hidden cells do not fit"),
        ("gaps.counts", np.array([-1, 41]), "measurements of hidden cells do not fit"),
        ("gaps.misses", np.ones((2, 20), np.float32), "has shape"),
    ],
)
def test_measurements_changed_by_hand_are_refused(saved, tmp_path, name, value, message):
    tensors, meta = read_tensors(saved)
    assert tensors["gaps.counts"].sum() == len(tensors["gaps.misses"]) == 40
    write_tensors(tmp_path / "m", tensors | {name: value}, meta)
    with pytest.raises(ModelFileError, match=message):
        isthmus.load(tmp_path / "m")


def test_rounds_without_end_are_refused(saved, tmp_path):
    tensors, meta = read_tensors(saved)
    meta["fitted"]["gaps"]["rounds"] = 10**9
    write_tensors(tmp_path / "m", tensors, meta)
    with pytest.raises(ModelFileError, match="rounds of estimates are 1000000000, beyond 4"):
        isthmus.load(tmp_path / "m")
