"""Sources of rows that may be larger than memory, and their rows as a fit asks for them."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus import io
from isthmus.io import FileError

if TYPE_CHECKING:
    from collections.abc import Callable

    from isthmus.io import Blocks

READ_IN_PIECES = (  # of libraries, and of ours, that are not imported for it
    ("isthmus.io.blocks.blocks", "Blocks"),
    ("polars", "LazyFrame"),
    ("pyarrow.dataset", "Dataset"),
)


def as_source(X: Any) -> Blocks | None:
    """Return blocks of what is read piece by piece: a path, a mapped array; None for all else."""
    classes = [getattr(sys.modules.get(m), name, ()) for m, name in READ_IN_PIECES]
    if isinstance(X, (str, Path, np.memmap, *(c for c in classes if c))):
        return io.open_blocks(X)
    return None


def width_of(rows: Any) -> int:
    """Return how many columns a frame has, or values each row of an array."""
    return math.prod(rows.shape[1:])


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
