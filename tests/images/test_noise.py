"""Estimates of noise against noise that was added."""

import numpy as np
import pytest

from isthmus.images import estimate_noise
from isthmus.images.noise import LEAST

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:240, :300]
CLEAN = 110 + 60 * np.sin(X / 40) * np.cos(Y / 30) + 40 * ((X // 60 + Y // 50) % 2)  # with edges
CLEAN[:60, :90] += 15 * np.sin(X[:60, :90] * Y[:60, :90] / 40)  # and texture


def in_bytes(pixels):
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def peppered(pixels, share):
    u = RNG.random(pixels.shape)
    return in_bytes(np.where(u < share / 2, 0, np.where(u < share, 255, pixels)))


def test_a_clean_picture_has_no_noise():
    found = estimate_noise(in_bytes(CLEAN))
    assert found.verdict is None
    assert found.deviation < LEAST * 255
    assert found.saltpepper < 1e-4
    assert estimate_noise(np.full((60, 60), 7, np.uint8)).verdict is None


@pytest.mark.parametrize("std", [5, 15, 25, 50])
@pytest.mark.parametrize("full", [1.0, 255, 65535])
def test_the_deviation_of_gaussian_noise(std, full):
    noisy = CLEAN + RNG.normal(0, std, CLEAN.shape)
    if full == 65535:
        noisy = np.clip(noisy * 257, 0, full).astype(np.uint16)
    found = estimate_noise(noisy if full == 65535 else noisy * full / 255)
    assert found.verdict == "gaussian"
    assert found.deviation == pytest.approx(std * full / 255, rel=0.12)


@pytest.mark.parametrize("peak", [20, 100, 300])
def test_the_gain_of_photons(peak):
    found = estimate_noise(in_bytes(RNG.poisson(CLEAN / 255 * peak) * 255 / peak))
    assert found.verdict == "poisson"
    assert found.gain == pytest.approx(255 / peak, rel=0.25)


@pytest.mark.parametrize("share", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("std", [0, 10])
def test_the_share_of_salt_and_pepper(share, std):
    found = estimate_noise(peppered(CLEAN + RNG.normal(0, std, CLEAN.shape), share))
    assert found.verdict == "saltpepper"
    assert found.saltpepper == pytest.approx(share, rel=0.2)
    if std:
        assert found.deviation == pytest.approx(std, rel=0.2)


def test_channels_are_averaged():
    noisy = np.stack([CLEAN + RNG.normal(0, std, CLEAN.shape) for std in (10, 20, 30)], axis=2)
    assert estimate_noise(noisy).deviation == pytest.approx(20, rel=0.1)


@pytest.mark.parametrize("image", [np.zeros((10, 10)), np.zeros(100), np.full((60, 60), np.nan)])
def test_what_says_nothing_is_refused(image):
    with pytest.raises(ValueError, match="at least 48 pixels on each side, and finite values"):
        estimate_noise(image)
