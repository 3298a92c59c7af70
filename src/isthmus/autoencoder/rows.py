"""Rows on their way to a run: split, scaled, and checked against what the net can take."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.autoencoder.validation import too_large
from isthmus.model import (
    blocks,
    choose_scaling,
    fit_scaler,
    mean_row,
    scale_rows,
)
from isthmus.nets import ACTIVATIONS
from isthmus.training import ScaledRows, aligned_rows

if TYPE_CHECKING:
    from isthmus.autoencoder.parameters import Parameters
    from isthmus.model import (
        Scaler,
        Scaling,
        Slots,
    )
    from isthmus.nets import Net


class Rows(NamedTuple):
    """Rows as a fit is given them: flat and checked, with their weights and their own shape."""

    X: np.ndarray  # (n, d)
    weight: np.ndarray  # (n,), all above 0
    sample_shape: tuple[int, ...] | None


class Prepared(NamedTuple):
    """Rows split and scaled, and what their scaling is."""

    scaling: Scaling
    scaler: Scaler
    rows: ScaledRows
    mean: np.ndarray


Ready = dict[Hashable, Prepared]  # prepared rows, for runs that need the same


def split_rows(
    n: int, early_stopping: str | bool, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to train on and to hold out, by the seed alone."""
    wanted = n >= 100 if isinstance(early_stopping, str) else early_stopping
    if not wanted:
        return np.arange(n), np.arange(0)
    held = min(max(round(fraction * n), min(20, n // 2)), n - 1)
    order = np.random.default_rng((seed, 2**32)).permutation(n)
    return np.sort(order[held:]), np.sort(order[:held])


def settle_scaling(scaling: Scaling, rows: Rows, slots: Slots) -> Scaling:
    """Return the scaling that "auto" stands for with these rows and slots."""
    return choose_scaling(
        scaling,
        alike=slots.architecture.spatial
        or rows.sample_shape is not None
        or rows.X.dtype in (np.uint8, bool),
        raw_loss=slots.loss.domain[0] == 0,
        bounded=slots.output_interval is not None,
    )


def prepare_rows(
    parameters: Parameters, given: Rows, slots: Slots, seed: int, ready: Ready | None = None
) -> Prepared:
    """Split and scale rows, or return them from `ready`, where they are kept."""
    e, (X, weight, _) = parameters, given
    scaling = settle_scaling(e.scaling, given, slots)
    split = split_rows(len(X), e.early_stopping, e.validation_fraction, seed)
    named = scaling if isinstance(scaling, str | None) else id(scaling)
    key = (named, slots.output_interval, e.dtype, len(split[1]) and (seed, len(split[1])))
    if ready is not None and key in ready:
        return ready[key]
    scaler = new_scaler(scaling, X, weight, split[0], slots)
    scaled = scaled_rows(X, weight, split, scaler, e.dtype)
    mean = mean_row(scaled.x, scaled.weight).astype(e.dtype)
    prepared = Prepared(scaling, scaler, scaled, mean)
    if ready is not None:
        ready[key] = prepared
    return prepared


def scaled_rows(
    X: np.ndarray,
    weight: np.ndarray,
    split: tuple[np.ndarray, np.ndarray],
    scaler: Scaler,
    dtype: str,
) -> ScaledRows:
    """Scale the rows to train on and to hold out."""
    parts: list[np.ndarray] = []
    for index in split:
        whole = aligned_rows(len(index), X.shape[1], dtype)
        part = whole[: len(index)]
        scale_rows(scaler, X, index, part)
        for b in blocks(part):
            if not np.isfinite(part[b]).all():
                raise too_large(X[index[b]], part[b], rows=index[b])
        parts += [whole, weight[index]]
    return ScaledRows(*parts)


def new_scaler(
    scaling: Scaling, X: np.ndarray, weight: np.ndarray, train: np.ndarray, slots: Slots
) -> Scaler:
    """Fit the scaler on the rows to train on."""
    target = slots.output_interval or (0.0, 1.0)
    part = X if len(train) == len(X) else X[train]
    return fit_scaler(scaling, part, weight[train], target)


def check_scaled(rows: ScaledRows, net: Net, slots: Slots, scaling: Scaling) -> None:
    """Raise a ValueError where the loss or the output cannot take the scaled data."""
    slots.check_domain(rows.x)
    if scaling is None and rows.held_out:
        slots.check_domain(rows.x_val)
    bounds = ACTIVATIONS[net.output].bounds
    low, high = float(rows.x.min()), float(rows.x.max())
    if bounds and (low < bounds[0] - 1e-3 or high > bounds[1] + 1e-3):
        raise ValueError(
            f"The output {net.output!r} lies in [{bounds[0]:g}, {bounds[1]:g}], but the scaled data "
            f"go from {low:.4g} to {high:.4g} and cannot be reproduced: use scaling='minmax' or "
            "'range', or output='identity'."
        )
