"""Blocks of large text files: plain numbers, and text of other cells, in a temporary file."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from isthmus.io.blocks.blocks import Blocks
from isthmus.io.blocks.spool import Spool, check_room
from isthmus.io.labels import column_words
from isthmus.io.light import Columns
from isthmus.io.pieces import Pieces, Unfit
from isthmus.io.places import Places
from isthmus.io.table import Table
from isthmus.io.text import ROW_INDEX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence


LINE = "\n"  # the names of the columns with lines and with numbers of files, which no file has
FILE = "\n\n"


class Late(Exception):
    """Columns that were read as numbers turned out to be text."""


class TextBlocks(Blocks):
    """The rows of text files that `Pieces` can read, one after the other.

    Parameters
    ----------
    path : Path
        What was asked for: a file, a folder, or a pattern.
    files : sequence of Path, optional
        The files; by default the path is the only one.
    header : bool
        Whether their first lines have the names of the columns.
    words : sequence of str
        Columns that are text, whatever they look like.

    Raises
    ------
    Unfit
        If they have to be read as a whole.
    """

    is_unpacked = True

    def __init__(
        self,
        path: Path,
        files: Sequence[Path] | None = None,
        *,
        header: bool = True,
        words: Sequence[str] = (),
    ) -> None:
        self.is_several = files is not None
        files = [path] if files is None else files
        self.name, self.files = str(path), [Pieces(file, header=header) for file in files]
        self.size = sum(file.stat().st_size for file in files)
        known, spool = {*words}, None
        while spool is None:
            columns = Columns(known)
            try:
                spool = Spool(self.name, self._frames(columns))
            except Late:
                known |= columns.words | columns.late
        self.spool, self.n_rows = spool, len(spool)
        self.columns: tuple[str, ...] = tuple(self.files[0].names)
        self.others: tuple[str, ...] = ()  # columns that are left in the temporary file
        self.separator, self.first = self.files[0].separator, self.files[0].first[0]
        self.signs = columns.signs(self.columns)  # of the columns that are numbers

    @property
    def is_plain(self) -> bool:
        """Whether all columns are numbers whose decimal mark is known, and none may be a row index."""
        signs = self.signs.values()
        known = any(some.point for some in signs) or not any(some.doubtful for some in signs)
        return known and {*self.signs} == {*self.columns} and self.first not in ROW_INDEX

    def only(self, names: Collection[str]) -> TextBlocks:
        """Return the same rows, of whose columns only these are read again."""
        narrow, wanted = copy.copy(self), {*names}
        narrow.spool = self.spool.only({*wanted, LINE, FILE})
        narrow.columns = tuple(name for name in self.columns if name in wanted)
        narrow.others = (*self.others, *(name for name in self.columns if name not in wanted))
        return narrow

    def _frames(self, columns: Columns) -> Iterator[pl.DataFrame]:
        for number, pieces in enumerate(self.files):
            rows = 0
            for piece in pieces:
                frame = columns.typed(self._in_order(piece.cells))
                if columns.late:
                    raise Late
                frame = frame.with_columns(pl.Series(LINE, piece.lines), pl.lit(number).alias(FILE))
                if number == rows == 0:  # what the others take, if they are like the first
                    check_room(self.name, frame.estimated_size() * self.size / piece.size)
                rows += len(frame)
                yield frame
            if not rows:
                raise Unfit

    def _in_order(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return cells with the columns in the order of the first file, where they are the same."""
        names = self.files[0].names
        if {*names} != {*cells.columns}:
            raise Unfit
        return cells.select(names)

    def read(self, start: int, stop: int) -> pl.DataFrame:
        """Return rows, with null for missing cells; what is no plain number is text."""
        frame = self._rows(start, stop).drop(LINE, FILE)
        return frame.with_columns(column_words(frame[name]) for name in self._texts(frame))

    def table(self, start: int, stop: int) -> Table:
        """Return rows as a part of a table, whose text is as it stands in the file."""
        frame = self._rows(start, stop)
        lines, files = frame[LINE].to_numpy(), frame[FILE].to_numpy()
        names = tuple(pieces.path.name for pieces in self.files)
        places = Places(names, files, lines, of_text=True) if self.is_several else lines
        rows = frame.drop(LINE, FILE)
        return Table(Path(self.name), rows, lines=places, others=self.others, is_part=True)

    def _rows(self, start: int, stop: int) -> pl.DataFrame:
        frame = self.spool.read(start, stop)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _texts(self, frame: pl.DataFrame) -> list[str]:
        return [name for name, dtype in frame.schema.items() if dtype == pl.String]
