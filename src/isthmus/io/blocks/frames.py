"""Blocks of tables in Parquet and Arrow files: slices of each file, found by its footer."""

from __future__ import annotations

import copy
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.blocks.blocks import Blocks
from isthmus.io.choices import TableError
from isthmus.io.folders import check_columns
from isthmus.io.lists import spread_others
from isthmus.io.places import Numbered, Places
from isthmus.io.stamps import Stamp
from isthmus.io.table import Table
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence


class Part(NamedTuple):
    """One file of a source: what it was at first, what reads it, and which rows it has of all."""

    stamp: Stamp
    rows: pl.LazyFrame
    start: int
    stop: int


class FrameBlocks(Blocks):
    """The rows of files of one format, one after the other.

    Parameters
    ----------
    path : Path
        What was asked for: a file, a folder, or a pattern.
    files : sequence of Path
        The files.
    scan : callable
        What makes a lazy frame of a file.
    unread : mapping of str to str
        Columns that cannot be read, and why.
    row_index : tuple of str
        Columns that only number the rows.
    """

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        scan: Callable[[Path], pl.LazyFrame],
        *,
        unread: Mapping[str, str] | None = None,
        row_index: tuple[str, ...] = (),
    ) -> None:
        self.name, self.unread, self.row_index = str(path), dict(unread or {}), row_index
        stamps = [Stamp.of(file) for file in files]
        lazy = [scan(file).drop(self.unread, strict=False) for file in files]
        empty = [_asked(s, f.head(0)) for s, f in zip(stamps, lazy, strict=True)]
        for stamp, frame in zip(stamps, empty, strict=True):
            check_columns(stamp.path, frame, stamps[0].path, empty[0])
        one = pl.concat([f.select(empty[0].columns) for f in empty], how="vertical_relaxed")
        counts = [_asked(s, f.select(pl.len())).item() for s, f in zip(stamps, lazy, strict=True)]
        ends = [0, *np.cumsum(counts).tolist()]
        self.parts = [
            Part(s, f, start, stop)
            for s, f, start, stop in zip(stamps, lazy, ends[:-1], ends[1:], strict=True)
        ]
        self.n_rows = ends[-1]
        if not self.n_rows:
            raise TableError(f"{path} has no rows.")
        self.types = dict(one.schema)  # of the columns that are read
        self.lists = {n: self._length(n) for n, dtype in one.schema.items() if dtype == pl.List}
        self.spread = spread_others(self._of_one_length(one))
        self.unread |= self.spread.clashing
        self.columns = tuple(self.spread.frame.columns)
        self.others: tuple[str, ...] = ()  # columns that are left in the files

    def only(self, names: Collection[str]) -> Blocks:
        """Return the same rows, of which only these columns are read, and lists that they are of."""
        wanted, parts = {*names}, self.spread.parts
        types = {n: t for n, t in self.types.items() if wanted & {n, *parts.get(n, ())}}
        if not types:
            return self
        read = {n for name in types for n in parts.get(name, [name])}
        narrow = copy.copy(self)
        narrow.types = types
        narrow.columns = tuple(n for n in self.columns or () if n in read)
        narrow.others = tuple(n for n in self.columns or () if n not in read)
        return narrow

    def read(self, start: int, stop: int) -> pl.DataFrame:
        """Return rows, those of several files as one frame."""
        start, stop = max(start, 0), min(stop, self.n_rows)
        found = [
            self._of_part(part, max(start, part.start), min(stop, part.stop))
            for part in self.parts
            if start < part.stop and part.start < stop
        ]
        frame = self._of_one_length(
            pl.concat(found) if found else self._of_part(self.parts[0], 0, 0)
        )
        return spread_others(frame).frame

    def table(self, start: int, stop: int) -> Table:
        """Return rows as a part of a table."""
        frame = self.read(start, stop)
        lines: Numbered | Places = Numbered(start)
        if len(self.parts) > 1:
            numbers = np.arange(start, start + len(frame))
            begin = np.array([part.start for part in self.parts])
            file = np.searchsorted(begin, numbers, side="right") - 1
            names = tuple(part.stamp.path.name for part in self.parts)
            lines = Places(names, file, numbers - begin[file], of_text=False)
        return Table(
            Path(self.name),
            frame,
            lines=lines,
            row_index=self.row_index,
            parts=self.spread.parts,
            unread=self.unread,
            others=self.others,
            is_part=True,
        )

    def _of_part(self, part: Part, start: int, stop: int) -> pl.DataFrame:
        part.stamp.check()
        columns = [pl.col(name).cast(dtype) for name, dtype in self.types.items()]
        rows = part.rows.slice(start - part.start, stop - start).select(columns)
        frame = _asked(part.stamp, rows)
        if len(frame) != stop - start:
            raise TableError(f"{part.stamp.path} has fewer rows than it had at first: begin again.")
        return frame

    def _length(self, name: str) -> int:
        """Return of how many elements all lists of a column are; 0 if they differ."""
        length = pl.col(name).list.len()
        ends = [
            _asked(part.stamp, part.rows.select(least=length.min(), most=length.max())).row(0)
            for part in self.parts
        ]
        lengths = {end for some in ends for end in some if end is not None}
        return reduce(max, lengths) if len(lengths) == 1 else 0

    def _of_one_length(self, frame: pl.DataFrame) -> pl.DataFrame:
        arrays = [
            pl.col(name).list.to_array(length)
            for name, length in self.lists.items()
            if length and name in frame.columns
        ]
        return frame.with_columns(arrays)


def _asked(stamp: Stamp, rows: pl.LazyFrame) -> pl.DataFrame:
    """Return rows of a file, or raise one sentence that names it."""
    try:
        return rows.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        stamp.check()
        raise TableError(
            f"{stamp.path} cannot be read, or is damaged: {first_line(error)}."
        ) from error
    except OSError as error:
        stamp.check()
        raise TableError(f"Cannot read {stamp.path}: {error.strerror or error}.") from error
