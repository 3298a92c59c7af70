"""Blocks of a large text file: plain numbers, and text of other cells, in a temporary file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.blocks.blocks import Blocks
from isthmus.io.blocks.spool import Spool
from isthmus.io.labels import column_words
from isthmus.io.light import Columns
from isthmus.io.pieces import Pieces
from isthmus.io.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LINE = "\n"  # the name of the column with lines, which no column of a file has


class Late(Exception):
    """Columns that were read as numbers turned out to be text."""


class TextBlocks(Blocks):
    """The rows of a text file that `Pieces` can read.

    Parameters
    ----------
    path : Path
        The file.
    header : bool
        Whether its first line has the names of the columns.
    words : sequence of str
        Columns that are text, whatever they look like.

    Raises
    ------
    Unfit
        If the file has to be read as a whole.
    """

    def __init__(self, path: Path, *, header: bool = True, words: Sequence[str] = ()) -> None:
        self.name, self.pieces = str(path), Pieces(path, header=header)
        known, spool = {*words}, None
        while spool is None:
            columns = Columns(known)
            try:
                spool = Spool(self.name, self._frames(columns), path.stat().st_size // 2)
            except Late:
                known |= columns.words | columns.late
        self.spool, self.n_rows = spool, len(spool)
        self.columns = tuple(self.pieces.names)
        self.separator, self.first = self.pieces.separator, self.pieces.first[0]
        self.signs = columns.signs(self.columns)  # of the columns that are numbers

    def _frames(self, columns: Columns) -> Iterator[pl.DataFrame]:
        for piece in self.pieces:
            frame = columns.typed(piece.cells)
            if columns.late:
                raise Late
            yield frame.with_columns(pl.Series(LINE, piece.lines))

    def read(self, start: int, stop: int) -> pl.DataFrame:
        """Return rows, with null for missing cells; what is no plain number is text."""
        frame = self._rows(start, stop).drop(LINE)
        return frame.with_columns(column_words(frame[name]) for name in self._texts(frame))

    def table(self, start: int, stop: int) -> Table:
        """Return rows as a part of a table, whose text is as it stands in the file."""
        frame = self._rows(start, stop)
        lines = frame[LINE].to_numpy()
        return Table(Path(self.name), frame.drop(LINE), lines=lines, is_part=True)

    def _rows(self, start: int, stop: int) -> pl.DataFrame:
        frame = self.spool.read(start, stop)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _texts(self, frame: pl.DataFrame) -> list[str]:
        return [name for name, dtype in frame.schema.items() if dtype == pl.String]
