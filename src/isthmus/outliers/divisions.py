"""Which rows members are trained on and which are held out, and how often each row counts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.outliers.conformal import FOLDS, conformal_threshold
from isthmus.outliers.rules import rate_by, rate_of

if TYPE_CHECKING:
    from isthmus.outliers.parameters import DetectorParameters

MOST = 4  # times as many rows, on average, as there are


class Division(NamedTuple):
    """Numbers of the rows that some members are trained on, and of those held out from them."""

    train: np.ndarray
    held: np.ndarray


def divided(detector: DetectorParameters, n: int, rng: np.random.Generator) -> list[Division]:
    """Return what is held out from whom: member k belongs to part k modulo their number."""
    everything = np.arange(n)
    if rate_of(detector) is None:
        return [Division(everything, everything[:0])]
    cross = detector.calibration == "cross"
    size = n if cross else math.ceil(detector.calibration_fraction * n)
    k = min(FOLDS, detector.n_estimators)
    if n < 2 * k if cross else n - size < 2:
        raise ValueError(
            f"{n} rows cannot be divided into rows to train on and rows to calibrate with: "
            "give more rows, or contamination without target_fpr and alpha."
        )
    # Too few rows to calibrate with are refused before any work.
    conformal_threshold(np.zeros(size), rate_by(detector, size))
    order = rng.permutation(n)
    held = np.array_split(order, k) if cross else [order[:size]]
    return [Division(np.setdiff1d(everything, rows), np.sort(rows)) for rows in held]


def repeats(weight: np.ndarray) -> np.ndarray | None:
    """Return how many times rows count, by weights above 0; None where they count alike.

    The least weight counts once, where rows stand for four on average then, at most; else weights are
    shrunk to that. What is no whole number is rounded so that sums keep their sizes.

    Examples
    --------
    >>> repeats(np.array([0.5, 1.0, 2.0])), repeats(np.array([1.0, 1.5, 1.5, 1.5]))
    (array([1, 2, 4]), array([1, 2, 1, 2]))
    """
    times = weight / weight.min()
    if np.all(times == 1):
        return None
    times *= min(1.0, MOST * len(times) / times.sum())
    ends = np.floor(np.cumsum(times) + 0.5).astype(int)
    return np.diff(ends, prepend=0)


def repeated(parts: list[Division], times: np.ndarray | None) -> list[Division]:
    """Return divisions in which each row stands so many times."""
    if times is None:
        return parts
    return [
        part._replace(
            **{name: np.repeat(rows, times[rows]) for name, rows in part._asdict().items()}
        )
        for part in parts
    ]
