"""Rows on their way to a run: split, scaled, and checked against what the net can take."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.autoencoder.large import (
    ScaledBlocks,
    large_scaler,
    large_split,
    look_at_fresh,
    look_through,
    near_rows,
    value_names,
)
from isthmus.autoencoder.refusals import too_large
from isthmus.autoencoder.sources import is_far, is_fresh
from isthmus.model import (
    bind_loss,
    bind_slots,
    blocks,
    check_mixed,
    choose_scaling,
    fit_scaler,
    fit_table_scaler,
    layout_of,
    mean_row,
    put_aside,
    scale_rows,
)
from isthmus.nets import ACTIVATIONS
from isthmus.parts import Masking, Mixed
from isthmus.training import FarRows, ScaledRows, aligned_rows

if TYPE_CHECKING:
    from isthmus.autoencoder.parameters import Parameters
    from isthmus.model import (
        Scaler,
        Scaling,
        Slots,
    )
    from isthmus.nets import Net
    from isthmus.schema import Schema


class Rows(NamedTuple):
    """Rows as a fit is given them: flat and checked, with their weights and their own shape."""

    X: np.ndarray  # (n, d)
    weight: np.ndarray  # (n,), all above 0
    sample_shape: tuple[int, ...] | None
    schema: Schema | None = None  # of a table of mixed types, whose rows are compact
    column_weights: np.ndarray | None = None  # of its used columns


class Prepared(NamedTuple):
    """Rows split and scaled, and what their scaling is."""

    scaling: Scaling
    scaler: Scaler
    rows: ScaledRows
    mean: np.ndarray  # of mixed rows the best constant answer
    loss: Mixed | None = None  # of mixed rows
    far: FarRows | None = None  # all rows to train on, if `rows` has but a sample of them
    ends: np.ndarray | None = None  # then rows with each column's least and greatest value

    def bound(self, slots: Slots) -> Slots:
        """Return the slots as these rows need them."""
        if self.loss is None:
            return slots
        return bind_slots(slots, replace(self.loss, numbers=slots.loss))

    @property
    def width(self) -> int:
        """How many values the net sees of a row."""
        return self.rows.x.shape[1] if self.loss is None else self.loss.width

    @property
    def n_train(self) -> int:
        """How many rows there are to train on."""
        return len(self.rows.x) if self.far is None else self.far.n

    @property
    def widest(self) -> np.ndarray:
        """Rows that reach as far as all to train on do."""
        return self.rows.x if self.ends is None else self.ends


MANY = 5000  # rows, of which some cells are taken out to judge estimates of them, and not missed
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
        alike=rows.schema is None
        and (
            slots.architecture.spatial
            or rows.sample_shape is not None
            or rows.X.dtype in (np.uint8, bool)
        ),
        raw_loss=slots.loss.domain[0] == 0,
        bounded=slots.output_interval is not None,
        mixed=rows.schema is not None,
    )


def prepare_rows(
    parameters: Parameters,
    given: Rows,
    slots: Slots,
    seed: int,
    ready: Ready | None = None,
    *,
    aside: bool = False,
) -> Prepared:
    """Split and scale rows, or return them from `ready`, where they are kept.

    `aside` takes some cells out of rows of which none are held out; of many rows some always are,
    where the model learns to fill cells.
    """
    e, X, weight = parameters, given.X, given.weight
    if ready is None and is_far(X):
        return prepare_large(e, given, slots, seed)
    scaling = settle_scaling(e.scaling, given, slots)
    split = split_rows(len(X), e.early_stopping, e.validation_fraction, seed)
    named = scaling if isinstance(scaling, str | None) else id(scaling)
    of_table = None
    if given.schema is not None:
        of_table = repr((slots.loss, slots.corruption, parameters.column_weights))
    key = (named, slots.output_interval, e.dtype, len(split[1]) and (seed, len(split[1])), of_table)
    if ready is not None and key in ready:
        return ready[key]
    scaler = new_scaler(scaling, given, split[0], slots)
    scaled = scaled_rows(X, weight, split, scaler, e.dtype, schema=given.schema)
    if (aside or len(X) >= MANY) and hides_cells(given, slots) and not scaled.held_out:
        assert given.schema is not None
        scaled = put_aside(scaled, layout_of(given.schema), seed)
    prepared = as_prepared(scaling, scaler, scaled, given, slots, e.dtype)
    if ready is not None:
        ready[key] = prepared
    return prepared


def prepare_large(parameters: Parameters, given: Rows, slots: Slots, seed: int) -> Prepared:
    """Return what is known of rows of more than a window, and a sample of them, split and scaled."""
    e, width = parameters, given.X.shape[1]
    scaling = settle_scaling(e.scaling, given, slots)
    if given.schema is not None:
        check_mixed(slots, scaling, given.schema)
    if fresh := is_fresh(given.X):
        given, split, known = look_at_fresh(given, e.early_stopping, e.validation_fraction, seed)
    else:
        given = given._replace(X=near_rows(given.X))
        split = large_split(len(given.X), width, e.early_stopping, e.validation_fraction, seed)
        known = look_through(given, split, seed)
    scaler = large_scaler(scaling, given, known, slots.output_interval or (0.0, 1.0))
    read = ScaledBlocks(given, split, scaler, e.dtype, known.weight)
    ends = read.scaled_ends(known.moments)
    sample, held = read.scaled(known.sample), read.scaled(known.held)
    rows = ScaledRows(sample, known.sample_weight, held, known.held_weight)
    far = FarRows(read, split.n_train, width, e.dtype, e.device)
    if fresh:
        far = far._replace(read_in=read.at)
    prepared = as_prepared(scaling, scaler, rows, given, slots, e.dtype)
    return prepared._replace(far=far, ends=ends)


def hides_cells(given: Rows, slots: Slots) -> bool:
    """Whether a model learns to fill cells that are hidden from it."""
    hiding = any(isinstance(part, Masking) for part in slots.corruption)
    return hiding and given.schema is not None


def as_prepared(
    scaling: Scaling, scaler: Scaler, rows: ScaledRows, given: Rows, slots: Slots, dtype: str
) -> Prepared:
    """Return scaled rows with their mean, or with what is known of their values if they are mixed."""
    if given.schema is None:
        return Prepared(scaling, scaler, rows, mean_row(rows.x, rows.weight).astype(dtype))
    check_mixed(slots, scaling, given.schema)
    layout, weights = layout_of(given.schema, slots.corruption), given.column_weights
    if weights is None:
        weights = np.ones(len(given.schema.used))
    loss = bind_loss(slots.loss, layout, rows.x, rows.weight, weights)
    return Prepared(scaling, scaler, rows, loss.constant.astype(dtype), loss)


def scaled_rows(
    X: np.ndarray,
    weight: np.ndarray,
    split: tuple[np.ndarray, np.ndarray],
    scaler: Scaler,
    dtype: str,
    *,
    schema: Schema | None = None,
) -> ScaledRows:
    """Scale the rows to train on and to hold out; mixed rows may have missing cells."""
    parts: list[np.ndarray] = []
    mixed, names = schema is not None, value_names(schema)
    for index in split:
        whole = aligned_rows(len(index), X.shape[1], dtype)
        part = whole[: len(index)]
        scale_rows(scaler, X, index, part)
        for b in blocks(part):
            good = ~np.isinf(part[b]) if mixed else np.isfinite(part[b])
            if not good.all():
                raise too_large(X[index[b]], part[b], names=names, rows=index[b])
        parts += [whole, weight[index]]
    train, weight_train, held, weight_held = parts
    return ScaledRows(train, weight_train, held, weight_held)


def new_scaler(scaling: Scaling, given: Rows, train: np.ndarray, slots: Slots) -> Scaler:
    """Fit the scaler on the rows to train on."""
    X, weight = given.X, given.weight
    part = X if len(train) == len(X) else X[train]
    if given.schema is not None:
        check_mixed(slots, scaling, given.schema)
        assert isinstance(scaling, str | None)
        return fit_table_scaler(scaling, part, weight[train], layout_of(given.schema))
    target = slots.output_interval or (0.0, 1.0)
    return fit_scaler(scaling, part, weight[train], target)


def check_scaled(prepared: Prepared, net: Net, slots: Slots) -> None:
    """Raise a ValueError where the loss or the output cannot take the scaled data."""
    if isinstance(slots.loss, Mixed):
        return
    rows, widest = prepared.rows, prepared.widest
    slots.check_domain(widest)
    if prepared.scaling is None and rows.held_out:
        slots.check_domain(rows.x_val)
    bounds = ACTIVATIONS[net.output].bounds
    low, high = float(widest.min()), float(widest.max())
    if bounds and (low < bounds[0] - 1e-3 or high > bounds[1] + 1e-3):
        raise ValueError(
            f"The output {net.output!r} lies in [{bounds[0]:g}, {bounds[1]:g}], but the scaled data "
            f"go from {low:.4g} to {high:.4g} and cannot be reproduced: use scaling='minmax' or "
            "'range', or output='identity'."
        )
