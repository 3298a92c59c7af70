"""Corruptions of images: photon noise beside NumPy's, stripes, and JPEG beside Pillow's."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image

from isthmus import JPEG, Autoencoder, PoissonNoise, Stripes
from isthmus.parts.photons import counts
from isthmus.report import corrupt_rows

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def scene(h, w, *channels):
    """Return a smooth picture with edges and texture, in bytes."""
    y, x = np.mgrid[:h, :w]
    waves = 90 * np.sin(x / 9) * np.cos(y / 13) + 60 * ((x + y) % 40 < 20) + 20 * np.sin(x * y / 50)
    shades = np.random.default_rng(1).uniform(0.5, 1.0, channels)
    return np.clip(np.multiply.outer(waves + 90, shades), 0, 255).astype(np.uint8)


# -- photons -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [0.0, 0.05, 0.7, 3.9, 4.1, 12.0, 300.0, 1e6])
def test_counts_have_the_moments_of_numpys(mean):
    size = 400_000
    ours = np.asarray(counts(jax.random.normal(KEY, (size,)), jnp.full(size, mean)), float)
    theirs = RNG.poisson(mean, size)
    assert (ours == np.round(ours)).all()
    if mean == 0:
        assert (ours == 0).all()
        return
    error = np.sqrt(2 / size)  # of two samples, in deviations
    assert abs(ours.mean() - theirs.mean()) < 4 * error * np.sqrt(mean)
    assert abs(ours.var() / mean - 1) < 4 * error * np.sqrt(1 + 1 / mean)
    skews = [scipy.stats.skew(x) for x in (ours, theirs)]
    assert abs(skews[0] - skews[1]) < 4 * np.sqrt(6 / size) * (1 + 6 / mean)
    assert scipy.stats.ks_2samp(ours, theirs).statistic < 0.006


def test_photon_noise_keeps_the_mean_and_its_variance_is_the_mean_over_the_peak():
    x = jnp.repeat(jnp.linspace(-1.0, 3.0, 5)[:, None], 20_000, axis=1)
    noisy = np.asarray(PoissonNoise(peak=40.0, low=-1.0, high=3.0)(KEY, x))
    np.testing.assert_allclose(noisy.mean(axis=1), x[:, 0], atol=0.01)
    expected = 4**2 * np.linspace(0, 1, 5) / 40
    np.testing.assert_allclose(noisy.var(axis=1), expected, rtol=0.05)
    ranged = np.asarray(
        PoissonNoise(peak=(10.0, 1000.0), low=0.0, high=1.0)(KEY, jnp.ones((99, 999)))
    )
    assert 10 < 1 / ranged.var(axis=1).max() < 60 < 800 < 1 / ranged.var(axis=1).min() < 1200


# -- stripes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["rows", "columns", "either"])
def test_stripes_shift_whole_rows_or_columns(direction):
    grid = (60, 40, 2)
    part = Stripes(std=0.5, direction=direction).placed(grid)
    shift = np.asarray(part(KEY, jnp.zeros((50, 60 * 40 * 2)))).reshape(50, *grid)
    by_row = (shift == shift[:, :, :1, :1]).all(axis=(1, 2, 3))
    by_column = (shift == shift[:, :1, :, :1]).all(axis=(1, 2, 3))
    assert (by_row ^ by_column).all()
    assert by_row.mean() == {"rows": 1, "columns": 0}.get(direction, pytest.approx(0.5, abs=0.2))
    assert shift.std() == pytest.approx(0.5, rel=0.05)


# -- JPEG ----------------------------------------------------------------------------------------


def through_pillow(pixels, quality):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(stream), float)


@pytest.mark.parametrize("quality", [5, 30, 50, 75, 95])
@pytest.mark.parametrize("shape", [(64, 72), (61, 45, 3)])
def test_jpeg_is_pillows_but_for_rounding(shape, quality):
    """Its cosines are whole numbers, so that some which lie between two steps go the other way."""
    pixels = scene(*shape)
    part = JPEG(quality=quality, low=0.0, high=255.0).placed((*shape[:2], *(shape[2:] or (1,))))
    ours = np.asarray(part(KEY, jnp.asarray(pixels.reshape(1, -1), "float32"))).reshape(shape)
    theirs = through_pillow(pixels, quality)
    lost = np.abs(theirs - pixels).mean()
    assert np.abs(ours - pixels).mean() == pytest.approx(lost, rel=0.03)
    assert np.abs(ours - theirs).mean() < 0.3 * lost + 0.1


def test_a_range_of_qualities_gives_each_image_its_own():
    x = jnp.asarray(np.repeat(scene(32, 32).reshape(1, -1), 40, axis=0) / 255, "float32")
    noisy = JPEG(quality=(5, 90), low=0.0, high=1.0).placed((32, 32, 1))(KEY, x)
    lost = np.asarray(jnp.abs(noisy - x).mean(axis=1))
    assert lost.max() > 3 * lost.min() > 0


# -- in models -----------------------------------------------------------------------------------

QUICK = {"max_epochs": 1, "random_state": 0}


def test_models_of_images_are_trained_with_all_of_them_in_turn():
    X = np.stack([scene(12, 10, 3) for _ in range(20)])
    noise = (
        "poisson:peak=[20,90]",
        "stripes:std=0.1",
        "jpeg:quality=[10,90]",
        "gaussian:std=[0,0.1]",
    )
    ae = Autoencoder(3, corruption=noise, **QUICK).fit(X)
    assert np.isfinite(ae.history_["reconstruction"]).all()
    noisy = corrupt_rows(ae, X.reshape(20, -1)).reshape(X.shape)
    assert 5 < np.abs(noisy - X).mean() < 80
    flat = {"architecture": "conv:channels=[2],input_shape=[12,10,3]", "corruption": "jpeg"}
    Autoencoder(3, **flat, **QUICK).fit(X.reshape(20, -1)).partial_fit(X.reshape(20, -1))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"corruption": "jpeg"}, "'jpeg' is for images, and these rows have no height and width"),
        ({"corruption": "stripes", "architecture": "conv1d"}, "'stripes' is for images"),
    ],
)
def test_rows_that_are_no_images_are_refused(params, message, method):
    X = RNG.normal(size=(20, 12))
    with pytest.raises(ValueError, match=message):
        getattr(Autoencoder(2, **params, **QUICK), method)(X)


def test_codes_are_no_images():
    X = np.stack([scene(8, 8)] * 20)
    with pytest.raises(ValueError, match="pretrain='layerwise' corrupts codes too"):
        Autoencoder(2, corruption="stripes", pretrain="layerwise", **QUICK).fit(X)
    Autoencoder(2, corruption="poisson", pretrain="layerwise", **QUICK).fit(X)
