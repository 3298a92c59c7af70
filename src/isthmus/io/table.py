"""A table as it was read, and the rows that are chosen of it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.io.places import Numbered, Places
from isthmus.io.places import row_place as row_place
from isthmus.io.style import Style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from isthmus.io.cells import Cell, Decimal
    from isthmus.io.light import Light


class Table(NamedTuple):
    """What a file holds: a frame of named columns, or an array without names.

    The columns of text files are all strings, so that identifiers stay as they are written, but those
    that are `light`; `separator` marks these files, and is None for typed ones.
    """

    path: Path
    rows: pl.DataFrame | np.ndarray
    separator: str | None = None
    lines: np.ndarray | Places | Numbered | None = None  # where each row of a text file begins
    decimal: Decimal | None = None  # the decimal mark of a text file, if the user knows it
    row_index: tuple[str, ...] = ()  # columns that only number the rows
    parts: Mapping[str, list[str]] = MappingProxyType({})  # columns by the list they were part of
    unread: Mapping[str, str] = MappingProxyType({})  # columns that cannot be read, and why
    others: tuple[str, ...] = ()  # columns that are there and were not read
    answers: tuple[str, ...] = ()  # columns of what is known of the rows, such as their classes
    worded_dates: bool = False  # whether dates are words, as in formats that have no dates
    light: Light | None = None  # columns of a large text file that were read as numbers at once
    is_part: bool = False  # of a larger table, so that all of its rows may be bad
    is_for_model: bool = False  # which was fitted on these columns, so that none can be left out

    @property
    def names(self) -> list[str]:
        """The names of all columns that can be read; those of an array have none."""
        return [*getattr(self.rows, "columns", ()), *self.others]

    def only(self, which: pl.Series) -> Table:
        """Return the table with these rows alone."""
        chosen = which.to_numpy()
        rows = self.rows[chosen] if isinstance(self.rows, np.ndarray) else self.rows.filter(which)
        lines = self.lines
        if lines is not None:
            lines = lines[chosen] if isinstance(lines, np.ndarray) else lines.only(chosen)
        light = self.light and self.light.only(chosen)
        return self._replace(rows=rows, lines=lines, light=light)

    def text(self, names: Sequence[str]) -> pl.DataFrame:
        """Return columns as they stand in the file, also those that were read as numbers at once."""
        assert isinstance(self.rows, pl.DataFrame)
        light = [] if self.light is None else [n for n in names if n in self.light.names]
        again = self.light.words(light) if self.light and light else pl.DataFrame()
        return pl.DataFrame([(again if n in light else self.rows).get_column(n) for n in names])

    def row(self, number: int) -> str:
        """Return where a row stands, as part of a sentence."""
        return row_place(self.lines, number)

    def place(self, cell: Cell, *, brief: bool = False) -> str:
        """Return a cell of a text file, and where it stands, as part of a sentence."""
        named = "" if brief else f" in the column {cell.column!r}"
        return f"{self.row(cell.row)}: {cell.text!r}{named}"


class Rows(NamedTuple):
    """What a command works on: numeric rows, the identifiers beside them, and their weights.

    Where rows were set apart, `problems` says why, of all rows; null marks those that are in `X`.
    """

    X: pl.DataFrame | np.ndarray
    ids: pl.DataFrame
    weight: np.ndarray | None = None
    problems: pl.Series | None = None
    lines: np.ndarray | Places | Numbered | None = (
        None  # where each of all rows begins in a text file
    )
    style: Style = Style()  # of a text file that the rows are to be written like
    image_scale: float | None = None  # by how much images of a folder were resized

    @property
    def total(self) -> int:
        """The number of all rows."""
        return len(self.X) if self.problems is None else len(self.problems)

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of the rows in `X`, among all rows."""
        if self.problems is None:
            return np.arange(len(self.X))
        return self.problems.is_null().arg_true().to_numpy()

    @property
    def in_file(self) -> np.ndarray:
        """The numbers of the rows in `X`, among those of the file, of which there may be more."""
        sampled = self.lines.numbers if isinstance(self.lines, Numbered) else None
        return self.numbers if sampled is None else sampled[self.numbers]

    def with_problems(self, why: list[str | None], good: np.ndarray) -> Rows:
        """Return the rows that are good among these; `why` says of all rows what is wrong."""
        X = self.X[good] if isinstance(self.X, np.ndarray) else self.X.filter(good)
        return self._replace(X=X, problems=pl.Series("problem", why, dtype=pl.String))

    def bad(self) -> pl.DataFrame:
        """Return the numbers of the rows that were set apart, and why."""
        if self.problems is None:
            return pl.DataFrame(schema={"row": pl.Int64, "problem": pl.String})
        numbers = self.problems.is_not_null().arg_true().cast(pl.Int64)
        return pl.DataFrame({"row": numbers, "problem": self.problems.drop_nulls()})
