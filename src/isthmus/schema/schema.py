"""What a table's columns are taken for, and the way to compact rows and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from isthmus.schema.cells import Odd
from isthmus.schema.columns import Column, Value, values_of
from isthmus.schema.decoding import decoded
from isthmus.schema.encoding import encoded
from isthmus.schema.frames import as_library, opened, types_in
from isthmus.schema.holding import unheld
from isthmus.schema.stored import as_plain, from_plain
from isthmus.words import columns_named, is_or_are

SHOWN = 200  # columns in a table of words


@dataclass(frozen=True)
class Schema:
    """What the columns of a table are taken for.

    Parameters
    ----------
    columns : tuple of Column
        All columns of the table, in its order, those that are ignored too.
    """

    columns: tuple[Column, ...]

    @cached_property
    def used(self) -> tuple[Column, ...]:
        """The columns that are not ignored."""
        return tuple(c for c in self.columns if c.kind != "ignore")

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """The values of a compact row, in order."""
        return tuple(v for cell, column in enumerate(self.used) for v in values_of(column, cell))

    @cached_property
    def first_values(self) -> list[int]:
        """The place in a compact row of each used column's first value, which says what its cell is."""
        places: dict[int, int] = {}
        for place, value in enumerate(self.values):
            places.setdefault(value.cell, place)
        return list(places.values())

    def encode(self, frame: Any) -> np.ndarray:
        """Return compact rows (n, values), float64; NaN is a missing cell of whatever kind.

        Columns are found by name, in any order.

        Raises
        ------
        ValueError
            If a column is missing, or a cell is not of its column's kind; the error names it.
        """
        table = opened(frame)
        places = {name: j for j, name in enumerate(table.names)}
        self._check_columns(places)
        rows = np.empty((table.rows, len(self.values)))
        end = 0
        for column in self.used:
            cells = table.column(places[column.name])
            if isinstance(cells, Odd):
                raise ValueError(f"The column {column.name!r} holds {cells.held}{cells.example}.")
            for value in encoded(cells, column):
                rows[:, end] = value
                end += 1
        return rows

    def decode(self, values: np.ndarray, like: Any = None) -> Any:
        """Return the used columns from compact rows, in a frame of the library of `like`.

        Numbers lie in the range that was seen; what was whole, or of a unit of time, is so again.

        Parameters
        ----------
        values : ndarray of shape (n, values)
            Compact rows.
        like : DataFrame, Table or ndarray, optional
            The frame whose library, index and types the result has, the schema's type where a type
            cannot hold what the column is; polars without it. An array gets all of its columns back,
            those that are ignored as NaN.
        """
        series = {
            c.name: decoded(v, c) for c, v in zip(self.used, self._cells(values), strict=True)
        }
        if isinstance(like, np.ndarray):
            return self._array(series)
        types = {} if like is None else types_in(like)
        return as_library(series, like, unheld(self.used, types))

    def to_dict(self) -> dict[str, Any]:
        """Return the schema as what JSON can hold."""
        return {"columns": [as_plain(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, plain: Any) -> Schema:
        """Return the schema that `to_dict` wrote.

        Raises
        ------
        ValueError
            If it is none, or its levels are too many or too long.
        """
        return cls(from_plain(plain))

    def text(self) -> str:
        """Return a table of words: each column, what it is taken for, and why."""
        shown = [("column", "taken for", "why")]
        shown += [(c.name[:40], _kind_text(c), c.why) for c in self.columns[:SHOWN]]
        widths = [max(len(row[i]) for row in shown) for i in (0, 1)]
        lines = [f"{a:{widths[0]}}  {b:{widths[1]}}  {why}".rstrip() for a, b, why in shown]
        more = len(self.columns) - SHOWN
        return "\n".join(lines + [f"... and {more:,} more"] * (more > 0))

    def _check_columns(self, places: Mapping[str, int]) -> None:
        """Raise a ValueError for columns that the table lacks."""
        lost = [c.name for c in self.used if c.name not in places]
        if lost:
            more = f" and {len(lost) - 5:,} more" if len(lost) > 5 else ""
            raise ValueError(
                f"X lacks {columns_named(lost[:5])}{more}, which {is_or_are(lost)} part of the "
                "model: add what is missing, with missing cells where nothing is known."
            )

    def _cells(self, values: np.ndarray) -> list[np.ndarray]:
        """Return the first value of each used column, which says what its cell is."""
        return [np.asarray(values[:, place], np.float64) for place in self.first_values]

    def _array(self, series: dict[str, pl.Series]) -> np.ndarray:
        n = len(next(iter(series.values())))
        found = np.full((n, len(self.columns)), np.nan)
        for j, column in enumerate(self.columns):
            if column.name in series:
                found[:, j] = series[column.name].cast(pl.Float64).to_numpy()
        return found


def _kind_text(column: Column) -> str:
    return "left out" if column.kind == "ignore" else column.kind
