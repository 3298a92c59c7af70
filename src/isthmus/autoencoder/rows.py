"""Rows on their way to a run: split, scaled, and checked against what the net can take."""

from typing import Any, NamedTuple

import numpy as np

from isthmus.autoencoder.validation import check_domain
from isthmus.model.scaling import Scaler, blocks, choose_scaling, fit_scaler, mean_row, scale_rows
from isthmus.model.slots import Slots, output_interval
from isthmus.nets.activations import ACTIVATIONS
from isthmus.nets.net import Net
from isthmus.training.trainer import aligned_rows


class Rows(NamedTuple):
    """Scaled rows and their weights, for training and, where there are any, for validation."""

    whole: np.ndarray  # with padding; see `engine.room`
    weight: np.ndarray
    whole_val: np.ndarray
    weight_val: np.ndarray

    @property
    def x(self) -> np.ndarray:
        """The rows to train on."""
        return self.whole[: len(self.weight)]

    @property
    def x_val(self) -> np.ndarray:
        """The rows held out."""
        return self.whole_val[: len(self.weight_val)]

    @property
    def held_out(self) -> bool:
        """Whether there are validation rows."""
        return len(self.weight_val) > 0

    @property
    def judged(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that baselines are measured on: held-out where there are any."""
        return (self.x_val, self.weight_val) if self.held_out else (self.x, self.weight)


def split_rows(
    n: int, early_stopping: Any, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and to hold out, by the seed alone."""
    wanted = n >= 100 if isinstance(early_stopping, str) else early_stopping
    if not wanted:
        return np.arange(n), np.arange(0)
    held = min(max(round(fraction * n), min(20, n // 2)), n - 1)
    order = np.random.default_rng((seed, 2**32)).permutation(n)
    return np.sort(order[held:]), np.sort(order[:held])


def settle_scaling(estimator: Any, X: np.ndarray, slots: Slots) -> Any:
    """Return the scaling that "auto" stands for with these rows and slots."""
    return choose_scaling(
        estimator.scaling,
        alike=slots.architecture.spatial
        or estimator.sample_shape_ is not None
        or X.dtype in (np.uint8, bool),
        raw_loss=slots.loss.domain[0] == 0,
        bounded=output_interval(slots) is not None,
    )


class Prepared(NamedTuple):
    """Rows split and scaled, and what their scaling is."""

    scaling: Any
    scaler: Scaler
    rows: Rows
    mean: np.ndarray


def prepare_rows(
    estimator: Any,
    X: np.ndarray,
    weight: np.ndarray,
    slots: Slots,
    seed: int,
    ready: dict[Any, Prepared] | None = None,
) -> Prepared:
    """Split and scale rows, or return them from `ready`, where they are kept."""
    e, scaling = estimator, settle_scaling(estimator, X, slots)
    rows = split_rows(len(X), e.early_stopping, e.validation_fraction, seed)
    named = scaling if isinstance(scaling, str | None) else id(scaling)
    key = (named, output_interval(slots), e.dtype, len(rows[1]) and (seed, len(rows[1])))
    if ready is not None and key in ready:
        return ready[key]
    scaler = new_scaler(scaling, X, weight, rows[0], slots)
    scaled = scaled_rows(X, weight, rows, scaler, e.dtype)
    mean = mean_row(scaled.x, scaled.weight).astype(e.dtype)
    prepared = Prepared(scaling, scaler, scaled, mean)
    if ready is not None:
        ready[key] = prepared
    return prepared


def scaled_rows(
    X: np.ndarray,
    weight: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    scaler: Scaler,
    dtype: str,
) -> Rows:
    """Scale the rows to train on and to hold out."""
    parts: list[np.ndarray] = []
    for index in rows:
        whole = aligned_rows(len(index), X.shape[1], dtype)
        part = whole[: len(index)]
        scale_rows(scaler, X, index, part)
        if not all(np.isfinite(part[b]).all() for b in blocks(part)):
            column = int(np.flatnonzero(~np.isfinite(part).all(axis=0))[0])
            raise ValueError(f"Column {column} of X, scaled, is too large for dtype {dtype}.")
        parts += [whole, weight[index]]
    return Rows(*parts)


def new_scaler(
    scaling: Any, X: np.ndarray, weight: np.ndarray, train: np.ndarray, slots: Slots
) -> Scaler:
    """Fit the scaler on the rows to train on."""
    target = output_interval(slots) or (0.0, 1.0)
    part = X if len(train) == len(X) else X[train]
    return fit_scaler(scaling, part, weight[train], target)


def check_scaled(rows: Rows, net: Net, slots: Slots, scaling: Any) -> None:
    """Raise a ValueError where the loss or the output cannot take the scaled data."""
    check_domain(rows.x, slots.loss.domain, slots.loss.name)
    if scaling is None and rows.held_out:
        check_domain(rows.x_val, slots.loss.domain, slots.loss.name)
    bounds = ACTIVATIONS[net.output].bounds
    low, high = float(rows.x.min()), float(rows.x.max())
    if bounds and (low < bounds[0] - 1e-3 or high > bounds[1] + 1e-3):
        raise ValueError(
            f"The output {net.output!r} lies in [{bounds[0]:g}, {bounds[1]:g}], but the scaled data "
            f"go from {low:.4g} to {high:.4g} and cannot be reproduced: use scaling='minmax' or "
            "'range', or output='identity'."
        )
