"""What all sources of blocks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.io.places import Numbered
from isthmus.io.table import Table

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    import polars as pl


class Blocks(ABC):
    """Rows that lie on disk, of which any run of consecutive ones can be read at any time.

    Attributes
    ----------
    name : str
        What messages call it: a path, mostly.
    n_rows : int
        How many rows there are.
    columns : tuple of str, or None
        The names of columns; None for arrays, whose columns have none.
    """

    is_unpacked = False  # whether rows lie there as they are, and need no unpacking
    is_fresh = False  # whether each epoch has rows of its own
    name: str
    n_rows: int
    columns: tuple[str, ...] | None

    @abstractmethod
    def read(self, start: int, stop: int) -> np.ndarray | pl.DataFrame:
        """Return the rows from `start` up to `stop`, as an array (n, ...), or as a frame."""

    def table(self, start: int, stop: int) -> Table:
        """Return rows as a part of a table, whose messages know where they stand in the whole."""
        return Table(Path(self.name), self.read(start, stop), lines=Numbered(start), is_part=True)

    def only(self, names: Collection[str]) -> Blocks:
        """Return the same rows, of which no more columns are read than have to be for these."""
        return self

    def __len__(self) -> int:
        return self.n_rows
