"""What a column says block by block, in bounded memory: counts of texts, and cells that show the rest.

Of numbers, dates and times the first, the least and the greatest cell are kept, and the first one that
each unit or cycle tells from others. Of more than a million different texts the rarest are forgotten,
and how many there are is judged by those whose hash is a multiple of 64.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from isthmus.schema.columns import CYCLES, UNITS, WORDS, number_of
from isthmus.schema.dates import seconds, to_local, turn
from isthmus.schema.identifiers import Numbers
from isthmus.schema.seen import Seen, counted, lengths

MOST_TEXTS = 2**20  # whose rows are counted
SIFTED = 64  # of so many texts one is kept, to judge how many there are


class Condensed(Seen):
    """A column that is seen block by block."""

    def __init__(self, cells: pl.Series, rows: int, *, by_text: bool) -> None:
        self.cells, self.rows, self.missing = cells.clear(), 0, 0
        self.by_text = by_text or isinstance(cells.dtype, WORDS)
        self.texts: pl.DataFrame | None = None
        self.sifted: pl.Series | None = None  # hashes of some texts, once others are forgotten
        self.characters = self.gaps = 0
        self.numbers = Numbers(rows) if cells.dtype.is_integer() else None

    def see(self, cells: pl.Series) -> None:
        """Take in more cells."""
        self._check_finite(cells)
        self.rows += len(cells)
        self.missing += cells.null_count()
        there = cells.drop_nulls()
        if self.by_text:
            self._count(there)
        if not isinstance(cells.dtype, WORDS):
            few = pl.concat([self.cells, there])
            self.cells = few.gather(telling(few)) if len(few) else few
            if self.numbers is not None:
                self.numbers.see(there)

    def settled(self) -> Condensed:
        """Return the same with cells of text as well, each different one once."""
        if isinstance(self.cells.dtype, WORDS) and self.texts is not None:
            self.cells = self.texts["text"].cast(self.cells.dtype).alias(self.cells.name)
        return self

    @property
    def counts(self) -> pl.DataFrame:
        """The texts of cells that are there, and in how many "rows" each is."""
        return counted(self.cells) if self.texts is None else self.texts

    @property
    def different(self) -> int:
        """How many cells that are there differ; about so many, where texts were forgotten."""
        return self.counts.height if self.sifted is None else SIFTED * len(self.sifted)

    @property
    def numbered(self) -> bool:
        """Whether whole numbers tell rows apart."""
        return self.numbers is not None and self.missing == 0 and self.numbers.all_told_apart

    @property
    def length(self) -> tuple[float, float]:
        """How many characters and words the texts that are there have on average."""
        there = max(self.rows - self.missing, 1)
        return self.characters / there, 1 + self.gaps / there

    def _check_finite(self, cells: pl.Series) -> None:
        """Raise a ValueError for the first number that is infinite, by its row among all."""
        if self.by_text or not cells.dtype.is_float():
            return
        bad = cells.is_infinite().arg_true()
        if len(bad):
            held, row = cells[bad[0]], self.rows + bad[0]
            raise ValueError(
                f"The column {cells.name!r} holds {held:g} in row {row}: make it a number or missing."
            )

    def _count(self, there: pl.Series) -> None:
        new = counted(there)
        if isinstance(there.dtype, WORDS):
            found = [int(part.sum()) for part in lengths(there.cast(pl.String))]
            self.characters, self.gaps = self.characters + found[0], self.gaps + found[1]
        parts = [new] if self.texts is None else [self.texts, new]
        self.texts = (
            pl.concat(parts).group_by("text", maintain_order=True).agg(pl.col("rows").sum())
        )
        if self.sifted is not None:
            self.sifted = pl.concat([self.sifted, sifted(new["text"])]).unique()
        if self.texts.height > MOST_TEXTS:
            self._forget(self.texts)

    def _forget(self, texts: pl.DataFrame) -> None:
        """Forget the rarer half of the texts."""
        if self.sifted is None:
            self.sifted = sifted(texts["text"])
        self.texts = texts.sort("rows", "text", descending=[True, False]).head(MOST_TEXTS // 2)


def sifted(text: pl.Series) -> pl.Series:
    """Return the hashes of the few texts by which is judged how many there are."""
    hashes = text.hash(seed=0).unique()
    return hashes.filter(hashes % SIFTED == 0)


def telling(cells: pl.Series) -> list[int]:
    """Return the places of cells that are there which show what all say of a column's details."""
    values = seconds(cells) if cells.dtype.is_temporal() else number_of(cells)
    chosen = [0, int(np.argmin(values)), int(np.argmax(values))]
    if cells.dtype.base_type() in (pl.Date, pl.Datetime):
        values = to_local(values, getattr(cells.dtype, "time_zone", None) or "")
        chosen += [_first(turn(values, c) != turn(values[:1], c)) for c in CYCLES]
    chosen += [_first(values % step != 0) for step in UNITS.values()]
    return sorted({place for place in chosen if place >= 0})


def _first(marked: np.ndarray) -> int:
    """Return the place of the first that is marked; -1 if none is."""
    place = int(np.argmax(marked))
    return place if marked[place] else -1
