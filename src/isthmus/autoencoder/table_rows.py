"""Rows of a table of mixed types: a frame whose rows are encoded when they are asked for."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.words import is_or_are

if TYPE_CHECKING:
    from collections.abc import Mapping

    from isthmus.schema import Schema


BLOCK = 2**16  # rows that are encoded at once, to look at them


class TableRows:
    """The rows of a frame, or of an array with missing cells, as its schema encodes them.

    What is asked for by a slice or by numbers is encoded then, so that a large frame takes no more
    memory than it has; `np.asarray` gives all.
    """

    ndim, dtype = 2, np.dtype(float)

    def __init__(self, schema: Schema, frame: Any, *, judged: bool = True) -> None:
        self.schema, self.frame, self.judged = schema, frame, judged

    def unjudged(self) -> TableRows:
        """Return the same rows for what needs no cell of each: codes, and what is expected of it."""
        return TableRows(self.schema, self.frame, judged=False)

    def in_memory(self) -> TableRows:
        """Return the same rows for what is as large as they are: those on disk are read whole."""
        on_disk = hasattr(self.frame, "read")
        frame = some_rows(self.frame, slice(None)) if on_disk else self.frame
        return TableRows(self.schema, frame, judged=self.judged)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and of values in a row."""
        return len(self), len(self.schema.values)

    @property
    def size(self) -> int:
        """The number of all values."""
        return len(self) * len(self.schema.values)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """Return some rows; ValueError for one to judge of which no cell is there."""
        encoded = self.encoded(rows)
        empty = np.flatnonzero(np.isnan(encoded).all(axis=1))
        if self.judged and len(empty):
            raise ValueError(
                f"Row {np.arange(len(self))[rows][empty[0]]} of X has no cell that is there among the "
                "columns used: leave such rows out."
            )
        return encoded

    def encoded(self, rows: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Return some rows, those too of which no cell is there."""
        return self.schema.encode(some_rows(self.frame, rows))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or float, copy=False)


def check_rows_have_cells(schema: Schema | None, X: Any) -> None:
    """Raise a ValueError for the first row of a table of which no cell is there, before it is divided:
    a part would number it anew.
    """
    if schema is not None:
        rows = TableRows(schema, X)
        for start in range(0, len(rows), BLOCK):
            rows[start : start + BLOCK]


def some_rows(frame: Any, rows: slice | np.ndarray) -> Any:
    """Return some rows of a frame or an array, by a slice, numbers or flags."""
    if isinstance(frame, np.ndarray):
        return frame[rows]
    if hasattr(frame, "iloc"):
        return frame.iloc[rows]
    if isinstance(rows, slice):
        begin, end, step = rows.indices(len(frame))
        if hasattr(frame, "read"):  # rows on disk
            return frame.read(begin, end)
        if step == 1:
            return frame.slice(begin, max(end - begin, 0))
    numbers = np.arange(len(frame))[rows]
    return frame.take(numbers) if hasattr(frame, "take") else frame[numbers]


def rows_to_learn_from(X: np.ndarray) -> np.ndarray:
    """Return which compact rows have a cell that is there; a warning counts the others."""
    there = ~np.isnan(X).all(axis=1)
    lost = len(X) - int(there.sum())
    if lost:
        what = "A row has" if lost == 1 else f"{lost:,} rows have"
        warnings.warn(
            f"{what} no cell that is there among the columns used, the first is row "
            f"{int(np.argmin(there))}: nothing is learned from {'it' if lost == 1 else 'them'}.",
            stacklevel=4,
        )
    return there


def weights_of_columns(
    given: Mapping[str, float] | None, schema: Schema | None
) -> np.ndarray | None:
    """Return what each used column counts; ValueError for names that are no such columns."""
    if schema is None:
        if given:
            raise ValueError(
                "The parameter column_weights is for tables of mixed types, or with missing cells, and "
                "X is plain numbers: leave it out, or multiply the columns."
            )
        return None
    names = [column.name for column in schema.used]
    odd = [name for name in given or {} if name not in names]
    if odd:
        raise ValueError(
            f"The parameter column_weights names {', '.join(map(repr, odd))}, which {is_or_are(odd)} "
            f"not among the columns used: {', '.join(names[:10])}{' ...' if len(names) > 10 else ''}."
        )
    return np.array([float((given or {}).get(name, 1.0)) for name in names])
