"""What the demonstration shows beside its six models: warnings, dropout, the article's network, other
filters, interrupts and transfer. Each is done, and the section tells what came of it.
"""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import median_filter
from sklearn.decomposition import PCA

from isthmus import presets
from isthmus.autoencoder.estimator import Autoencoder
from isthmus.loading import load_autoencoder
from isthmus.report.blocks import Section, Table, number
from isthmus.report.facts import corrupted

SIDE = (8, 8)
WHITE = 16.0  # the largest value of a pixel


def section(train: np.ndarray, test: np.ndarray, denoising: Autoencoder, epochs: int) -> Section:
    """Return what else an autoencoder is good for, tried on these digits."""
    told = [identity(train), dropout(train, test, epochs), article(train, test, epochs)]
    told += [resumed(train), transferred(train, test, epochs)]
    text = [
        "Each of these was tried when this page was made. Errors are mean squared errors of test "
        "digits, in squared levels of grey from 0 to 16."
    ]
    return Section("And also", text, notes=told, tables=[filters(train, test, denoising)])


def identity(train: np.ndarray) -> str:
    """Return the warning of a model that nothing keeps from the identity."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Autoencoder(train.shape[1], max_epochs=1, random_state=0).fit(train)
    said = str(caught[0].message).split(":")[0] if caught else "nothing"
    return f"A code as wide as the input, without a constraint, is warned of: “{said}.”"


def dropout(train: np.ndarray, test: np.ndarray, epochs: int) -> str:
    """Return the errors of a network without and with dropout."""
    errors = [
        error(fitted(presets.deep(16, architecture=layers, **common(epochs)), train), test)
        for layers in ("dense:hidden=[64]", "dense:hidden=[64],dropout=0.1,input_dropout=0.1")
    ]
    return (
        f"Dropout of a tenth of the pixels and of the hidden units: error {number(errors[1])}, and "
        f"{number(errors[0])} without. It acts in training only; here there are digits enough to do "
        f"{'without' if errors[0] <= errors[1] else 'better with'} it."
    )


def article(train: np.ndarray, test: np.ndarray, epochs: int) -> str:
    """Return the error of the article's convolutional network."""
    model = presets.article_convolutional(max_epochs=max(epochs // 4, 1), random_state=0)
    again = error(fitted(model, images(train)), images(test))
    codes = model.transform(images(test[:1])).size
    return (
        f"The article's convolutional network, one layer of 32 filters of 3 x 3: {codes:,} code units "
        f"for {test.shape[1]} pixels, and an error of {number(again)}."
    )


def resumed(train: np.ndarray) -> str:
    """Return whether a fit that is interrupted, saved, loaded and resumed is the uninterrupted one."""
    settings: dict[str, Any] = {"max_epochs": 6, "random_state": 0}
    whole = fitted(Autoencoder(8, **settings), train)
    model = Autoencoder(8, **settings, warm_start=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "half.isthmus"
        try:
            fitted(model, train, on_epoch=interrupt)
        except KeyboardInterrupt:
            model.save(file, resume=True)
        model = fitted(load_autoencoder(file), train)
    same = np.array_equal(model.transform(train), whole.transform(train))
    return (
        "A fit interrupted after its third epoch, saved, loaded and resumed has "
        f"{'the same codes to the bit as' if same else 'other codes than'} one that was not."
    )


def transferred(train: np.ndarray, test: np.ndarray, epochs: int) -> str:
    """Return the errors on few rows of a fresh start and of another model's weights."""
    ones = train[: len(train) // 2], train[len(train) // 2 :][:60]
    source = fitted(presets.deep(8, **common(epochs)), ones[0])
    errors = []
    for init in (None, source):
        model = presets.deep(8, early_stopping=False, **common(10))
        errors.append(error(fitted(model, ones[1], init=init), test))
    return (
        f"Trained for 10 epochs on 60 digits alone: error {number(errors[0])}; the same from the "
        f"weights of a model of {len(ones[0])} other digits: {number(errors[1])}."
    )


def filters(train: np.ndarray, test: np.ndarray, denoising: Autoencoder) -> Table:
    """Return what removes noise from test digits, in decibels."""
    noisy = corrupted(denoising, test)
    pca = PCA(16, svd_solver="full").fit(train)
    median = median_filter(images(noisy), size=(1, 3, 3)).reshape(noisy.shape)
    results = {
        "nothing": noisy,
        "median filter, 3 x 3": median,
        "PCA, 16 components": pca.inverse_transform(pca.transform(noisy)),
        "the denoising model": denoising.reconstruct(noisy),
    }
    lines = [[name, f"{decibels(test, again):.1f}"] for name, again in results.items()]
    return Table("What removes the noise of the denoising model", ["by", "PSNR, dB"], lines)


def decibels(clean: np.ndarray, again: np.ndarray) -> float:
    """Return the mean peak signal-to-noise ratio of images."""
    squares = np.mean((np.clip(again, 0, WHITE) - clean) ** 2, axis=1)
    return float(np.mean(10 * np.log10(WHITE**2 / squares)))


def error(model: Autoencoder, rows: np.ndarray) -> float:
    """Return the mean squared error in the data's units."""
    return float(np.mean((model.reconstruct(rows) - rows) ** 2))


def fitted(model: Autoencoder, rows: np.ndarray, **given: Any) -> Autoencoder:
    """Train without warnings of errors above PCA's, which these short fits may have."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows, **given)


def interrupt(row: dict[str, float]) -> None:
    """Interrupt a fit after its third epoch."""
    if row["epoch"] == 3:
        raise KeyboardInterrupt


def images(rows: np.ndarray) -> np.ndarray:
    """Return rows as images."""
    return rows.reshape(-1, *SIDE)


def common(epochs: int) -> dict[str, Any]:
    """Return what all of these models share."""
    return {"scaling": "range", "max_epochs": epochs, "random_state": 0}
