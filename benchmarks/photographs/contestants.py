"""What takes noise out of photographs: classical methods, ours, and a network in PyTorch.

Each is a function of noisy images on [0, 1] and the deviation; only ours and PyTorch's are not told it.
"""

import time
from functools import partial

import numpy as np

from photographs.read import noisy, read

WEIGHTS = [0.05, 0.07, 0.1, 0.14, 0.2, 0.28]
SIZES = [3, 5, 7]
FRACTIONS = [0.4, 0.5, 0.6, 0.7, 0.8]
SIDES, STEPS = (48, 48), 500  # of a patch, and in an epoch


def classical():
    """Return the classical methods by name, with the settings to choose from."""
    from bm3d import bm3d
    from scipy.ndimage import median_filter
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet

    means = partial(denoise_nl_means, fast_mode=True, patch_size=5, patch_distance=6)
    wavelet = partial(denoise_wavelet, rescale_sigma=True, wavelet="sym4")
    return {
        "median": (lambda x, s, v: median_filter(x, v), SIZES),
        "total variation": (lambda x, s, v: denoise_tv_chambolle(x, v), WEIGHTS),
        "wavelet": (lambda x, s, v: wavelet(x, sigma=s, method=v), ["BayesShrink", "VisuShrink"]),
        "non-local means": (lambda x, s, v: means(x, h=v * s, sigma=s), FRACTIONS),
        "BM3D": (lambda x, s, v: bm3d(x, s), [None]),
    }


def tuned(method, settings, train, deviation):
    """Return the setting with the best mean PSNR on some training photographs."""
    if len(settings) == 1:
        return settings[0]
    images = train[:: len(train) // 12]
    given = noisy(images, deviation, 1)
    means = [
        np.mean(
            [psnr(x, method(y, deviation / 255, v)) for x, y in zip(images, given, strict=True)]
        )
        for v in settings
    ]
    return settings[int(np.argmax(means))]


def psnr(clean, again):
    """Return the PSNR in dB of an image on [0, 1], clipped, against bytes."""
    return -10 * np.log10(np.mean((np.clip(again, 0, 1) - clean / 255) ** 2))


def ssim(clean, again):
    """Return the structural similarity, with the Gaussian window of the paper that proposed it."""
    from skimage.metrics import structural_similarity

    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return structural_similarity(clean / 255, np.clip(again, 0, 1), data_range=1, **settings)


def ours(data, minutes, keep):
    """Train one model for all deviations, on clean photographs; return it as a method."""
    from isthmus import presets
    from isthmus.images import denoise, patches

    photographs = read(data, "Train400")
    model = trained(presets.image_denoiser, lambda n: patches(photographs, n, SIDES), minutes)
    model.save(keep)
    return lambda x, s, v: denoise(model, 255 * x) / 255  # in the units of what it was fitted on


def blind(data, deviation, minutes, keep):
    """Train a model on noisy photographs alone, one draw of noise for each; return it as a method."""
    from isthmus import presets
    from isthmus.images import denoise, patches

    photographs = noisy(read(data, "Train400"), deviation, 7)
    make = partial(presets.blind_denoiser, deviation / 255, scaling=None)
    model = trained(make, lambda n: patches(photographs, n, SIDES), minutes)
    model.save(keep)
    return lambda x, s, v: denoise(model, x)


def trained(make, rows, minutes):
    """Return a model trained for so many minutes: as many epochs as fit, by a first short fit."""
    begun = time.perf_counter()
    batch = make().batch_size
    short = make(max_epochs=2, random_state=0).fit(rows(100 * batch))
    first, second = short.history_["seconds"]
    a_step = (second - first) / 100
    left = 0.97 * 60 * minutes - (time.perf_counter() - begun)
    epochs = max(int(left / a_step / STEPS), 1)
    print(f"{1e3 * a_step:.0f} ms a step, {epochs} epochs of {STEPS} steps", flush=True)
    model = make(max_epochs=epochs, random_state=0, verbose=1).fit(rows(STEPS * batch))
    print(f"trained for {(time.perf_counter() - begun) / 60:.1f} minutes", flush=True)
    return model
