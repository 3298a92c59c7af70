"""Denoising: tiles against the identity and by hand, the command, and the guide."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import isthmus
from isthmus import Autoencoder
from isthmus.images import denoise, tiling

ROOT = Path(__file__).parents[1]


class Tiles(BaseEstimator):
    """A fitted model of images, by a function of its tiles; it counts the tiles of each call."""

    fitted_ = SimpleNamespace(
        image_scale=None,
        model=SimpleNamespace(
            net=SimpleNamespace(encoder=(), decoder=()),
            slots=SimpleNamespace(sparsity=None, loss=None),
            scaling=None,
        ),
    )

    def __init__(self, shape, function=lambda tiles: tiles.astype(float)):
        self.sample_shape_, self.function, self.calls = shape, function, []

    def __sklearn_is_fitted__(self):
        return True

    def fit(self):
        return self

    def reconstruct(self, tiles):
        assert tiles.shape[1:] == self.sample_shape_
        self.calls.append(len(tiles))
        return self.function(tiles)


def means(tiles):
    return np.broadcast_to(tiles.mean(axis=(1, 2), keepdims=True), tiles.shape)


@pytest.mark.parametrize("size", [(8, 6), (9, 6), (15, 17), (40, 33)])
@pytest.mark.parametrize("overlap", [None, 0, 1, 3, 5])
def test_an_identity_gives_the_image_back(rng, size, overlap):
    image = rng.normal(size=size)
    again = denoise(Tiles((8, 6)), image, overlap=overlap)
    np.testing.assert_allclose(again, image, atol=1e-14)
    colour = rng.integers(0, 256, (2, *size, 3), np.uint8)
    again = denoise(Tiles((8, 6, 3)), colour, overlap=overlap)
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, colour)


@pytest.mark.parametrize("size", [2, 5, 8, 28])
def test_weights_are_positive_and_sum_to_one(size):
    for overlap in range(size):
        for length in range(size, 4 * size):
            cuts = list(tiling._cuts(length, size, overlap))
            total = np.zeros(length)
            for start, weights in cuts:
                assert weights.min() > 0
                total[start : start + size] += weights
            np.testing.assert_allclose(total, 1, rtol=0, atol=1e-15)
            starts = [start for start, _ in cuts]
            assert (starts[0], starts[-1]) == (0, length - size)
            assert all(np.diff(starts) <= size - overlap)


def test_tiles_that_differ_meet_without_a_seam():
    slope = np.tile(np.arange(64.0), (16, 1))
    steps = [
        np.abs(np.diff(denoise(Tiles((16, 16), means), slope, overlap=overlap), axis=1)).max()
        for overlap in (0, 4, 8)
    ]
    assert steps[0] == 16  # flat tiles side by side
    assert steps[0] > 2 * steps[1] > 3 * steps[2]
    assert steps[2] < 2


def test_a_tile_is_blended_by_hand():
    """Two tiles of 4 that share 2: weights sin^2(pi / 8) and cos^2(pi / 8)."""
    image = np.tile([0.0, 0, 0, 0, 6, 6], (4, 1))
    again = denoise(Tiles((4, 4), means), image, overlap=2)
    low = np.sin(np.pi / 8) ** 2
    np.testing.assert_allclose(again[0], [0, 0, 3 * low, 3 * (1 - low), 3, 3])


def test_an_image_of_the_models_size_is_reconstructed(digits):
    images = digits.reshape(-1, 8, 8)[:200]
    ae = Autoencoder(4, corruption="gaussian", max_epochs=2, random_state=0).fit(images)
    np.testing.assert_allclose(denoise(ae, images), ae.reconstruct(images), rtol=1e-6)
    np.testing.assert_array_equal(denoise(ae, images[0]), denoise(ae, images)[0])
    assert denoise(ae, images.astype(np.float32)).dtype == np.float32
    wide = denoise(ae, images[:3].reshape(8, -1))
    assert wide.shape == (8, 24)
    assert wide.flags.writeable


def test_lists_mix_sizes_and_types(rng):
    images = [rng.integers(0, 65536, (9, 8), np.uint16), rng.random((30, 12), np.float32)]
    again = denoise(Tiles((8, 8)), images)
    assert [(a.shape, a.dtype) for a in again] == [(i.shape, i.dtype) for i in images]
    np.testing.assert_array_equal(again[0], images[0])


def test_pixels_are_rounded_and_clipped():
    model = Tiles((4, 4), lambda tiles: tiles + 10.6)
    again = denoise(model, np.full((6, 7), [0, 0, 100, 100, 250, 250, 255], np.uint8))
    np.testing.assert_array_equal(again[0], [11, 11, 111, 111, 255, 255, 255])


def test_tiles_go_through_the_model_in_batches(rng, monkeypatch):
    X = rng.random((3, 20, 20))
    whole = Tiles((8, 8))
    denoise(whole, X)
    assert whole.calls == [3 * 16]
    monkeypatch.setattr(tiling, "MOST_VALUES", 5 * 64)
    parts = Tiles((8, 8))
    np.testing.assert_allclose(denoise(parts, X), X, atol=1e-14)
    assert parts.calls == 3 * [5, 5, 5, 1]


def test_errors():
    model = Tiles((8, 8))
    with pytest.raises(ValueError, match=r"is 7x9 \(height x width\), smaller than the 8x8"):
        denoise(model, np.zeros((7, 9)))
    with pytest.raises(ValueError, match=r"is 8x7 .* smaller"):
        denoise(model, [np.zeros((8, 8)), np.zeros((8, 7))])
    text = r"shape \(8,\), which does not fit .* give \(height, width\)"
    with pytest.raises(ValueError, match=text):
        denoise(model, np.zeros(8))
    with pytest.raises(ValueError, match=r"shape \(9, 9, 5\), .* give \(height, width, 3\)"):
        denoise(Tiles((8, 8, 3)), np.zeros((9, 9, 5)))
    with pytest.raises(ValueError, match="dtype int64; convert it"):
        denoise(model, np.zeros((9, 9), int))
    with pytest.raises(ValueError, match="NaN or infinite"):
        denoise(model, np.full((9, 9), np.nan))
    for overlap in (-1, 8, 2.5, True):
        with pytest.raises(ValueError, match=f"from 0 to 7, for tiles of 8x8; got {overlap}"):
            denoise(model, np.zeros((9, 9)), overlap=overlap)
    with pytest.raises(NotFittedError, match=r"^The model is not fitted yet: fit it on images,"):
        denoise(Autoencoder(), np.zeros((9, 9)))
    for other in (StandardScaler(), StandardScaler().fit(np.zeros((3, 2))), "m.isthmus"):
        with pytest.raises(TypeError, match=r"must be an Autoencoder fitted on images; got .+\.$"):
            denoise(other, np.zeros((9, 9)))
    flat = Autoencoder(1, max_epochs=1).fit(np.random.default_rng(0).random((20, 4)))
    with pytest.raises(ValueError, match="fitted on rows of 4 columns, and images need"):
        denoise(flat, np.zeros((9, 9)))


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def cli(cli, rng):
    """Run a command line in a folder with models of 8 x 8 images, and images of several sizes."""
    X = rng.integers(0, 256, (60, 8, 8), np.uint8)
    for name, corruption in (("d", "gaussian"), ("plain", None)):
        ae = Autoencoder(3, corruption=corruption, max_epochs=2, random_state=0).fit(X)
        ae.save(f"{name}.isthmus")
    np.save("x.npy", X)
    Path("in/sub").mkdir(parents=True)
    for name, size in (("a.png", (20, 31)), ("sub/b.bmp", (8, 8)), ("c.jpg", (9, 50))):
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(f"in/{name}")
    return cli


def test_a_folder_of_mixed_sizes(cli):
    status, out, err = cli("denoise", "d.isthmus", "in", "-o", "out")
    assert (status, err) == (0, "")
    assert "3 images" in out
    from isthmus import load

    ae = load("d.isthmus")
    for name, written in (("a.png", "a.png"), ("sub/b.bmp", "sub/b.bmp"), ("c.jpg", "c.png")):
        image = np.asarray(Image.open(f"in/{name}"))
        np.testing.assert_array_equal(np.asarray(Image.open(f"out/{written}")), denoise(ae, image))
    status, _, err = cli("denoise", "d.isthmus", "in", "-o", "out")
    assert status == 1
    assert "exists" in err
    smooth = np.asarray(Image.open("out/a.png"))
    assert cli("denoise", "d.isthmus", "in", "-o", "out", "--force", "--overlap", 0)[0] == 0
    assert not np.array_equal(smooth, np.asarray(Image.open("out/a.png")))


@pytest.fixture
def photographs(cli, rng):
    """A folder of two photographs of one size, and one of another."""
    Path("photos").mkdir()
    for name, size in (("a", (48, 64)), ("b", (48, 64)), ("c", (64, 40))):
        Image.fromarray(rng.integers(0, 256, size, np.uint8)).save(f"photos/{name}.png")
    return cli


FIT = ("--corruption", "gaussian", "--n-components", 2, "--max-epochs", 1)


def test_photographs_are_not_denoised_at_a_scale_that_was_never_seen(photographs):
    status, _, err = photographs("fit", "photos", *FIT)
    assert status == 1
    assert "or, where their scale matters, cut patches of one size from them" in err
    status, _, err = photographs("fit", "photos", *FIT, "--size", "8x8", "--checkpoint")
    assert status == 0
    assert "photos has 3 rows, so few that a model learns them by heart" in err
    status, _, err = photographs("denoise", "photos.isthmus", "photos", "-o", "out")
    assert status == 1
    assert "photos/a.png is 48x64 (height x width), at a scale that the model never saw: it" in err
    assert "resized to 8x8, by a factor of 0.12 or further from 1. Fit a model on patches" in err
    assert not Path("out").exists()
    resized = photographs("denoise", "photos.isthmus", "photos", "-o", "out", "--size", "8x8")
    assert resized[0] == 0
    ae = isthmus.load("photos.isthmus")
    with pytest.raises(ValueError, match="The image is 9x9 .* at a scale that the model never saw"):
        denoise(ae, np.zeros((9, 9)))
    assert denoise(ae, np.zeros((8, 8))).shape == (8, 8)


def test_few_images_for_a_denoiser_are_warned_of(photographs):
    maps = ("--architecture", "conv:channels=[2],kernel=2,code=maps", "--max-epochs", 1)
    words = ("photos", *maps, "--size", "66x66", "-o", "maps.isthmus", "--force")
    _, _, err = photographs("fit", *words, "--corruption", "gaussian")
    assert (
        "photos has 3 images of 66x66, which are few for a denoiser: cut thousands of patches"
        in err
    )
    assert "learns them by heart" not in err
    _, _, err = photographs("fit", *words)
    assert "learns them by heart" in err
    assert "few for a denoiser" not in err


def test_images_that_are_hardly_resized_have_their_own_scale(photographs):
    assert photographs("fit", "photos", *FIT, "--size", "50x60", "-o", "near.isthmus")[0] == 0
    assert photographs("denoise", "near.isthmus", "photos", "-o", "out", "--size", "50x60")[0] == 0
    assert isthmus.load("near.isthmus").fitted_.image_scale == pytest.approx(60 / 64)
    denoise(isthmus.load("near.isthmus"), np.zeros((60, 70)))


def test_a_search_keeps_the_scale_too(photographs):
    for i in range(20):
        shutil.copy("photos/a.png", f"photos/{i}.png")
    words = ("--grid", "n_components=1,2", "--cv", 0.5, "--max-epochs", 1, "--size", "8x8")
    assert photographs("tune", "photos", *words, "-o", "t.isthmus")[0] == 0
    assert isthmus.load("t.isthmus").fitted_.image_scale == pytest.approx(8 / 64)


def test_arrays_and_tables_are_reconstructed(cli, rng):
    assert cli("denoise", "d.isthmus", "x.npy", "-o", "y.npy")[0] == 0
    assert cli("reconstruct", "d.isthmus", "x.npy", "-o", "z.npy")[0] == 0
    np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))
    frame = pl.DataFrame(rng.normal(size=(40, 3)), schema=list("abc"))
    frame.write_csv("t.csv")
    fit = ["--max-epochs", 2, "--corruption", "gaussian", "--n-components", 2, "--quiet"]
    assert cli("fit", "t.csv", *fit)[0] == 0
    assert cli("denoise", "t.isthmus", "t.csv", "-o", "s.csv")[0] == 0
    assert pl.read_csv("s.csv").columns == list("abc")


def test_a_model_without_corruption_is_warned_of(cli):
    status, out, err = cli("denoise", "plain.isthmus", "in", "-o", "out", "--json")
    assert status == 0
    assert "trained without corruption" in err
    assert "trained without corruption" in json.loads(out)["warnings"][0]
    assert json.loads(out)["images"] == 3


def test_images_that_cannot_be_read_are_left_out(cli):
    Path("in/bad.png").write_bytes(Path("in/a.png").read_bytes()[:300])
    status, _, err = cli("denoise", "d.isthmus", "in", "-o", "out")
    assert status == 1
    assert "bad.png" in err
    assert cli("denoise", "d.isthmus", "in", "-o", "new", "--skip-bad")[0] == 0
    assert sorted(p.name for p in Path("new").rglob("*.*")) == ["a.png", "b.bmp", "c.png"]


def test_refusals(cli):
    Image.new("L", (8, 7)).save("in/small.png")
    status, _, err = cli("denoise", "d.isthmus", "in", "-o", "out")
    assert status == 1
    assert "in/small.png is 7x8 (height x width), smaller than the 8x8" in err
    assert not Path("out").exists()
    status, _, err = cli("denoise", "d.isthmus", "x.npy", "-o", "y.npy", "--overlap", 2)
    assert status == 2
    assert "--overlap is for" in err
    status, _, err = cli("denoise", "none.isthmus", "in", "-o", "out")
    assert status == 1
    assert "none.isthmus: there is no such file" in err


def test_the_guide_runs(capsys):
    text = (ROOT / "docs" / "guides" / "denoise.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "denoise.md", "exec"), space)
    noisy, clean, test = (space[name] for name in ("noisy", "clean", "test"))
    assert np.mean((clean - test) ** 2) < 0.4 * np.mean((noisy - test) ** 2)
    assert space["restored"].shape == space["whole"].shape == (80, 160)
    assert space["errors"][1] < 0.5 * space["errors"][0]
    assert len(re.findall(r"error \d+ before, \d+ after", capsys.readouterr().out)) == 2
    assert space["rows"].shape == (5000, 12, 12)
    assert (
        space["from_photographs"].baseline_["model"] < space["from_photographs"].baseline_["mean"]
    )
