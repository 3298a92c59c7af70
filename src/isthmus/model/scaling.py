"""Scaling: from the user's units to the network's and back, one affine map a column.

A score is in scaled units, so that a column of large numbers does not drown the others.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

from isthmus.model.bending import Bent, fit_bent
from isthmus.model.counting import Rooted, rooted
from isthmus.model.transformers import is_line, learnt_line
from isthmus.words import none_meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike

    from isthmus.model.moments import Moments

SCALINGS = ("auto", "standard", "asinh", "minmax", "robust", "range", "anscombe", None)
LEARNT_BY_BLOCKS = (
    "standard",
    "minmax",
    "range",
    "anscombe",
    None,
)  # without quantiles of all rows
FLOOR = 0.1  # of the median column's deviation, both in units of the column's own range
ROUNDING = 1e-14  # of its size: what a constant that was computed may vary by
FLAG = 10  # scaled units at most between the two values of a flag, or to a constant's new one


@runtime_checkable
class Transformer(Protocol):
    """What can be a scaling: scikit-learn's transformers that know the way back."""

    def fit(self, X: np.ndarray, y: None = None) -> object: ...
    def transform(self, X: np.ndarray) -> ArrayLike: ...
    def inverse_transform(self, X: np.ndarray) -> ArrayLike: ...


Scaling = str | Transformer | None


class Affine(NamedTuple):
    """The map `(x - centre) / scale`, by columns, in float64."""

    centre: np.ndarray
    scale: np.ndarray

    def forward(self, x: np.ndarray, dtype: str) -> np.ndarray:
        """Return scaled rows."""
        with np.errstate(over="ignore"):  # told in a sentence, where it matters
            out = x - self.centre
            out /= self.scale
            return out.astype(dtype, copy=False)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Return rows in the original units."""
        return x * self.scale + self.centre


class Wrapped(NamedTuple):
    """A fitted scikit-learn transformer."""

    transformer: Transformer

    def forward(self, x: np.ndarray, dtype: str) -> np.ndarray:
        """Return scaled rows."""
        return np.asarray(self.transformer.transform(x)).astype(dtype)

    def inverse(self, x: np.ndarray) -> np.ndarray:
        """Return rows in the original units."""
        return np.asarray(self.transformer.inverse_transform(x))


Scaler = Affine | Bent | Rooted | Wrapped


def check_scaling(scaling: object) -> None:
    """Raise a ValueError for a scaling that is neither a name nor a transformer."""
    known = isinstance(scaling, str | None) and scaling in SCALINGS
    if not known and not isinstance(scaling, Transformer):
        raise ValueError(
            "The scaling must be 'auto', 'standard', 'asinh', 'minmax', 'robust', 'range', 'anscombe', "
            "None or a transformer with fit, transform and inverse_transform; got "
            f"{scaling!r}."
            f"{none_meant(scaling)}"
        )


def choose_scaling(
    scaling: Scaling, *, alike: bool, raw_loss: bool, bounded: bool, mixed: bool = False
) -> Scaling:
    """Settle "auto": none for losses on raw data, one map where columns are alike, else one each, which
    bends those with heavy tails in tables of mixed types.
    """
    if not isinstance(scaling, str) or scaling != "auto":
        return scaling
    if raw_loss:
        return None
    if alike:
        return "range"
    if mixed:
        return "asinh"
    return "minmax" if bounded else "standard"


def fit_scaler(
    scaling: Scaling, x: np.ndarray, weight: np.ndarray, target: tuple[float, float] = (0.0, 1.0)
) -> Scaler:
    """Learn the map of a settled scaling from weighted rows; `target` is where those of ends go to."""
    d = x.shape[1]
    if scaling == "asinh":
        return fit_bent(x, weight, partial(_fit_affine, "standard"))
    if scaling is None:
        return Affine(np.zeros(d), np.ones(d))
    if scaling == "anscombe":
        return _of_roots(x.min(axis=0), x.max(axis=0), target)
    if not isinstance(scaling, str):
        return _wrapped(scaling, x, weight)
    return _fit_affine(scaling, x, weight, target)


def _fit_affine(
    scaling: str, x: np.ndarray, weight: np.ndarray, target: tuple[float, float] = (0.0, 1.0)
) -> Affine:
    low = x.min(axis=0).astype(float)
    high = x.max(axis=0).astype(float)
    if scaling in ("range", "minmax"):
        return _of_ends(scaling, low, high, target)
    if scaling == "robust":
        quarters = [_quantile(x, weight, q) for q in (0.25, 0.5, 0.75)]
        spread = (quarters[2] - quarters[0]) / 1.349  # 1 for a normal distribution
        fallback = _deviation(x, weight, quarters[1])  # more than half of the rows are equal
        spread = _floored(np.where(spread > 0, spread, fallback), high - low)
        return _affine(quarters[1], _bounded(spread, _two_valued(x, low, high), low, high))
    with np.errstate(over="ignore", invalid="ignore"):
        mean = mean_row(x, weight)
        deviation, flags = _deviation(x, weight, mean), _two_valued(x, low, high)
        return _standard(mean, deviation, flags, low, high)


def scaler_of_moments(
    scaling: str | None, known: Moments, target: tuple[float, float] = (0.0, 1.0)
) -> Affine | Rooted:
    """Learn the map of a settled scaling that needs no quantiles; see `LEARNT_BY_BLOCKS`."""
    if scaling == "anscombe":
        return _of_roots(known.low, known.high, target)
    if scaling is None:
        return Affine(np.zeros(len(known.low)), np.ones(len(known.low)))
    if scaling in ("range", "minmax"):
        return _of_ends(scaling, known.low, known.high, target)
    with np.errstate(over="ignore", invalid="ignore"):
        return _standard(known.mean, known.deviation, known.flag, known.low, known.high)


def _of_roots(low: np.ndarray, high: np.ndarray, target: tuple[float, float]) -> Rooted:
    """Return the map that takes the roots of all columns together to a range."""
    return Rooted(*_of_ends("range", rooted(low), rooted(high), target))


def _of_ends(
    scaling: str, low: np.ndarray, high: np.ndarray, target: tuple[float, float]
) -> Affine:
    if scaling == "range":
        low, high = np.full(len(low), low.min()), np.full(len(low), high.max())
    unit = _size(low, high) / (1 if scaling == "range" else FLAG)
    span = _spread(high - low, unit, low, high) / (target[1] - target[0])
    return _affine(low - target[0] * span, span)


def _standard(
    mean: np.ndarray, deviation: np.ndarray, flags: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Affine:
    return _affine(mean, _bounded(_floored(deviation, high - low), flags, low, high))


def _affine(centre: np.ndarray, scale: np.ndarray) -> Affine:
    bad = np.flatnonzero(~(np.isfinite(centre) & np.isfinite(scale)))
    if len(bad):
        raise ValueError(f"Column {bad[0]} of X has values too large to scale; divide it first.")
    return Affine(centre, scale)


def _wrapped(scaling: Transformer, x: np.ndarray, weight: np.ndarray) -> Scaler:
    """Fit a user's transformer; scikit-learn's affine ones become an `Affine`, which can be saved."""
    from sklearn.base import clone
    from sklearn.utils.validation import has_fit_parameter

    transformer = clone(scaling)
    weighted = has_fit_parameter(transformer, "sample_weight")
    transformer.fit(x, **({"sample_weight": weight} if weighted else {}))
    shape = np.shape(transformer.transform(x[:1]))
    if shape != (1, x.shape[1]):
        raise ValueError(
            f"The scaling {transformer!r} makes {shape[-1]} columns of {x.shape[1]}: it must keep "
            "their number; put it before the Autoencoder in a Pipeline."
        )
    if is_line(transformer):
        return _affine(*learnt_line(transformer, x.shape[1]))
    return Wrapped(transformer)


def _floored(deviation: np.ndarray, span: np.ndarray) -> np.ndarray:
    """Raise the deviations of nearly constant columns, which would blow one odd value up.

    Compared in units of each column's range, so that the columns' units do not matter.
    """
    varied = span > 0
    relative = np.divide(deviation, span, out=np.zeros_like(deviation), where=varied)
    floor = FLOOR * np.median(relative[varied]) if varied.any() else 0.0
    return np.maximum(relative, floor) * span


def _bounded(
    spread: np.ndarray, flags: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Bound what one cell of a rare flag can cost, and what one that was constant does.

    A flag's deviation is the smaller the rarer it is, and that of a flag never seen is 0; either way
    the other value is `FLAG` units away at most. A constant's other value is taken to be 0, or 1 where
    it is 0 itself.
    """
    spread = np.where(flags, np.maximum(spread, (high - low) / FLAG), spread)
    return _spread(spread, _size(low, high) / FLAG, low, high)


def _two_valued(x: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which columns have two values or one."""
    some = x[:1000]
    flags = ((some == low) | (some == high)).all(axis=0)
    columns = np.flatnonzero(flags)
    for b in blocks(x):
        part = x[b][:, columns]
        flags[columns] &= ((part == low[columns]) | (part == high[columns])).all(axis=0)
    return flags


def _size(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return the size of columns' values, or 1 where all are 0."""
    size = np.maximum(np.abs(low), np.abs(high))
    return np.where(size > 0, size, 1.0)


def are_constant(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return which columns with these ends are constant, but for the rounding of a computed value."""
    return high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high))


def _spread(
    spread: np.ndarray, instead: np.ndarray, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Give constant columns another spread."""
    return np.where(are_constant(low, high) | (spread <= 0), instead, spread)


class Shaped(Protocol):
    """What has rows of a width: an array, or rows that are encoded when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice) -> np.ndarray: ...


def blocks(x: Shaped, values: int = 2**22) -> Iterator[slice]:
    """Cut rows into blocks of about this many values, so that temporary copies stay small."""
    rows = max(values // max(x.shape[1], 1), 1)
    return (slice(i, i + rows) for i in range(0, len(x), rows))


def mean_row(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean of rows, in float64."""
    return sum(weight[b] @ x[b].astype(float) for b in blocks(x)) / weight.sum()


def _deviation(x: np.ndarray, weight: np.ndarray, centre: np.ndarray) -> np.ndarray:
    squares = sum(weight[b] @ (x[b] - centre) ** 2 for b in blocks(x))
    return np.sqrt(squares / weight.sum())


def _quantile(x: np.ndarray, weight: np.ndarray, q: float) -> np.ndarray:
    if np.ptp(weight) == 0:
        return np.quantile(x.astype(float), q, axis=0)
    w = np.broadcast_to(weight[:, None], x.shape)
    return np.quantile(x.astype(float), q, axis=0, weights=w, method="inverted_cdf")


def scale_rows(scaler: Scaler, x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Scale some of the rows into an array that is there."""
    for b in blocks(out):
        out[b] = scaler.forward(x[rows[b]], out.dtype.name)
