"""Large text files, of which numbers are read as such at once, and all else as text.

A column is read so if each of its cells is missing or a plain number: with a decimal point, if it has
a mark, and without a unit, gaps between thousands, or the leading zeros of a code. Such columns take
eight bytes a cell. What other columns are is asked of the text of all their cells, as for a small file.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.cells import (
    Cells,
    Signs,
    Source,
    cleaned,
    has_code,
    plain_cells,
    signs_in,
    stripped,
)
from isthmus.io.pieces import Pieces, Unfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from isthmus.io.pieces import Piece


class Light:
    """Columns of a text file that were read as numbers at once, and the way back to their text.

    Parameters
    ----------
    pieces : Pieces
        The file.
    names : sequence of str
        The columns.
    signs : mapping of str to Signs, optional
        What they say of the decimal mark, if that is known.
    kept : array of bool, optional
        Which rows are left of the file's.
    """

    def __init__(
        self,
        pieces: Pieces,
        names: Sequence[str],
        *,
        signs: Mapping[str, Signs] | None = None,
        kept: np.ndarray | None = None,
    ) -> None:
        self.pieces, self.names, self.known, self.kept = pieces, dict.fromkeys(names), signs, kept

    def only(self, which: np.ndarray) -> Light:
        """Return what is known of some of the rows that are left."""
        kept = np.ones(len(which), bool) if self.kept is None else self.kept.copy()
        kept[kept] = which
        return Light(self.pieces, [*self.names], kept=kept)

    def words(self, names: Sequence[str]) -> pl.DataFrame:
        """Return columns as text; the file is read again."""
        return pl.concat(list(self._texts(names))) if names else pl.DataFrame()

    def source(self, name: str) -> Source:
        """Return what is known of the text of a column."""
        return Source(self.signs[name], lambda: self.words([name]).to_series())

    @cached_property
    def signs(self) -> Mapping[str, Signs]:
        """What the columns say of the file's decimal mark, by their names."""
        if self.known is not None:
            return self.known
        marks = Marks()
        for text in self._texts([*self.names]):
            marks.add(text, len(text))
        return {name: marks.signs.get(name, Signs()) for name in self.names}

    def _texts(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        begin = 0
        for piece in self.pieces:
            cells = pl.DataFrame([piece.cells[name] for name in names])
            end = begin + len(cells)
            yield cells if self.kept is None else cells.filter(self.kept[begin:end])
            begin = end


class Marks:
    """Gathers, piece by piece, the first cells that tell of the decimal mark."""

    def __init__(self) -> None:
        self.signs: dict[str, Signs] = {}
        self.rows = 0

    def add(self, text: pl.DataFrame, rows: int) -> None:
        """Look at the next rows, for columns that have not told yet."""
        untold = [c for c in text if not self.signs.get(c.name, Signs()).point]
        marked = pl.DataFrame(untold).select(pl.all().str.contains(".", literal=True).any())
        for name in (c.name for c in marked if c[0]):
            found = signs_in(_cleaned(text[name]))
            here = [c and c._replace(row=c.row + self.rows) for c in found]
            self.signs[name] = self.signs.get(name, Signs()) | Signs(*here)
        self.rows += rows


def _cleaned(text: pl.Series) -> pl.Series:
    return cleaned(text.to_frame())[text.name].text


def cells_of(frame: pl.DataFrame, light: Light | None) -> dict[str, Cells]:
    """Return columns of text without what no number needs, and those that were read as numbers."""
    found = cleaned(pl.DataFrame([column for column in frame if column.dtype == pl.String]))
    for column in frame:
        if light is not None and column.name not in found:
            found[column.name] = Cells(column, column, source=light.source(column.name))
    return {name: found[name] for name in frame.columns}


class LightText(NamedTuple):
    """What a large text file holds: numbers, and cells as text."""

    frame: pl.DataFrame
    lines: np.ndarray
    light: Light


def read_light(path: Path, *, header: bool, worded: Sequence[str] = ()) -> LightText | None:
    """Read a text file piece by piece; None where it has to be read as a whole.

    Columns of which the header is one of the `worded` stay text.
    """
    try:
        pieces = Pieces(path, header=header)
        return _Reading(pieces, worded).text()
    except Unfit:
        return None


def _beside_each_other(parts: dict[str, list[pl.Series]]) -> dict[str, pl.Series]:
    """Return columns by their parts; they lie so that they are one array, of which no copy is made."""
    rows = sum(map(len, next(iter(parts.values()), [])))
    several = [part.alias("") for name in parts for part in parts[name]]
    whole = pl.concat(several, rechunk=True) if several else pl.Series()
    return {name: whole.slice(i * rows, rows).alias(name) for i, name in enumerate(parts)}


class Columns:
    """Tells piece by piece which columns are numbers; those that are `words` are text anyhow."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.words = {*words}  # columns that are text from the first piece on,
        self.late: set[str] = set()  # and others that turned out to be
        self.marks = Marks()
        self.spaced: set[str] = set()  # numbers with space around them, or words for missing ones
        self.nan: set[str] = set()  # numbers that are NaN, which is such a word elsewhere
        self.begun = False

    def typed(self, cells: pl.DataFrame) -> pl.DataFrame:
        """Return the next rows, numbers as such; columns that turned out to be text are left out."""
        live = [c for c in cells if c.name not in self.words | self.late]
        numbers = self._numbers(pl.DataFrame(live))
        odd = {column.name for column in live} - {*numbers}
        if not self.begun:
            self.words |= odd
        self.begun = True
        self.late |= odd - self.words | (self.spaced & self.nan)
        self.marks.add(pl.DataFrame([c for c in live if c.name in numbers]), len(cells))
        kept = [c for c in cells if c.name not in self.late]
        return pl.DataFrame([c if c.name in self.words else numbers[c.name] for c in kept])

    def signs(self, names: Iterable[str]) -> dict[str, Signs]:
        """Return what columns of numbers say of the decimal mark."""
        return {
            n: self.marks.signs.get(n, Signs()) for n in names if n not in self.words | self.late
        }

    def _numbers(self, text: pl.DataFrame) -> dict[str, pl.Series]:
        bare, codes = plain_cells(text), has_code(text)
        self.nan |= {n for n, c in bare.items() if c.plain is not None and c.plain.is_nan().any()}
        rest = pl.DataFrame([text[name] for name, c in bare.items() if c.plain is None])
        spaced = plain_cells(stripped(rest)) if rest.width else {}
        self.spaced |= {*spaced}
        found = (bare | spaced).items()
        return {n: c.plain for n, c in found if c.plain is not None and not codes[n]}


class _Reading:
    """The columns of a file while its pieces come."""

    def __init__(self, pieces: Pieces, worded: Sequence[str]) -> None:
        self.pieces, self.worded, self.columns = pieces, worded, Columns()
        self.parts: dict[str, list[pl.Series]] = {}

    def text(self) -> LightText:
        """Read the file, and once more what turned out to be text."""
        lines = [self._add(piece) for piece in self.pieces]
        if not lines:
            raise Unfit
        names, late = self.pieces.names, self.columns.late
        signs = self.columns.signs(names)
        again = Light(self.pieces, []).words([n for n in names if n in late])
        numbers = _beside_each_other({name: self.parts.pop(name) for name in signs})
        columns = [
            again[n] if n in late else numbers[n] if n in numbers else pl.concat(self.parts.pop(n))
            for n in names
        ]
        light = Light(self.pieces, [*signs], signs=signs)
        return LightText(pl.DataFrame(columns), np.concatenate(lines), light)

    def _add(self, piece: Piece) -> np.ndarray:
        if not self.parts and self.pieces.first[0] in self.worded:
            self.columns.words.add(self.pieces.names[0])
        for column in self.columns.typed(piece.cells):
            self.parts.setdefault(column.name, []).append(column)
        return piece.lines
