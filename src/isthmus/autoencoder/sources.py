"""Sources of rows that may be larger than memory, and their rows as a fit asks for them."""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from isthmus import io
from isthmus.autoencoder.table_rows import some_rows
from isthmus.io import FileError
from isthmus.schema import is_frame
from isthmus.training import (
    draw_seed,
    exceeds_window,
    read_ahead,
    rows_at_hand,
    values_at_once,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.io import Blocks
    from isthmus.training import RandomState

MANY = 2**17  # rows that are taken of more than a window, where they are not wide
OF_MANY = 2**36  # parts the random numbers of that draw
READ_IN_PIECES = (  # of libraries, and of ours, that are not imported for it
    ("isthmus.io.blocks.blocks", "Blocks"),
    ("polars", "LazyFrame"),
    ("pyarrow.dataset", "Dataset"),
)


def as_source(X: Any) -> Blocks | None:
    """Return blocks of what is read piece by piece: a path, a large mapped array; None for all else."""
    if isinstance(X, np.memmap):
        large = X.ndim > 1 and exceeds_window(len(X), width_of(X))
        return io.open_blocks(X) if large else None
    if isinstance(X, Iterator):
        raise TypeError(
            f"X is a {type(X).__name__}, whose batches come once: give isthmus.io.open_blocks(X), "
            "which keeps them in a temporary file."
        )
    classes = [getattr(sys.modules.get(m), name, ()) for m, name in READ_IN_PIECES]
    if isinstance(X, (str, Path, *(c for c in classes if c))):
        return io.open_blocks(X)
    return None


def opened(X: Any) -> Any:
    """Return rows that are opened once for several uses: blocks of a source, all else as it is."""
    source = as_source(X)
    return X if source is None else source


def read_whole_or_some(X: Any, random_state: RandomState) -> Any:
    """Return the rows of a source, or of one of more than a window some, with a warning; all else as it
    is.
    """
    source = as_source(X)
    if source is None:
        return X
    if not are_many(source):
        return source.read(0, len(source))
    some = some_of_many(source, MANY, random_state)
    warnings.warn(
        f"{source.name} has {len(source):,} rows: a random sample of {len(some):,} is used.",
        stacklevel=3,
    )
    return some


def width_of(rows: Any) -> int:
    """Return how many columns a frame has, or values each row of an array."""
    return math.prod(rows.shape[1:])


def parts_in_turn(source: Blocks, width: int) -> Iterator[Any]:
    """Yield all rows of a source in parts, as they are; the next is read meanwhile."""
    size, n = max(values_at_once() // max(width, 1), 1), len(source)
    yield from read_ahead(
        lambda start, stopped: source.read(start, min(start + size, n)), range(0, n, size)
    )


def _width(X: Any) -> int:
    return width_of(X if hasattr(X, "shape") else X.read(0, 2))


def are_many(X: Any) -> bool:
    """Return whether these are rows of more than a window, in memory or not."""
    source = as_source(X)
    if source is not None:
        return exceeds_window(len(source), _width(source))
    table = is_frame(X) or (isinstance(X, np.ndarray) and X.ndim > 1)
    return table and exceeds_window(len(X), width_of(X))


def is_far(rows: Any) -> bool:
    """Return whether a fit reads rows window by window: more than one, or others in each epoch."""
    return exceeds_window(*rows.shape) or is_fresh(rows)


def is_fresh(rows: Any) -> bool:
    """Return whether rows are of a source that draws them afresh in each epoch."""
    return bool(getattr(rows, "is_fresh", False))


def rows_at(rows: Any, epoch: int) -> Any:
    """Return the rows of an epoch, of a source that draws them afresh."""
    return rows.of(rows.source.at(epoch))


def mark_of(rows: Any) -> int:
    """Return a number by which two runs know whether a source draws the same rows for both."""
    return int(rows.source.mark)


def some_of_many(X: Any, most: int, random_state: RandomState) -> Any:
    """Return some rows, in their order, of more than a window; all else as it is.

    They are as many as are asked for, or more, where that takes little memory.
    """
    source = as_source(X)  # once: a LazyFrame is computed for it, and a text file read through
    X = X if source is None else source
    if not are_many(X):
        return X
    n, width = len(X), _width(X)
    rng = np.random.default_rng((draw_seed(random_state), OF_MANY))
    size = min(n, max(most, min(MANY, rows_at_hand(width))))
    numbers = np.sort(rng.choice(n, size, replace=False, shuffle=False))
    if source is None:
        return some_rows(X, numbers)
    parts, begin = [], 0
    for part in parts_in_turn(source, width):
        here = np.searchsorted(numbers, [begin, begin + len(part)])
        parts.append(some_rows(part, numbers[slice(*here)] - begin))
        begin += len(part)
    return np.concatenate(parts) if isinstance(parts[0], np.ndarray) else pl.concat(parts)


class BlockRows:
    """Rows of numbers of a source: those that are asked for are read, made flat and checked then."""

    ndim = 2

    def __init__(self, source: Blocks, made: Callable[[Any, int], np.ndarray]) -> None:
        self.source, self.made = source, made
        first = made(source.read(0, 1), 0)
        self.width, self.dtype = first.shape[1], first.dtype

    def __len__(self) -> int:
        return len(self.source)

    @property
    def is_fresh(self) -> bool:
        """Whether each epoch has rows of its own."""
        return self.source.is_fresh

    def of(self, source: Blocks) -> BlockRows:
        """Return rows of another source that are made alike."""
        other = copy.copy(self)
        other.source = source
        return other

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and of values in a row."""
        return len(self), self.width

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some rows that follow one another."""
        start, stop, _ = rows.indices(len(self))
        part = self.made(self.source.read(start, stop), start)
        wanted = (stop - start, self.width)
        if part.shape != wanted or part.dtype != self.dtype:
            raise FileError(
                f"{self.source.name} changed while it was read: its rows {start:,} to {stop:,} were "
                f"of shape {wanted} and {self.dtype}, and are of {part.shape} and {part.dtype}."
            )
        return part

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)
