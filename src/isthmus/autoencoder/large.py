"""Rows of more than a window on their way to a run: seen in passes over blocks, and never whole.

They may lie in memory or on disk: what is asked of them is a slice, so both are the same fit. What a
fit measures on rows, it measures on those held out and on a sample of the others, which are few.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from isthmus import io
from isthmus.autoencoder.refusals import too_large
from isthmus.autoencoder.sources import BlockRows, rows_at
from isthmus.model import (
    LEARNT_BY_BLOCKS,
    blocks,
    fit_scaler,
    fit_table_scaler,
    layout_of,
    moments_of,
    nothing_known,
    scaler_of_moments,
    table_scaler_of_moments,
)
from isthmus.training import aligned_rows, read_ahead, rows_at_hand, values_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.autoencoder.rows import Rows
    from isthmus.io import Patches
    from isthmus.model import Moments, Scaler, Scaling, Shaped
    from isthmus.schema import Schema

HOLDS = 100  # rows that are drawn afresh, from which on "auto" holds some out
MOST_HELD = 2**17  # rows held out: more make no error more certain than it has to be
OF_HELD, OF_SAMPLE = 2**32, 2**35  # part the random numbers of these draws
PIECE = 2**18  # values that are scaled at a time, which a processor's cache holds


class Split(NamedTuple):
    """Which of n rows are held out; the others, to train on, are numbered without gaps."""

    n: int
    held: np.ndarray  # few, and in order

    @property
    def n_train(self) -> int:
        """How many rows there are to train on."""
        return self.n - len(self.held)

    def place(self, number: int) -> int:
        """Return the place among all rows of one to train on."""
        passed = np.searchsorted(self.held - np.arange(len(self.held)), number, side="right")
        return int(number + passed)

    def first(self, place: int) -> int:
        """Return the number, among those to train on, of the first at this place or behind it."""
        return place - int(np.searchsorted(self.held, place))

    def trained(self, places: slice) -> np.ndarray:
        """Return of some of all rows whether they are trained on."""
        kept = np.ones(places.stop - places.start, bool)
        begin, end = np.searchsorted(self.held, [places.start, places.stop])
        kept[self.held[begin:end] - places.start] = False
        return kept


def large_split(
    n: int, width: int, early_stopping: str | bool, fraction: float, seed: int
) -> Split:
    """Return which rows are held out, by the seed alone: at most 131,072, and few values."""
    most = min(rows_at_hand(width), MOST_HELD)
    held = min(max(round(fraction * n), 20), most, n - 1) if early_stopping else 0
    return Split(n, _drawn(n, held, (seed, OF_HELD)))


def _drawn(n: int, size: int, seed: tuple[int, int]) -> np.ndarray:
    """Return some of n numbers, in order."""
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False, shuffle=False))


class Known(NamedTuple):
    """What a pass over the rows found: of those to train on, and the few that are kept."""

    moments: Moments  # of those to train on
    weight: float  # theirs on average
    sample: np.ndarray
    sample_weight: np.ndarray
    held: np.ndarray
    held_weight: np.ndarray


def look_through(given: Rows, split: Split, seed: int) -> Known:
    """Go through all rows once, and return what a fit has to know of them."""
    size = min(split.n_train, rows_at_hand(given.X.shape[1]))
    wanted = _drawn(split.n_train, size, (seed, OF_SAMPLE))
    moments = nothing_known(given.X.shape[1])
    parts: list[list[np.ndarray]] = [[], [], [], []]
    total, empty = 0.0, 0
    for places, rows in blocks_in_turn(given.X):
        kept, weight = split.trained(places), _weights_of(rows, given.weight[places])
        train, weight_train = rows[kept], weight[kept]
        first = split.first(places.start)
        begin, end = np.searchsorted(wanted, [first, first + len(train)])
        few = wanted[begin:end] - first
        pairs = (train[few], weight_train[few], rows[~kept], weight[~kept])
        for part, found in zip(parts, pairs, strict=True):
            part.append(found)
        if (counted := weight_train > 0).any():  # a row of weight 0 is as if it were not there
            moments = moments.merged(moments_of(train[counted], weight_train[counted]))
        total += float(weight_train.sum())
        empty += int((weight < given.weight[places]).sum())
    if not total > 0:
        raise ValueError(
            "The weights of all rows to train on are 0: give some rows another weight."
        )
    if empty:
        warn_of_empty(empty)
    return Known(moments, total / split.n_train, *(np.concatenate(part) for part in parts))


def look_at_fresh(
    given: Rows, early_stopping: str | bool, fraction: float, seed: int
) -> tuple[Rows, Split, Known]:
    """Return the rows to train on, of which none is held out any more, and a sample of all that come.

    Rows held out are the same throughout. All is drawn by the seed of the fit and that of the source.
    """
    rows: Any = given.X
    source: Patches = rows.source
    n, most = len(rows), rows_at_hand(rows.width)
    held = _held(n, early_stopping, fraction, min(most, MOST_HELD))
    kept = source.parted(fraction, seed + OF_HELD) if held else (source.parts, source.parts)
    train, n_train = source.like(kept[0], n - held), n - held
    sample = rows.of(train.like(n=min(n_train, most), seed=train.seed + OF_SAMPLE))[:]
    apart = sample[:0]
    if held:
        apart = rows.of(source.like(kept[1], held, seed=source.seed + OF_HELD))[:]
    found = _moments(sample)._replace(
        low=np.full(rows.width, source.ends[0]), high=np.full(rows.width, source.ends[1])
    )
    known = Known(found, 1.0, sample, np.ones(len(sample)), apart, np.ones(held))
    X: Any = rows.of(train)
    weight = np.broadcast_to(1.0, n_train)
    return given._replace(X=X, weight=weight), Split(n_train, np.arange(0)), known


def _held(n: int, early_stopping: str | bool, fraction: float, most: int) -> int:
    """Return how many of n rows are held out."""
    if not (n >= HOLDS if isinstance(early_stopping, str) else early_stopping):
        return 0
    return min(max(round(fraction * n), min(20, n // 2)), most, n - 1)


def _moments(rows: np.ndarray) -> Moments:
    found = nothing_known(rows.shape[1])
    for b in blocks(rows):
        found = found.merged(moments_of(rows[b], np.ones(len(rows[b]))))
    return found


def warn_of_empty(empty: int) -> None:
    """Warn of rows of a table without a cell that is there."""
    what = "A row has" if empty == 1 else f"{empty:,} rows have"
    which = "it" if empty == 1 else "them"
    warnings.warn(
        f"{what} no cell that is there among the columns used: nothing is learned from {which}.",
        stacklevel=6,
    )


def blocks_in_turn(X: Shaped) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield places of blocks, and their rows; the next are read meanwhile."""
    n = len(X)
    places = [slice(b.start, min(b.stop, n)) for b in blocks(X, values_at_once())]
    yield from zip(places, read_ahead(lambda b, stopped: X[b], places), strict=True)


def _weights_of(rows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return what rows count: nothing if no cell of them is there."""
    if rows.dtype.kind != "f" or not np.isnan(rows[:, 0]).any():
        return weight
    return np.where(np.isnan(rows).all(axis=1), 0.0, weight)


class ScaledBlocks:
    """The rows to train on, numbered without gaps, which are scaled when they are read."""

    def __init__(self, given: Rows, split: Split, scaler: Scaler, dtype: str, usual: float) -> None:
        self.given, self.split, self.scaler = given, split, scaler
        self.dtype, self.usual = dtype, usual  # the mean weight

    def __call__(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Return some rows, scaled, and their weights, whose mean over all is 1."""
        places = slice(self.split.place(start), self.split.place(stop - 1) + 1)
        kept, rows = self.split.trained(places), np.ascontiguousarray(self.given.X[places])
        weight = _weights_of(rows, self.given.weight[places])
        numbers = np.flatnonzero(kept)
        if len(numbers) < len(rows):
            rows, weight = rows[numbers], weight[numbers]
        return self.scaled(rows, places.start + numbers), weight / self.usual

    def at(self, epoch: int) -> ScaledBlocks:
        """Return the rows of an epoch, where each has rows of its own."""
        X: Any = rows_at(self.given.X, epoch)
        return ScaledBlocks(
            self.given._replace(X=X), self.split, self.scaler, self.dtype, self.usual
        )

    def scaled_ends(self, known: Moments) -> np.ndarray:
        """Return the least and the greatest values, scaled; ValueError that names the first row beyond
        what the precision can hold.
        """
        ends = np.stack([known.low, known.high])
        try:
            return self.scaled(ends)
        except ValueError:
            block = max(values_at_once() // ends.shape[1], 1)
            for start in range(0, self.split.n_train, block):
                self(start, min(start + block, self.split.n_train))
            raise

    def scaled(self, rows: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
        """Return rows scaled; ValueError if the precision cannot hold them."""
        out = aligned_rows(len(rows), rows.shape[1], self.dtype)[: len(rows)]
        for b in blocks(rows, PIECE):
            out[b] = self.scaler.forward(rows[b], self.dtype)
        good = np.isfinite(out) if self.given.schema is None else ~np.isinf(out)
        if not good.all():
            raise too_large(rows, out, names=value_names(self.given.schema), rows=places)
        return out


def value_names(schema: Schema | None) -> list[str] | None:
    """Return of each value of compact rows the name of its column; None for plain numbers."""
    if schema is None:
        return None
    return [schema.used[value.cell].name for value in schema.values]


def large_scaler(
    scaling: Scaling, given: Rows, known: Known, target: tuple[float, float]
) -> Scaler:
    """Fit the scaler on all rows to train on where no quantiles are asked for, else on the sample."""
    few, weight = known.sample, known.sample_weight
    if given.schema is None:
        if scaling in LEARNT_BY_BLOCKS:
            return scaler_of_moments(scaling, known.moments, target)
        return fit_scaler(scaling, few, weight, target)
    assert isinstance(scaling, str | None)
    layout = layout_of(given.schema)
    if scaling in LEARNT_BY_BLOCKS:
        return table_scaler_of_moments(scaling, known.moments, layout)
    return fit_table_scaler(scaling, few, weight, layout)


def near_rows(X: Any) -> Any:
    """Return rows that are quick to read in any order.

    An epoch takes blocks from anywhere, and to take a few rows out of a packed file is to unpack many.
    So these are unpacked once, into a temporary file; without room for it they stay, with a warning.
    """
    source = getattr(X, "frame", getattr(X, "source", None))
    if not isinstance(source, io.Blocks) or source.is_unpacked:
        return X
    size = len(X) * X.shape[1] * X.dtype.itemsize
    try:
        kept = io.Spool(source.name, (rows for _, rows in blocks_in_turn(X)), size)
    except io.NoRoomError as error:
        warnings.warn(f"{error} Until then each epoch unpacks {source.name} anew.", stacklevel=6)
        return X
    return BlockRows(kept, lambda rows, start: rows)
