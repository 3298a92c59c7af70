"""The demonstration: six autoencoders on scikit-learn's handwritten digits, and their report."""

import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from isthmus import plots, presets, tour
from isthmus.autoencoder.estimator import Autoencoder
from isthmus.comparison import compare
from isthmus.outliers.detector import OutlierDetector, default_autoencoder
from isthmus.parts.architectures import Conv
from isthmus.report import model_sections
from isthmus.report.facts import corrupted
from isthmus.report.report import Report
from isthmus.search.tune import tune

SIDE = (8, 8)
SEED = 0
NOISE = 0.3
WIDTHS = (2, 4, 8, 16, 32)


class Digits(NamedTuple):
    """Rows of 64 pixels from 0 to 16 with their digits, split once and for all."""

    train: np.ndarray
    test: np.ndarray
    y_train: np.ndarray
    y_test: np.ndarray


def run(folder: Path, quick: bool = False, verbose: int = 1) -> Path:
    """Train six models on the digits, save them and write a report.

    Parameters
    ----------
    folder : Path
        Where `report.html` and the models go; made where it is missing.
    quick : bool
        Whether to train less: worse models, sooner.
    verbose : int
        0 is silent, 1 shows progress on the standard error.

    Returns
    -------
    Path
        The report.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    begin, console = time.perf_counter(), Console(stderr=True, quiet=not verbose)
    say = partial(console.print, highlight=False, soft_wrap=True)
    data, fitted = digits(), models(quick)
    for name, model in fitted.items():
        say(f"Training the {name} model ({model.n_components} code units)")
        fit(model, data.train).save(folder / f"{name.replace(' ', '-')}.isthmus")
    extra = [_error_against_width(data, fitted, quick, say)]
    say("Comparing classifiers on codes, on PCA and on pixels")
    train, test = (data.train, data.y_train), (data.test, data.y_test)
    comparison = compare(fitted["deep"], *train, *test, random_state=SEED)
    say("Searching over learning rates and widths")
    search = tune(simplest(16, quick), _grid(quick), data.train)
    say("Training a population to find outliers")
    member = default_autoencoder(data.train).set_params(scaling="range")  # pixels are alike
    detector = OutlierDetector(member, contamination="none", random_state=SEED)
    detector.fit(data.train)
    say("Trying dropout, the article's network, other filters, an interrupt and a transfer")
    extra.append(tour.section(data.train, data.test, fitted["denoising"], 10 if quick else 80))
    say("Drawing the report")
    told = Report(
        fitted,
        data.test,
        data.y_test,
        comparison=comparison,
        search=search,
        detector=detector,
        focus="deep",
        image_shape=SIDE,
        title="Six autoencoders on handwritten digits",
        intro=_intro(data),
        rows=f"{len(data.test)} test digits",
        label="digit",
        command="isthmus demo" + " --quick" * quick,
        extra=extra,
    )
    path = told.save(folder / "report.html")
    say(f"Done in {time.perf_counter() - begin:.0f} s")
    return path


def digits() -> Digits:
    """Return the digits: 3 of 4 to train on, the others to test."""
    X, y = load_digits(return_X_y=True)
    parts = train_test_split(X, y, test_size=0.25, random_state=SEED, stratify=y)
    return Digits(*parts)


def models(quick: bool = False) -> dict[str, Autoencoder]:
    """Return the six models, not yet fitted."""
    return {
        "simplest": simplest(16, quick),
        "deep": deep(16, quick),
        "sparse": presets.sparse(
            100,
            sparsity="kl:weight=0.1",
            penalty="l2:weight=1e-5",  # without it, pixels that are never inked keep random weights
            **_settings(800, quick),
        ),
        "denoising": presets.denoising(
            64,
            architecture="dense:hidden=[256]",
            corruption=f"gaussian:std={NOISE}",
            **_settings(200, quick),
        ),
        "convolutional": convolutional(16, quick),
        "stacked denoising convolutional": presets.stacked_denoising_convolutional(
            64,
            architecture=Conv(channels=(32, 64), input_shape=SIDE),
            corruption=f"gaussian:std={NOISE}",
            learning_rate=0.005,
            **_settings(150, quick),
        ),
    }


def simplest(n_components: int, quick: bool = False) -> Autoencoder:
    """Return the article's simplest autoencoder: one hidden layer."""
    return Autoencoder(n_components, learning_rate=0.01, **_settings(600, quick))


def deep(n_components: int, quick: bool = False) -> Autoencoder:
    """Return a deep undercomplete autoencoder."""
    return presets.deep(n_components, **_settings(200, quick))


def convolutional(n_components: int, quick: bool = False) -> Autoencoder:
    """Return a convolutional autoencoder: 4 x 4 places of 16 maps, then 2 x 2 of 32, then a code."""
    layers = Conv(channels=(16, 32), input_shape=SIDE)
    settings = _settings(200, quick)
    return presets.convolutional(n_components, architecture=layers, learning_rate=0.01, **settings)


def _grid(quick: bool) -> dict[str, list[Any]]:
    """Return what the search tries."""
    rates = [0.001, 0.003, 0.01, 0.03]
    return {"learning_rate": rates, "n_components": [4, 16], "max_epochs": [20 if quick else 80]}


def fit(model: Autoencoder, X: np.ndarray) -> Autoencoder:
    """Train without warnings of errors above PCA's: the report tells them, each in its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X)


def picture(data: Digits, model: Autoencoder) -> Any:
    """Return the picture of test digits, noisy and denoised, as in the report."""
    chosen = model_sections.examples(data.test, data.y_test)
    noisy = corrupted(model, data.test)
    clean = model.reconstruct(noisy)
    shown = [v[chosen].reshape(-1, *SIDE) for v in (data.test, noisy, clean)]
    return plots.denoised(*shown)


def _settings(epochs: int, quick: bool) -> dict[str, Any]:
    epochs = epochs // 5 if quick else epochs
    return {"scaling": "range", "max_epochs": epochs, "random_state": SEED}


def _intro(data: Digits) -> list[str]:
    return [
        "The simplest autoencoder, a deep undercomplete one, a sparse one with more code units than "
        "pixels, a denoising one, a convolutional one, and a convolutional denoising one that "
        "first learned layer by layer, learned to reproduce handwritten digits through their codes.",
        f"They were trained on {len(data.train):,} images of {SIDE[0]} x {SIDE[1]} pixels from 0 "
        f"(no ink) to 16, scaled to [0, 1], and no label. The {len(data.test)} test digits were "
        "never shown in training, and all examples below are test digits.",
    ]


def _error_against_width(
    data: Digits, fitted: dict[str, Any], quick: bool, say: Callable[[str], None]
) -> Any:
    numbers = WIDTHS[1:4:2] if quick else WIDTHS
    errors: dict[str, list[float]] = {"simplest": [], "deep": []}
    for width in numbers:
        say(f"Training a simplest and a deep model with {width} code units")
        for name, make in (("simplest", simplest), ("deep", deep)):
            known = fitted[name] if width == fitted[name].n_components else None
            model = known or fit(make(width, quick), data.train)
            errors[name].append(float(-np.mean(model.score_samples(data.test))))
    linear = [_pca_error(data, width) for width in numbers]
    unit = "mean squared, pixels in [0, 1]"
    return model_sections.widths(numbers, errors, linear, unit, f"{len(data.test)} test digits")


def _pca_error(data: Digits, width: int) -> float:
    low, high = data.train.min(), data.train.max()
    train, test = ((x - low) / (high - low) for x in (data.train, data.test))
    pca = PCA(width, svd_solver="full").fit(train)
    return float(np.mean((pca.inverse_transform(pca.transform(test)) - test) ** 2))
