"""The demonstration: six autoencoders on scikit-learn's handwritten digits, and their report.

A tour beside the six models tries warnings, dropout, the article's network, other filters, an
interrupt and a transfer; each is done, and the report says what came of it.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from rich.console import Console
from scipy.ndimage import median_filter
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from isthmus import plots, presets
from isthmus.autoencoder import Autoencoder
from isthmus.comparison import compare
from isthmus.loading import load_autoencoder
from isthmus.outliers import OutlierDetector, default_autoencoder
from isthmus.parts import Conv
from isthmus.report import (
    Report,
    Section,
    Table,
    choose_examples,
    corrupt_rows,
    number_text,
    width_section,
)
from isthmus.search import tune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

SIDE = (8, 8)
WHITE = 16.0  # the largest value of a pixel
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
        Where `report.html` and the models go; made if it is missing.
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
    extra = [_section_by_width(data, fitted, quick, say)]
    say("Comparing classifiers on codes, on PCA and on pixels")
    train, test = (data.train, data.y_train), (data.test, data.y_test)
    comparison = compare(fitted["deep"], *train, *test, random_state=SEED)
    say("Searching over learning rates and widths")
    search = tune(simplest(16, quick), _search_grid(quick), data.train)
    say("Training a population to find outliers")
    member = default_autoencoder(data.train).set_params(scaling="range")  # pixels are alike
    detector = OutlierDetector(member, contamination="none", random_state=SEED)
    detector.fit(data.train)
    say("Trying dropout, the article's network, other filters, an interrupt and a transfer")
    extra.append(tour_section(data.train, data.test, fitted["denoising"], 10 if quick else 80))
    say("Drawing the report")
    report = Report(
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
    path = report.save(folder / "report.html")
    say(f"Done in {time.perf_counter() - begin:.0f} s")
    return path


def say(text: str) -> None:
    """Write a line of progress on the standard error."""
    Console(stderr=True).print(text, highlight=False, soft_wrap=True)


# -- the six models ----------------------------------------------------------------------------------


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


def _settings(epochs: int, quick: bool = False) -> dict[str, Any]:
    """Return what all of these models share."""
    epochs = epochs // 5 if quick else epochs
    return {"scaling": "range", "max_epochs": epochs, "random_state": SEED}


def fit(model: Autoencoder, rows: np.ndarray, **given: Any) -> Autoencoder:
    """Train without warnings of errors above PCA's: the report shows them, each in its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(rows, **given)


def denoising_picture(data: Digits, model: Autoencoder) -> Figure:
    """Return the picture of test digits, noisy and denoised, as in the report."""
    examples = choose_examples(as_images(data.test), data.y_test, 10)
    noisy = corrupt_rows(model, data.test)
    shown = (examples.shown(rows) for rows in (data.test, noisy, model.reconstruct(noisy)))
    return plots.denoised(*shown)


def _search_grid(quick: bool) -> dict[str, list[float]]:
    """Return what the search tries."""
    rates = [0.001, 0.003, 0.01, 0.03]
    return {"learning_rate": rates, "n_components": [4, 16], "max_epochs": [20 if quick else 80]}


def _intro(data: Digits) -> list[str]:
    return [
        "The simplest autoencoder, a deep undercomplete one, a sparse one with more code units than "
        "pixels, a denoising one, a convolutional one, and a convolutional denoising one that "
        "first learned layer by layer, learned to reproduce handwritten digits through their codes.",
        f"They were trained on {len(data.train):,} images of {SIDE[0]} x {SIDE[1]} pixels from 0 "
        f"(no ink) to 16, scaled to [0, 1], and no label. The {len(data.test)} test digits were "
        "never shown in training, and all examples below are test digits.",
    ]


def _section_by_width(
    data: Digits, fitted: Mapping[str, Autoencoder], quick: bool, say: Callable[[str], None]
) -> Section:
    """Return the errors of models with narrow codes and with wide ones, beside PCA's."""
    widths = WIDTHS[1:4:2] if quick else WIDTHS
    errors: dict[str, list[float]] = {"simplest": [], "deep": []}
    for width in widths:
        say(f"Training a simplest and a deep model with {width} code units")
        for name, make in (("simplest", simplest), ("deep", deep)):
            known = fitted[name] if width == fitted[name].n_components else None
            model = known or fit(make(width, quick), data.train)
            errors[name].append(float(-np.mean(model.score_samples(data.test))))
    linear = [_pca_error(data, width) for width in widths]
    unit = "mean squared, pixels in [0, 1]"
    return width_section(widths, errors, linear, unit, f"{len(data.test)} test digits")


def _pca_error(data: Digits, width: int) -> float:
    low, high = data.train.min(), data.train.max()
    train, test = ((x - low) / (high - low) for x in (data.train, data.test))
    pca = PCA(width, svd_solver="full").fit(train)
    return float(np.mean((pca.inverse_transform(pca.transform(test)) - test) ** 2))


# -- the tour ----------------------------------------------------------------------------------------


def tour_section(
    train: np.ndarray, test: np.ndarray, denoising: Autoencoder, epochs: int
) -> Section:
    """Return what else an autoencoder is good for, tried on these digits."""
    notes = [identity_note(train), dropout_note(train, test, epochs)]
    notes += [article_note(train, test, epochs), resuming_note(train)]
    notes += [transfer_note(train, test, epochs)]
    text = [
        "Each of these was tried when this page was made. Errors are mean squared errors of test "
        "digits, in squared levels of grey from 0 to 16."
    ]
    return Section("And also", text, notes=notes, tables=[filter_table(train, test, denoising)])


def identity_note(train: np.ndarray) -> str:
    """Return the warning about a model that nothing keeps from the identity."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Autoencoder(train.shape[1], max_epochs=1, random_state=SEED).fit(train)
    warning = str(caught[0].message).split(":")[0] if caught else "nothing"
    return (
        f"A code as wide as the input, without a constraint, is warned of: \u201c{warning}.\u201d"
    )


def dropout_note(train: np.ndarray, test: np.ndarray, epochs: int) -> str:
    """Return the errors of a network without and with dropout."""
    errors = [
        mean_squared_error(
            fit(presets.deep(16, architecture=layers, **_settings(epochs)), train), test
        )
        for layers in ("dense:hidden=[64]", "dense:hidden=[64],dropout=0.1,input_dropout=0.1")
    ]
    return (
        f"Dropout of a tenth of the pixels and of the hidden units: error {number_text(errors[1])}, "
        f"and {number_text(errors[0])} without. It acts in training only; here there are digits "
        f"enough to do {'without' if errors[0] <= errors[1] else 'better with'} it."
    )


def article_note(train: np.ndarray, test: np.ndarray, epochs: int) -> str:
    """Return the error of the article's convolutional network."""
    model = presets.article_convolutional(max_epochs=max(epochs // 4, 1), random_state=SEED)
    error = mean_squared_error(fit(model, as_images(train)), as_images(test))
    codes = model.transform(as_images(test[:1])).size
    return (
        f"The article's convolutional network, one layer of 32 filters of 3 x 3: {codes:,} code units "
        f"for {test.shape[1]} pixels, and an error of {number_text(error)}."
    )


def resuming_note(train: np.ndarray) -> str:
    """Return whether a fit that is interrupted, saved, loaded and resumed is the uninterrupted one."""
    settings: dict[str, Any] = {"max_epochs": 6, "random_state": SEED}
    whole = fit(Autoencoder(8, **settings), train)
    model = Autoencoder(8, **settings, warm_start=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "half.isthmus"
        try:
            fit(model, train, on_epoch=_interrupt)
        except KeyboardInterrupt:
            model.save(file, resume=True)
        model = fit(load_autoencoder(file), train)
    same = np.array_equal(model.transform(train), whole.transform(train))
    return (
        "A fit interrupted after its third epoch, saved, loaded and resumed has "
        f"{'the same codes to the bit as' if same else 'other codes than'} one that was not."
    )


def _interrupt(row: dict[str, float]) -> None:
    if row["epoch"] == 3:
        raise KeyboardInterrupt


def transfer_note(train: np.ndarray, test: np.ndarray, epochs: int) -> str:
    """Return the errors on few rows of a fresh start and of another model's weights."""
    many, few = train[: len(train) // 2], train[len(train) // 2 :][:60]
    source = fit(presets.deep(8, **_settings(epochs)), many)
    errors = []
    for init in (None, source):
        model = presets.deep(8, early_stopping=False, **_settings(10))
        errors.append(mean_squared_error(fit(model, few, init=init), test))
    return (
        f"Trained for 10 epochs on 60 digits alone: error {number_text(errors[0])}; the same from "
        f"the weights of a model of {len(many)} other digits: {number_text(errors[1])}."
    )


def filter_table(train: np.ndarray, test: np.ndarray, denoising: Autoencoder) -> Table:
    """Return what removes noise from test digits, in decibels."""
    noisy = corrupt_rows(denoising, test)
    pca = PCA(16, svd_solver="full").fit(train)
    results = {
        "nothing": noisy,
        "median filter, 3 x 3": median_filter(as_images(noisy), size=(1, 3, 3)).reshape(
            noisy.shape
        ),
        "PCA, 16 components": pca.inverse_transform(pca.transform(noisy)),
        "the denoising model": denoising.reconstruct(noisy),
    }
    lines = [[name, f"{decibels(test, again):.1f}"] for name, again in results.items()]
    return Table("What removes the noise of the denoising model", ["by", "PSNR, dB"], lines)


def decibels(clean: np.ndarray, again: np.ndarray) -> float:
    """Return the mean peak signal-to-noise ratio of images."""
    squares = np.mean((np.clip(again, 0, WHITE) - clean) ** 2, axis=1)
    return float(np.mean(10 * np.log10(WHITE**2 / squares)))


def mean_squared_error(model: Autoencoder, rows: np.ndarray) -> float:
    """Return the mean squared error of a model's reconstructions, in the data's units."""
    return float(np.mean((model.reconstruct(rows) - rows) ** 2))


def as_images(rows: np.ndarray) -> np.ndarray:
    """Return rows as images."""
    return rows.reshape(-1, *SIDE)
