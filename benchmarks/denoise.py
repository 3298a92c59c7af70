"""Denoising of MNIST digits, beside classical filters and PCA.

    python benchmarks/denoise.py [--data FILE] [--epochs 12] [--pictures docs/images] [--json FILE]

Prints mean PSNR and SSIM of the first 500 test images, on [0, 1], for Gaussian noise of standard
deviation 0.5, which is not clipped, and for salt and pepper on 30 % of the pixels. All methods get the
same noisy images and are measured after clipping to [0, 1]. The parameters of every classical method
are those with the best PSNR on 50 training images; PCA is fitted on all clean training images. The
file holds `x_train` and `x_test` as bytes.
"""

import argparse
import itertools
import json
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import median_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet
from sklearn.decomposition import PCA

from isthmus import Autoencoder, plots

TESTED, TUNED = 500, 50
NOISES = {
    "Gaussian 0.5": "gaussian:std=0.5",
    "salt and pepper 0.3": "saltpepper:rate=0.3",
}
GRIDS = {
    "median filter": (median_filter, {"size": [1, 2, 3, 4, 5, 7]}),
    "non-local means": (
        partial(denoise_nl_means, fast_mode=True),
        {
            "patch_size": [3, 5],
            "patch_distance": [5, 9],
            "h": [0.1, 0.2, 0.3, 0.45, 0.7],
            "sigma": [0.0, 0.5],
        },
    ),
    "wavelet": (
        denoise_wavelet,
        {
            "wavelet": ["haar", "db2", "sym4"],
            "mode": ["soft", "hard"],
            "method": ["BayesShrink", "VisuShrink"],
            "sigma": [0.1, 0.2, 0.35, 0.5, 0.7],
        },
    ),
    "total variation": (
        denoise_tv_chambolle,
        {"weight": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.3]},
    ),
}
COMPONENTS = [5, 10, 15, 20, 25, 30, 40, 50, 65, 80, 100, 150]


def noisy(images, noise, seed):
    """Return images (n, h, w) in [0, 1] with noise from a generator of this seed."""
    rng = np.random.default_rng(seed)
    if noise.startswith("Gaussian"):
        return images + 0.5 * rng.normal(size=images.shape)
    struck = rng.random(images.shape) < 0.3
    return np.where(struck, rng.integers(0, 2, images.shape), images)


def psnr(clean, again):
    """Return each image's PSNR in dB, after clipping."""
    return np.array(
        [
            peak_signal_noise_ratio(c, a, data_range=1)
            for c, a in zip(clean, clip(again), strict=True)
        ]
    )


def ssim(clean, again):
    """Return each image's SSIM, after clipping."""
    return np.array(
        [structural_similarity(c, a, data_range=1) for c, a in zip(clean, clip(again), strict=True)]
    )


def clip(images):
    """Return images as floats in [0, 1]."""
    return np.clip(np.asarray(images, float), 0, 1)


def tuned(method, grid, clean, dirty):
    """Return a method with the parameters that are best on training images, and those."""
    ranked = []
    for values in itertools.product(*grid.values()):
        chosen = dict(zip(grid, values, strict=True))
        again = [method(x, **chosen) for x in dirty]
        ranked.append((psnr(clean, again).mean(), len(ranked), chosen))
    chosen = max(ranked)[2]
    return lambda images: np.stack([method(x, **chosen) for x in images]), chosen


def projection(train, clean, dirty):
    """Return a PCA with the number of components that is best on training images."""
    pca = PCA(max(COMPONENTS), random_state=0).fit(train.reshape(len(train), -1))

    def apply(images, n):
        codes = (images.reshape(len(images), -1) - pca.mean_) @ pca.components_[:n].T
        return (codes @ pca.components_[:n] + pca.mean_).reshape(images.shape)

    best = max(COMPONENTS, key=lambda n: psnr(clean, apply(dirty, n)).mean())
    return lambda images: apply(images, best), {"n_components": best}


def fitted(train, noise, epochs):
    """Return an autoencoder trained on clean images and noise of its own."""
    model = Autoencoder(
        256,
        "dense:hidden=[1024]",
        corruption=NOISES[noise],
        loss="bce",
        scaling=None,
        max_epochs=epochs,
        early_stopping=False,
        random_state=0,
        verbose=1,
    )
    begin = time.perf_counter()
    model.fit(train)
    facts = {"epochs": epochs, "seconds": round(time.perf_counter() - begin)}
    return model.reconstruct, facts


def measured(train, test, noise, epochs):
    """Return the noisy images, what each method makes of them, and the facts."""
    clean = train[:TUNED].astype(float)
    dirty, given = noisy(clean, noise, 1), noisy(test.astype(float), noise, 2)
    methods = {name: tuned(*GRIDS[name], clean, dirty) for name in GRIDS}
    methods["PCA"] = projection(train, clean, dirty)
    methods["isthmus"] = fitted(train, noise, epochs)
    shown, facts = {"noisy": given}, {}
    for name, (method, chosen) in {"noisy": (np.asarray, {}), **methods}.items():
        shown[name] = method(given)
        facts[name] = {
            "psnr": float(psnr(test, shown[name]).mean()),
            "ssim": float(ssim(test, shown[name]).mean()),
            "parameters": chosen,
        }
    return shown, facts


def main():
    """Train, tune, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mnist.npz"))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if not args.data.exists():
        raise SystemExit(f"{args.data} does not exist; give MNIST with --data.")
    load = os.getloadavg()[0]
    with np.load(args.data) as arrays:
        train, test = arrays["x_train"] / np.float32(255), arrays["x_test"][:TESTED] / 255
    results = {}
    print(f"{len(train):,} training and {len(test)} test images; load {load:.1f} at start")
    for noise in NOISES:
        shown, results[noise] = measured(train, test, noise, args.epochs)
        print(f"\n{noise:<22}PSNR, dB   SSIM   parameters")
        for name, fact in results[noise].items():
            chosen = ", ".join(f"{k}={v}" for k, v in fact["parameters"].items())
            print(f"  {name:<20}{fact['psnr']:8.2f}{fact['ssim']:7.3f}   {chosen}", flush=True)
        best = max(v["psnr"] for k, v in results[noise].items() if k != "isthmus")
        print(f"  isthmus is {results[noise]['isthmus']['psnr'] - best:.2f} dB over the best other")
        if args.pictures:
            rows = {k: clip(v[:10]) for k, v in {"original": test, **shown}.items()}
            name = noise.split()[0].lower()
            plots.pairs(rows.pop("original"), rows).savefig(
                args.pictures / f"denoise-{name}.png", dpi=130
            )
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
