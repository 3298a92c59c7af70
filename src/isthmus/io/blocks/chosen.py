"""What a command makes of each block, as blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from isthmus.io.blocks.blocks import Blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from isthmus.io.table import Table


class ChosenBlocks(Blocks):
    """The rows of other blocks, of which columns are chosen and typed as they are read.

    Parameters
    ----------
    blocks : Blocks
        All rows and columns.
    choose : callable
        What returns of a part of the table the same rows, as they are to be.
    """

    def __init__(
        self, blocks: Blocks, choose: Callable[[Table], np.ndarray | pl.DataFrame]
    ) -> None:
        self.blocks, self.choose = blocks, choose
        self.name, self.n_rows, self.is_unpacked = blocks.name, blocks.n_rows, blocks.is_unpacked
        first = self.read(0, 1)
        self.shape = (self.n_rows, *first.shape[1:])
        self.columns = None if isinstance(first, np.ndarray) else tuple(first.columns)

    def read(self, start: int, stop: int) -> np.ndarray | pl.DataFrame:
        """Return rows."""
        return self.choose(self.blocks.table(start, stop))
